/* SPDX-License-Identifier: MIT */
/* Checks at compile time. */
#ifndef SHIM_LINUX_BUILD_BUG_H
#define SHIM_LINUX_BUILD_BUG_H

#define BUILD_BUG_ON(condition)	_Static_assert(!(condition), "not so: " #condition)

#endif /* SHIM_LINUX_BUILD_BUG_H */
