// SPDX-License-Identifier: MIT
/* See probe.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "probe.h"

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

/* Each thread touches for itself. */
static __thread sigjmp_buf on_bus;
static __thread volatile sig_atomic_t expecting_bus;

static void bus_handler(int number)
{
	(void)number;
	if (!expecting_bus)
		_exit(7);
	siglongjmp(on_bus, 1);
}

void probe_catch_bus(void)
{
	signal(SIGBUS, bus_handler);
}

int try_load(const volatile void *p)
{
	int value;

	if (sigsetjmp(on_bus, 1)) {
		expecting_bus = 0;
		return -1;
	}
	expecting_bus = 1;
	value = *(const volatile uint8_t *)p;
	expecting_bus = 0;
	return value;
}

bool try_store(volatile void *p, uint8_t value)
{
	if (sigsetjmp(on_bus, 1)) {
		expecting_bus = 0;
		return false;
	}
	expecting_bus = 1;
	*(volatile uint8_t *)p = value;
	expecting_bus = 0;
	return true;
}

void probe_block_usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void probe_wait_usr1(void)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &number);
}
