/* SPDX-License-Identifier: MIT */
/*
 * The kernel's short names of integers, for kernel/{ring,window,plan}.c in a unit
 * test. Everything else of the header is the system's own.
 */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include_next <linux/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#endif /* SHIM_LINUX_TYPES_H */
