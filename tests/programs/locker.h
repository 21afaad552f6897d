/* SPDX-License-Identifier: MIT */
/*
 * A process of its own that keeps a socket locked: a send() of a page that nobody ever provides.
 * Whoever else wants something of the socket waits, until that process is killed.
 */
#ifndef LOCKER_H
#define LOCKER_H

#include <sys/types.h>

/* Call it before there are threads. Return: its pid; it ends with status 1 if it can't be made. */
pid_t locker_begin(int socket);

/* Returns when the socket is locked. */
void locker_lock(void);

#endif /* LOCKER_H */
