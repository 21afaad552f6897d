/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the oldest supported kernel look like the newest to this module, as kernel/compat.h
 * does to ours. The only place here that may ask for LINUX_VERSION_CODE.
 */
#ifndef FABRIC_COMPAT_H
#define FABRIC_COMPAT_H

#include <linux/version.h>

/*
 * In a struct target_core_fabric_ops: fabrics say since 6.7 where their commands are submitted.
 * Here, so that SUBMIT means it; before that it always did. Remove when Debian 12's 6.1 is
 * dropped.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define FABRIC_SUBMITS_DIRECTLY	\
	.direct_submit_supp = 1, .default_submit_type = TARGET_DIRECT_SUBMIT,
#else
#define FABRIC_SUBMITS_DIRECTLY
#endif

#endif /* FABRIC_COMPAT_H */
