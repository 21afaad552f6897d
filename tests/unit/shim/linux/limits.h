/* SPDX-License-Identifier: MIT */
/* The kernel's name of UINT32_MAX; the C library includes this header for the rest. */
#include_next <linux/limits.h>

#ifndef U32_MAX
#define U32_MAX	((__UINT32_TYPE__)~0u)
#endif
