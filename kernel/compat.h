/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the oldest supported kernel look like the newest; force-included by Kbuild. The only place
 * that may ask for LINUX_VERSION_CODE. Shims have the name of what they replace, each with the
 * release that introduced it.
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
#include <linux/mm.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
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

/*
 * kthread_create_worker() doesn't start its thread any more: kthread_run_worker() does both,
 * 6.14. Remove when Debian 12's 6.12 is dropped.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker kthread_create_worker
#endif

/*
 * Queues say that they are of one CPU, 6.17: they all were that weren't WQ_UNBOUND. Remove when
 * Debian 12's 6.12 is dropped.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define WQ_PERCPU 0
#endif

/*
 * vfs_iocb_iter_write() keeps the file system from being frozen by itself, 6.8, and leaves it to
 * the end of an asynchronous write to let it be; before, that was the caller's, for regular files.
 * lockdep is told that this thread has given the lock away. Remove when Debian 12's 6.1 is
 * dropped.
 */
#include <linux/fs.h>

static inline ssize_t zcmu_write(struct file *file, struct kiocb *iocb, struct iov_iter *iter)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	bool may_freeze = S_ISREG(file_inode(file)->i_mode);
	ssize_t ret;

	file_start_write(file);
	if (may_freeze)
		__sb_writers_release(file_inode(file)->i_sb, SB_FREEZE_WRITE);
	ret = vfs_iocb_iter_write(file, iocb, iter);
	if (ret != -EIOCBQUEUED) {
		if (may_freeze)
			__sb_writers_acquired(file_inode(file)->i_sb, SB_FREEZE_WRITE);
		file_end_write(file);
	}
	return ret;
#else
	return vfs_iocb_iter_write(file, iocb, iter);
#endif
}

/* For the end of one that was asynchronous. */
static inline void zcmu_write_is_over(struct kiocb *iocb)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	struct file *file = iocb->ki_filp;

	if (S_ISREG(file_inode(file)->i_mode))
		__sb_writers_acquired(file_inode(file)->i_sb, SB_FREEZE_WRITE);
	file_end_write(file);
#else
	kiocb_end_write(iocb);
#endif
}

/*
 * nth_page() is gone, 6.18: a segment's page structures lie side by side since then, in every model
 * of memory. Write "page + n" when Debian 12's 6.12 is dropped.
 */
static inline struct page *zcmu_nth_page(struct page *page, unsigned long n)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return nth_page(page, n);
#else
	return page + n;
#endif
}

/*
 * MSG_SPLICE_PAGES, 6.5: a socket takes references to pages, in place of kernel_sendpage(), page by
 * page. Write "sock_sendmsg(sock, &msg)" with that flag when 6.1 is dropped. Return: bytes or -errno
 */
#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>

static inline int zcmu_send_pages(struct socket *sock, struct iov_iter *iter)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	int sent = 0;

	while (iov_iter_count(iter)) {
		size_t at = iter->bvec->bv_offset + iter->iov_offset;
		size_t bytes = min3(PAGE_SIZE - offset_in_page(at),
				    iter->bvec->bv_len - iter->iov_offset, iov_iter_count(iter));
		int more = bytes < iov_iter_count(iter) ? MSG_MORE | MSG_SENDPAGE_NOTLAST : 0;
		int ret = kernel_sendpage(sock, zcmu_nth_page(iter->bvec->bv_page, at / PAGE_SIZE),
					  offset_in_page(at), bytes, MSG_NOSIGNAL | more);

		if (ret <= 0)
			return sent ?: ret;
		iov_iter_advance(iter, ret);
		sent += ret;
	}
	return sent;
#else
	struct msghdr msg = {
		.msg_iter = *iter, .msg_flags = MSG_NOSIGNAL | MSG_SPLICE_PAGES,
	};

	return sock_sendmsg(sock, &msg);
#endif
}

/*
 * uio_info.mmap is mmap_prepare, and tells what it would have of a mapping instead of making it,
 * 7.1. What has to be done once it is sure to be made is vm_operations_struct.mapped's. uio's mmap
 * calls that right after mmap_prepare; before 7.1 we do, in its place. Write it out when
 * Debian 12's 6.12 is dropped.
 */
#include <linux/uio_driver.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define zcmu_new_vma		vm_area_struct
#define zcmu_uio_mmap		mmap
#define ZCMU_VMA_MAPPED(function)

static inline unsigned long zcmu_new_vma_pgoff(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

static inline unsigned long zcmu_new_vma_pages(struct vm_area_struct *vma)
{
	return vma_pages(vma);
}

static inline bool zcmu_new_vma_is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHARED;
}

static inline void zcmu_new_vma_set_flags(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_MIXEDMAP);
}
#else
#define zcmu_new_vma		vm_area_desc
#define zcmu_uio_mmap		mmap_prepare
#define ZCMU_VMA_MAPPED(function) .mapped = (function),

static inline unsigned long zcmu_new_vma_pgoff(const struct vm_area_desc *desc)
{
	return desc->pgoff;
}

static inline unsigned long zcmu_new_vma_pages(struct vm_area_desc *desc)
{
	return vma_desc_pages(desc);
}

static inline bool zcmu_new_vma_is_shared(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_SHARED_BIT);
}

static inline void zcmu_new_vma_set_flags(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_DONTEXPAND_BIT, VMA_DONTDUMP_BIT, VMA_MIXEDMAP_BIT);
}
#endif

/* @mapped: that of @ops; a reference to @data is its to take. Return: its, if it was called */
static inline int zcmu_new_vma_give(struct zcmu_new_vma *vma,
				    const struct vm_operations_struct *ops, void *data,
				    int (*mapped)(unsigned long start, unsigned long end,
						  pgoff_t pgoff, const struct file *file,
						  void **private_data))
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
	int ret = mapped(vma->vm_start, vma->vm_end, vma->vm_pgoff, vma->vm_file, &data);

	if (ret)
		return ret;
	vma->vm_private_data = data;
#else
	vma->private_data = data;
#endif
	vma->vm_ops = ops;
	return 0;
}

#endif /* ZCMU_COMPAT_H */
