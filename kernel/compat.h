/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the oldest supported kernel look like the newest; force-included by
 * Kbuild. The only place that may ask for LINUX_VERSION_CODE. Shims are named
 * like what they stand in for, each with the release that brought it.
 */
#ifndef ZCMU_COMPAT_H
#define ZCMU_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "zcmu needs Linux 6.1 or later"
#endif

/*
 * 1c71222e5f23 ("mm: replace vma->vm_flags direct modifications with modifier
 * calls"), 6.3. Remove when Debian 12's 6.1 is dropped.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#include <linux/mm.h>

static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}
#endif

/*
 * 908a1d775422 ("hrtimers: Introduce hrtimer_setup() to replace hrtimer_init()"), 6.13. Remove
 * when Debian 12's 6.12 is dropped.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#include <linux/hrtimer.h>

static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/*
 * 31177b74790c ("scsi: target: core: Add RTPI field to target port"), 6.4: it was the LUN's
 * before. Remove when Debian 12's 6.1 is dropped.
 */
#include <target/target_core_base.h>

static inline u16 zcmu_relative_port(const struct se_lun *lun)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return lun->lun_rtpi;
#else
	return lun->lun_tpg->tpg_rtpi;
#endif
}

#endif /* ZCMU_COMPAT_H */
