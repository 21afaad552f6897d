/* SPDX-License-Identifier: MIT */
/*
 * Calls that fail on demand: the nth of those that the program's own code makes from now on, of
 * memory, files, threads. The linker puts them in the place of the real ones: see meson.build.
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include <stdbool.h>

/* 0: none fails, they are only counted. */
void fail_nth(unsigned int n);
/* Neither counted nor failed: calls that would fail for another reason. 0: for any */
void fail_only(int error);
/* Neither counted nor failed: calls of this thread. */
void fail_spare_this_thread(void);
/* Return: how many calls there were. Nothing fails any more. */
unsigned int fail_end(void);

/* Of a call that is made now: does it fail? It sets errno. */
bool fail_now(int error);

#endif /* FAIL_NTH_H */
