/* SPDX-License-Identifier: MIT */
/* Accesses that the compiler may neither repeat nor tear; for scalars alone. */
#ifndef SHIM_LINUX_COMPILER_H
#define SHIM_LINUX_COMPILER_H

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), (value), __ATOMIC_RELAXED)

#endif /* SHIM_LINUX_COMPILER_H */
