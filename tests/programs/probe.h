/* SPDX-License-Identifier: MIT */
/*
 * What the handlers of the tests share: lines for the case, touches that may be SIGBUS,
 * signals to wait for. Not for what a handler does.
 */
#ifndef PROBE_H
#define PROBE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define PROBE_PAGE	((uint32_t)sysconf(_SC_PAGESIZE))

/* A line to stdout, where the case waits for it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Call it before try_*(): a SIGBUS elsewhere ends the process with status 7. */
void probe_catch_bus(void);

/* Return: the byte, or -1 for SIGBUS. */
int try_load(const volatile void *p);
/* Return: whether it was done; if not, it was SIGBUS. */
bool try_store(volatile void *p, uint8_t value);

/* The case says "go on" with SIGUSR1; it must be blocked before there are threads. */
void probe_block_usr1(void);
void probe_wait_usr1(void);

#endif /* PROBE_H */
