// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device file: open, mmap, the handler's kick, and faults passed on to who has the pages. Knows
 * nothing about commands.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "complete.h"
#include "device.h"
#include "zcmu_kernel.h"

static struct zcmu_device *from_uio(struct uio_info *info)
{
	return container_of(info, struct zcmu_device, uio);
}

/*
 * The handler has written to the device: its tail has moved. The value says whether it lends
 * its descriptors. uio holds its info_lock, so one thread kicks at a time.
 */
static int uio_kick(struct uio_info *info, s32 value)
{
	struct zcmu_device *device = from_uio(info);

	lockdep_assert_held(&info->uio_dev->info_lock);
	zcmu_defer_note_kick(&device->wake);
	zcmu_complete_answers(device, value == ZCMU_KICK_TRANSFERS ? ZCMU_KICK_MOVES :
								     ZCMU_KICK_PLAIN);
	return 0;
}

/*
 * A mapping is being made; vma_open() is called for copies of it. uio_mmap() has just been called,
 * and uio still holds its info_lock: so there is still a device. If it can't be had here, mm
 * doesn't call vma_close().
 */
static int vma_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
		      const struct file *file, void **private_data)
{
	struct zcmu_device *device = *private_data;
	int ret;

	ret = zcmu_reserve_page_tables(device, current->mm, start);
	if (!ret)
		zcmu_device_get(device);
	return ret;
}

static void vma_open(struct vm_area_struct *vma)
{
	zcmu_device_get(vma->vm_private_data);
}

static void vma_close(struct vm_area_struct *vma)
{
	zcmu_device_put(vma->vm_private_data);
}

static vm_fault_t ring_fault(struct zcmu_device *device, struct vm_fault *vmf)
{
	struct page *page = vmalloc_to_page(device->map + (vmf->pgoff << PAGE_SHIFT));

	get_page(page);
	vmf->page = page;
	return 0;
}

/* Which part of map 0 is it? The ring stays as long as somebody has it mapped. */
static vm_fault_t vma_fault(struct vm_fault *vmf)
{
	struct zcmu_device *device = vmf->vma->vm_private_data;

	if (vmf->pgoff >= device->map_pages)
		return VM_FAULT_SIGBUS;
	if (vmf->pgoff < device->copy_pgoff)
		return ring_fault(device, vmf);
	if (test_bit(ZCMU_DEV_GONE, &device->flags))
		return VM_FAULT_SIGBUS;
	if (vmf->pgoff < device->window_pgoff)
		return zcmu_copy_fault(device, vmf);
	return zcmu_window_fault(device, vmf);
}

/* A store to a special PTE that is read-only: only the window has such PTEs. */
static vm_fault_t vma_pfn_mkwrite(struct vm_fault *vmf)
{
	return zcmu_window_mkwrite(vmf->vma->vm_private_data, vmf);
}

static const struct vm_operations_struct vma_ops = {
	ZCMU_VMA_MAPPED(vma_mapped)
	.open = vma_open,
	.close = vma_close,
	.fault = vma_fault,
	.pfn_mkwrite = vma_pfn_mkwrite,
};

/*
 * Without a window there is nothing to protect. An operation like pfn_mkwrite has
 * its price: from Linux 6.5 on mm refuses long-term pins (registered io_uring
 * buffers, RDMA) for all of a mapping that has one.
 */
static const struct vm_operations_struct vma_ops_without_window = {
	ZCMU_VMA_MAPPED(vma_mapped)
	.open = vma_open,
	.close = vma_close,
	.fault = vma_fault,
};

/*
 * The whole of map 0 and nothing else. Shared: a private mapping would copy
 * lent pages out of our reach. VM_MIXEDMAP: the ring and the copy area are
 * ordinary pages, which may be pinned; VM_PFNMAP would forbid that.
 */
static int uio_mmap(struct uio_info *info, struct zcmu_new_vma *vma)
{
	struct zcmu_device *device = from_uio(info);

	if (zcmu_new_vma_pgoff(vma) || zcmu_new_vma_pages(vma) != device->map_pages ||
	    !zcmu_new_vma_is_shared(vma))
		return -EINVAL;
	zcmu_new_vma_set_flags(vma);
	return zcmu_new_vma_give(vma, device->window.nr_slots ? &vma_ops : &vma_ops_without_window,
				 device, vma_mapped);
}

/* One handler at a time. All its mappings belong to its inode. */
static int uio_open(struct uio_info *info, struct inode *inode)
{
	struct zcmu_device *device = from_uio(info);

	if (test_and_set_bit(ZCMU_DEV_OPEN, &device->flags))
		return -EBUSY;
	zcmu_recover_open(device);
	spin_lock(&device->lock);
	device->stats.opens++;
	/* What an earlier handler has said about itself, or pinned, doesn't apply to this one. */
	zcmu_ring_forget_handler(&device->ring);
	device->lending.copies_step = 0;
	atomic_set(&device->lending.copies_due, 0);
	ihold(inode);
	device->inode = inode;
	spin_unlock(&device->lock);
	return 0;
}

static void forget_inode(struct zcmu_device *device)
{
	struct inode *inode;

	spin_lock(&device->lock);
	inode = device->inode;
	device->inode = NULL;
	spin_unlock(&device->lock);
	iput(inode);
}

/* The last reference to the open file is gone: so no mapping of it is left. */
static int uio_release(struct uio_info *info, struct inode *inode)
{
	struct zcmu_device *device = from_uio(info);

	forget_inode(device);
	clear_bit(ZCMU_DEV_OPEN, &device->flags);
	zcmu_defer_note_close(&device->wake);
	zcmu_keep_free_all(device);
	zcmu_recover_close(device);
	return 0;
}

static char *make_name(const struct zcmu_device *device, const char *config)
{
	u32 host_id = ((struct zcmu_hba *)device->hba->hba_ptr)->host_id;

	return config[0] ?
		kasprintf(GFP_KERNEL, "tcm-user/%u/%s/%s", host_id, device->name, config) :
		kasprintf(GFP_KERNEL, "tcm-user/%u/%s", host_id, device->name);
}

/* Set dev_config, and the name with it. Readers of the name hold uio's lock, or config_lock. */
int zcmu_uio_rename(struct zcmu_device *device, const char *config)
{
	char *name = make_name(device, config);
	struct uio_device *uio_dev;

	if (!name)
		return -ENOMEM;
	mutex_lock(&device->config_lock);
	uio_dev = device->uio.uio_dev;
	strscpy(device->dev_config, config, sizeof(device->dev_config));
	if (uio_dev)
		mutex_lock(&uio_dev->info_lock);
	swap(device->uio.name, *(const char **)&name);
	if (uio_dev)
		mutex_unlock(&uio_dev->info_lock);
	mutex_unlock(&device->config_lock);
	kfree(name);
	return 0;
}

/*
 * Make the device file, with the name by which handlers find their devices. From here on
 * there may be a handler. config_lock is held.
 */
int zcmu_uio_register(struct zcmu_device *device)
{
	struct uio_info *info = &device->uio;
	char *name;
	int ret;

	lockdep_assert_held(&device->config_lock);
	name = make_name(device, device->dev_config);
	if (!name)
		return -ENOMEM;
	kfree(info->name);
	info->name = name;
	info->version = __stringify(ZCMU_MAILBOX_VERSION);
	info->mem[0].name = "tcm-user command & data buffer";
	info->mem[0].size = device->map_pages << PAGE_SHIFT;
	info->mem[0].memtype = UIO_MEM_NONE;
	info->irq = UIO_IRQ_CUSTOM;
	info->irqcontrol = uio_kick;
	info->zcmu_uio_mmap = uio_mmap;
	info->open = uio_open;
	info->release = uio_release;
	zcmu_wake_start(device);
	ret = uio_register_device(zcmu_root_device, info);
	if (ret) {
		/* A handler may have found it already, and may have it mapped. */
		set_bit(ZCMU_DEV_GONE, &device->flags);
		zcmu_stop_work(device);
		zcmu_defer_stop(&device->wake);
		clear_bit(ZCMU_DEV_BROKEN, &device->flags);
		forget_inode(device);
		return ret;
	}
	device->minor = info->uio_dev->minor;
	return 0;
}

/*
 * Remove the device file: no kick, open or mmap from here on. A handler may still
 * have it open and mapped; what it touches then is SIGBUS, but for the ring and for
 * pages of the copy area that it has mapped already: its own commands' bytes.
 */
void zcmu_uio_unregister(struct zcmu_device *device)
{
	set_bit(ZCMU_DEV_GONE, &device->flags);
	/*
	 * Work may wake the handler, which uses the UIO device; so may delayed wake-ups of defer.c.
	 */
	zcmu_stop_work(device);
	zcmu_defer_stop(&device->wake);
	/* zcmu_uio_rename() finds the device file whole, or none. */
	mutex_lock(&device->config_lock);
	uio_unregister_device(&device->uio);
	/* The handler's last kick may have started some more; it finds nothing to do. */
	zcmu_stop_work(device);
	device->uio.uio_dev = NULL;
	mutex_unlock(&device->config_lock);
	zcmu_forget_commands(device);
	/* uio doesn't call uio_release() any more. */
	forget_inode(device);
}
