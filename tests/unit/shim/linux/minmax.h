/* SPDX-License-Identifier: MIT */
/* min(), which refuses to compare two types as the kernel's does. */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

#define min(x, y) ({							\
	__auto_type min_x = (x);					\
	__auto_type min_y = (y);					\
	_Static_assert(__builtin_types_compatible_p(__typeof__(min_x),	\
						    __typeof__(min_y)),	\
		       "min() of two types");				\
	min_x < min_y ? min_x : min_y;					\
})

#endif /* SHIM_LINUX_MINMAX_H */
