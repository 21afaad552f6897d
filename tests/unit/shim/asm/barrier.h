/* SPDX-License-Identifier: MIT */
/* What orders the ring's entries and the head or tail that covers them. */
#ifndef SHIM_ASM_BARRIER_H
#define SHIM_ASM_BARRIER_H

#define smp_load_acquire(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value)	__atomic_store_n((p), (value), __ATOMIC_RELEASE)

#endif /* SHIM_ASM_BARRIER_H */
