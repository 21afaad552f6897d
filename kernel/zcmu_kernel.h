/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's map, and struct zcmu_device, which is made of its parts' structs. Each part has a
 * header with its types, its states and its rules; a file includes this one and, of those that
 * have no type for the struct, whose functions it calls.
 *
 * Security: the handler must be assumed to be malicious. What it can write
 * (mailbox, ring, copy area) is read once into a local and checked before use;
 * such places are tagged "shared:".
 *
 * Floors
 * ------
 * Each file calls functions of files that stand before it here, and of no others: tests/floors
 * draws the calls, and fails where one goes up. What lies above is reached by the work that
 * it has put into a struct (waiting.work, expiry.work, moving, zcmu_copy_total_work), or by the
 * target core, configfs, uio and mm, by their tables of operations (main.c, uio.c).
 *
 *	pure		ring plan window	compiled into the unit tests
 *			payload
 *	count		stats
 *	bell		defer wake
 *	bytes		copy_total copy loan_fill loan fault reserve stream move
 *	command		command attention
 *	way		decide entry finish waiting submit keep second_try tmr turn
 *			transfer complete moved
 *	exceptions	expire reset recover
 *	device		areas uio netlink reclaim configfs attrib_stats attrib
 *			device main
 *
 * Locks, outermost first
 * ----------------------
 *	a socket's		its owner may touch memory under it, so none of the others is held
 *	configfs' own
 *	reclaim.c's list	mutex: a device on it stays
 *	device->config_lock	mutex: uio's info_lock is inside, to rename the device and to
 *				make and remove its file
 *	mmap_lock		held by mm around faults and mmap
 *	uio's info_lock		mutex: held by uio around open, release, mmap, irqcontrol;
 *				user memory must not be touched under it
 *	device->recover_lock	mutex: time-outs, ring reset, removal, recovery; one at a
 *				time. Who holds it waits for faults that are inside a loan:
 *				those take none of the above
 *	device->lock		spinlock: ring, window, loans' states, lists, counters
 *	copy_area->lock		spinlock: the block bitmap
 *	idler.paying		spinlock: defer.c's idle thread is paying; of the above only
 *				configfs' own may be held
 *	wake->lock		spinlock, taken in interrupts: whether a wake-up is owed; idler.lock
 *				(who is owed one) and that of uio's wait queue are inside
 *	attention->lock		spinlock, innermost: who was told of a new size. It is taken inside
 *				the core's se_port_lock and session_lock, so never with
 *				interrupts on
 *	i_mmap_rwsem		inside unmap_mapping_pages(); none of our spinlocks is held
 *
 * Nothing sleeps and no page is touched under device->lock.
 */
#ifndef ZCMU_KERNEL_H
#define ZCMU_KERNEL_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio_driver.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <target/target_core_base.h>
#include <target/target_core_backend.h>

#include "attention.h"
#include "command.h"
#include "copy.h"
#include "expire.h"
#include "loan.h"
#include "plan.h"
#include "reserve.h"
#include "ring.h"
#include "stats.h"
#include "submit.h"
#include "tmr.h"
#include "move.h"
#include "wake.h"
#include "window.h"

#define ZCMU_CONFIG_LEN		256

/* Stock's default, and the one where none is set and one is needed. */
#define ZCMU_TIME_OUT_MS	(30 * 1000)

/* Event counters; attrib/counters shows them by these names. */
#define ZCMU_COUNTERS(X)						\
	X(commands)		/* put on the ring */			\
	X(commands_lent)						\
	X(commands_copied)	/* with a payload in the copy area */	\
	X(reads)		/* with Data-In */			\
	X(writes)		/* with Data-Out, bidirectional ones among them */ \
	X(bytes_read)		/* Data-In that initiators have asked for */ \
	X(bytes_written)						\
	X(bytes_lent)		/* payload bytes that nobody copied */	\
	X(bytes_copied)		/* through the copy area */		\
	X(bytes_edge)		/* copied in partial first and last pages */ \
	X(bytes_swapped)	/* copied because of a pin or a revoke */ \
	X(bytes_scrubbed)	/* of READs, cleared before the handler saw them */ \
	X(faults)		/* touches of the window that mapped */	\
	X(faults_stray)		/* touches where no payload is: SIGBUS */ \
	X(ptes_mapped)							\
	X(take_backs)		/* unmap calls */			\
	X(commands_taken_back)	/* commands that those served */	\
	X(pins)			/* payloads exchanged because of a pin */ \
	X(revokes)		/* payloads exchanged to answer early, or to be kept */ \
	X(reissues)		/* commands put on the ring again for another handler */ \
	X(second_tries)		/* lent ones that failed, and are tried as a copy */ \
	X(transfers)		/* payloads that the kernel was to move */ \
	X(transfers_returned)	/* those that went back to the handler: failed, or to be told */ \
	X(bytes_transferred)						\
	X(timeouts)		/* on the ring, or waiting for room */	\
	X(kicks)		/* writes to the uio device */		\
	X(waits)		/* commands that found no room */

struct zcmu_counters {
#define ZCMU_COUNTER(name) u64 name;
	ZCMU_COUNTERS(ZCMU_COUNTER)
#undef ZCMU_COUNTER
};

enum zcmu_device_flag {
	ZCMU_DEV_OPEN,
	ZCMU_DEV_BROKEN,	/* the handler broke the ring; until it is reset */
	ZCMU_DEV_BLOCKED,	/* action/block_dev */
	ZCMU_DEV_PLUGGED,	/* the submitter will wake the handler at the end of its batch */
	ZCMU_DEV_GONE,		/* destroyed; only mappings keep it */
	ZCMU_DEV_ENABLED,	/* "enable" is at work, or has been done; config_lock */
};

/* What the mailbox always offers. */
#define ZCMU_CAPS	(ZCMU_CAP_OOOC | ZCMU_CAP_READ_LEN | ZCMU_CAP_TMR | ZCMU_CAP_KEEP_BUF | \
			 ZCMU_CAP_LEND | ZCMU_CAP_TRY_COPIED | ZCMU_CAP_TRANSFER)

struct zcmu_device {
	struct se_device se_dev;
	struct se_dev_plug plug;
	struct kref kref;		/* the backstore, its UIO device, and every mapping */
	struct se_hba *hba;
	char *name;
	/* dev_config, uio.name, uio.uio_dev, whether map is there, and what is set before enable */
	struct mutex config_lock;
	char dev_config[ZCMU_CONFIG_LEN];
	u32 index;			/* what the core knows it by, and daemons; device.c */
	u64 dev_size;			/* bytes */
	u32 unknown_option;		/* a hash of the last one in "control" that was told */
	int nl_reply_supported;		/* below 0: a reply is never awaited; see netlink.c */

	/* set before enable, constant from then on, as is copy.pages_per_block */
	u32 ring_mb;
	u32 copy_mb;
	u32 window_mb;

	struct uio_info uio;
	int minor;			/* N of /dev/uioN */
	struct inode *inode;		/* the open UIO device's; holds its mappings. lock */
	void *map;			/* mailbox and ring; the rest has no kernel address */
	unsigned long copy_pgoff;	/* where in map 0 the areas begin, in pages */
	unsigned long window_pgoff;
	unsigned long map_pages;

	spinlock_t lock;
	struct mutex recover_lock;
	unsigned long flags;		/* enum zcmu_device_flag */
	bool reissuing;			/* recover.c rebuilds the ring */
	u8 recover;			/* enum zcmu_recover */
	bool emulate_rtpg;		/* attrib/emulate_rtpg */
	unsigned int cmd_time_out;	/* ms, 0 is none */
	int qfull_time_out;		/* ms, 0 fails at once, -1 is the default */

	struct xarray commands;		/* by id: on the ring, or expired */
	struct list_head inflight;	/* RING, oldest deadline first */
	struct zcmu_ring ring;
	struct zcmu_window window;
	struct zcmu_lending lending;
	struct zcmu_copy_area copy;
	struct zcmu_waiting waiting;
	struct zcmu_expiry expiry;
	struct zcmu_tmrs tmrs;
	struct zcmu_moving moving;
	struct zcmu_reserve reserve;
	struct zcmu_attention attention;
	struct zcmu_wake wake;
	struct zcmu_counters counters;
	struct zcmu_stats stats;
	struct list_head reclaim_node;
};

extern struct workqueue_struct *zcmu_wq;

static inline struct zcmu_device *zcmu_device(struct se_device *se_dev)
{
	return container_of(se_dev, struct zcmu_device, se_dev);
}

/*
 * The inode to which all mappings of the device belong, to be iput(). NULL: nobody has it open, so
 * nobody has it mapped. device->lock is held.
 */
static inline struct inode *zcmu_inode_get(struct zcmu_device *device)
{
	lockdep_assert_held(&device->lock);
	if (device->inode)
		ihold(device->inode);
	return device->inode;
}

#endif /* ZCMU_KERNEL_H */
