/* SPDX-License-Identifier: MIT */
/* Scripts for the tests of the store python: written to the driver's folder, opened. */
#ifndef PYTHON_SCRIPT_H
#define PYTHON_SCRIPT_H

#include "store-driver.h"

/* Everything that was logged since the script was opened, a line each. */
extern char python_said[16384];

/* Write a script. Return: "python:PATH"; a buffer of the next call */
const char *python_script(struct driver *d, const char *text);

/* Write it, open it, with ",ARGUMENT" behind (or ""). Return: driver_open()'s */
int python_open_script(struct driver *d, const char *text, const char *argument, uint64_t size);

/* So often a text was said. */
unsigned int python_said_times(const char *text);
void expect_python_said(const char *text);

/* What Python allocates and keeps for good is no leak of ours. */
const char *__lsan_default_suppressions(void);

#endif /* PYTHON_SCRIPT_H */
