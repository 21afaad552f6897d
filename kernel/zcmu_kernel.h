/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything the module's files share: types, states, lock order, and the
 * prototypes, grouped by the file that has them.
 *
 * Security: the handler must be assumed to be malicious. What it can write
 * (mailbox, ring, copy area) is read once into a local and checked before use;
 * such places are tagged "shared:".
 *
 * Locks, outermost first
 * ----------------------
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
 *	idler.paying		spinlock: wake.c's idle thread is paying; of the above only
 *				configfs' own may be held
 *	wake->lock		spinlock, taken in interrupts: whether a wake-up is owed; idler.lock
 *				(who is owed one) and that of uio's wait queue are inside
 *	attention_lock		spinlock, innermost: who was told of a new size. It is taken inside
 *				the core's se_port_lock and session_lock, so never with
 *				interrupts on
 *	i_mmap_rwsem		inside unmap_mapping_pages(); none of our spinlocks is held
 *
 * Nothing sleeps and no page is touched under device->lock.
 *
 * Memory on the way of a command: the disk may be what memory reclaim waits for, so nothing
 * there waits for memory. ZCMU_GFP_NOW is tried first, then, with nothing on the ring that
 * the handler isn't told of, ZCMU_GFP_TRY; if there is none, the command waits as for room.
 * Each device has some commands and edge pages of its own for such times.
 */
#ifndef ZCMU_KERNEL_H
#define ZCMU_KERNEL_H

#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uio_driver.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <target/target_core_base.h>
#include <target/target_core_backend.h>

#include "plan.h"
#include "ring.h"
#include "window.h"

#define ZCMU_CONFIG_LEN		256

/* Doesn't sleep; and rather fails than to wait until others give memory back. */
#define ZCMU_GFP_NOW		(GFP_NOWAIT | __GFP_NOWARN)
#define ZCMU_GFP_TRY		(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

/*
 * What a device has for itself: commands (and ids); edge pages, those of one payload; pages
 * of the copy area, as many as most payloads take. See reserve.c for the rest.
 */
#define ZCMU_OWN_COMMANDS	32
#define ZCMU_MAX_EDGES		(2 * ZCMU_MAX_RUNS)
#define ZCMU_OWN_COPY_BYTES	(1u << 20)

/* Defaults that stock doesn't have, or not so; doc/compatibility.md says why. */
#define ZCMU_COPY_AREA_MB	256
#define ZCMU_MAX_IO_BYTES	(8u << 20)	/* hw_max_sectors: 8 MiB per command */
#define ZCMU_WINDOW_MB		256
#define ZCMU_LEND_MIN_BYTES	(32u << 10)

#define ZCMU_MAX_WINDOW_MB	(64u << 10)

/* Stock's defaults */
#define ZCMU_RING_MB		8		/* the largest allowed, too */
#define ZCMU_PAGES_PER_BLOCK	1
#define ZCMU_QUEUE_DEPTH	128
#define ZCMU_TIME_OUT_MS	(30 * 1000)

/*
 * Who owns a command, and so may change it. Every transition is one function.
 *
 *	NEW -> WAITING -> NEW		submit.c: no room yet; tried again in order
 *	NEW -> RING			submit.c: published, the handler has it
 *	RING -> ANSWERED		complete.c: the handler's answer was taken
 *	RING -> REVOKING -> EXPIRED	expire.c: answered without the handler, who still
 *					has the entry and now sees private pages
 *	REVOKING -> RETURNED		complete.c: the handler answered meanwhile
 *	EXPIRED -> ANSWERED		complete.c: its late answer; or reset, or removal
 *	ANSWERED, RETURNED -> freed	by the function that made them so
 *	ANSWERED, RETURNED -> KEPT	keep.c: the handler keeps the payload; still has its id
 *	ANSWERED -> WAITING		second_try.c: once more, with a copy of the payload
 *	KEPT -> freed			keep.c: free_kept_buf, close; or reset, or removal
 *	RING -> NEW -> RING		recover.c: put on the ring again for the next handler,
 *		 or WAITING		if there is no room,
 *	RING -> ANSWERED		or its initiator has given it up
 */
enum zcmu_cmd_state {
	ZCMU_CMD_NEW,		/* the submitting thread's */
	ZCMU_CMD_WAITING,	/* on device->waiting */
	ZCMU_CMD_RING,		/* the handler's; on device->inflight */
	ZCMU_CMD_ANSWERED,	/* the completing thread's */
	ZCMU_CMD_REVOKING,	/* the holder of recover_lock's */
	ZCMU_CMD_RETURNED,	/* the same, and the handler has given it back */
	ZCMU_CMD_EXPIRED,	/* nobody's but the handler's entry; se_cmd is NULL */
	ZCMU_CMD_KEPT,		/* nobody's but the handler's payload; se_cmd is NULL */
};

/*
 * What the addresses of a lent payload lead to. device->lock.
 *
 *	CLOSED -> LENT		lend.c: at publication
 *	LENT -> SWAPPING	lend.c: a pin or a revoke; faults wait
 *	SWAPPING -> PRIVATE	lend.c: private pages stand in for the lent ones
 *	SWAPPING -> LENT	lend.c: no memory for them
 *	any -> CLOSED		lend.c: taken back; a touch is SIGBUS
 */
enum zcmu_loan_state {
	ZCMU_LOAN_CLOSED,
	ZCMU_LOAN_LENT,
	ZCMU_LOAN_SWAPPING,
	ZCMU_LOAN_PRIVATE,
};

struct zcmu_loan {
	u8 state;
	bool mapped;		/* a page table may hold some of its pages */
	bool refused;		/* a pin was refused: there was no memory to exchange it */
	u32 faults_inside;	/* fault handlers that are mapping its pages */
	u32 slot;		/* first slot of the window */
	u32 nr_slots;
	u32 nr_pages;
	u32 nr_edges;
	struct page *edges[ZCMU_MAX_EDGES];	/* private ones for the partial ones, in order */
	struct page **private;	/* PRIVATE: all pages; edges are among them */
};

/* A part of the copy area: adjacent blocks. */
struct zcmu_extent {
	u32 first;
	u32 count;
};

struct zcmu_extents {
	struct zcmu_extent *list;
	u32 nr;
	u32 bytes;		/* of payload */
	struct zcmu_extent one;	/* what list points at for a small payload */
};

struct zcmu_cmd {
	struct zcmu_device *device;
	struct se_cmd *se_cmd;		/* NULL once it was answered without the handler */
	u8 state;
	bool lent;
	bool scrubbed;			/* a READ: its memory was cleared for the handler */
	bool is_second_try;		/* it failed while it was lent: copied from now on */
	u16 id;				/* 0: none yet */
	struct list_head node;		/* waiting, inflight, or a list of the owner's */
	struct zcmu_span span;
	bool has_deadline;
	unsigned long deadline;		/* jiffies */

	struct zcmu_loan loan;		/* if lent */
	struct zcmu_extents out;	/* else: Data-Out, or the only payload */
	struct zcmu_extents in;		/* Data-In of a bidirectional command */

	/* the answer */
	u8 scsi_status;
	u8 uflags;
	u32 read_len;
	u8 sense[ZCMU_SENSE_SIZE];
};

struct zcmu_copy_area {
	spinlock_t lock;		/* bitmap, free, hint */
	unsigned long *bitmap;		/* a bit per block */
	u32 nr_blocks;
	u32 free;
	u32 hint;			/* no free block below */
	u32 pages_per_block;
	struct xarray pages;		/* allocated when first used; stay */
	unsigned long own_pages;	/* the first so many are there from the start, and stay */
	unsigned long reclaim_at;	/* page where reclaim.c goes on; its list's mutex */
};

/* How often what happened; attrib/counters shows them by these names. */
#define ZCMU_COUNTERS(X)						\
	X(commands)		/* put on the ring */			\
	X(commands_lent)						\
	X(commands_copied)	/* with a payload in the copy area */	\
	X(bytes_lent)		/* payload bytes that nobody copied */	\
	X(bytes_copied)		/* through the copy area */		\
	X(bytes_edge)		/* copied in partial first and last pages */ \
	X(bytes_swapped)	/* copied because of a pin or a revoke */ \
	X(bytes_scrubbed)	/* of READs, cleared before the handler could see them */ \
	X(faults)		/* touches of the window that mapped */	\
	X(faults_stray)		/* touches where no payload is: SIGBUS */ \
	X(ptes_mapped)							\
	X(take_backs)		/* unmap calls */			\
	X(commands_taken_back)	/* commands that those served */	\
	X(pins)			/* payloads exchanged because of a pin */ \
	X(revokes)		/* payloads exchanged to answer early, or to be kept */ \
	X(reissues)		/* commands put on the ring again for another handler */ \
	X(second_tries)		/* lent ones that failed, and are tried as a copy */ \
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

/* attrib/recover: what becomes of the commands of a handler that has gone; recover.c */
enum zcmu_recover {
	ZCMU_RECOVER_OFF,
	ZCMU_RECOVER_FAIL,
	ZCMU_RECOVER_RETRY,
	ZCMU_RECOVER_REISSUE,
};

/* What the mailbox always offers. */
#define ZCMU_CAPS	(ZCMU_CAP_OOOC | ZCMU_CAP_READ_LEN | ZCMU_CAP_TMR | ZCMU_CAP_KEEP_BUF | \
			 ZCMU_CAP_LEND | ZCMU_CAP_TRY_COPIED)

/* Wake-ups that wait for more commands; wake.c. */
struct zcmu_wake {
	/* How much that is new was ever put on the ring: written under device->lock */
	u32 commands;
	u32 bytes;

	int handler_cpu;		/* where it was last seen, or -1: a hint, without a lock */

	spinlock_t lock;		/* the rest */
	bool is_on;			/* from zcmu_wake_start() to zcmu_wake_stop() */
	bool is_owed;			/* a wake-up waits for an idle CPU, or the timer */
	bool is_handler_awake;		/* it was woken, and has more to do, as far as is known */
	u32 commands_told;		/* commands and bytes at the last wake-up */
	u32 bytes_told;
	u64 since;			/* ns: when what waits began to, and its latest command */
	u64 latest;
	int credit;
	int pause;			/* so many wake-ups are not put off */
	int next_pause;
	u64 delayed;			/* wake-ups that were put off, for the counters */
	struct list_head node;		/* idler.owed, or the list of who pays; idler.lock too */
	struct hrtimer timer;
};

struct zcmu_hba {
	u32 host_id;
};

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
	bool has_attention;		/* the size has changed, and who hasn't been told is */
	spinlock_t attention_lock;
	struct list_head told;		/* who was told; attention.c */
	u64 attention_round;

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
	struct zcmu_ring ring;
	struct zcmu_window window;
	struct zcmu_copy_area copy;
	struct zcmu_lend_policy lend;
	bool scrub_reads;
	bool delay_wake_ups;
	atomic_t copies_due;		/* payloads to copy before lending is tried again */
	u32 copies_step;		/* how many after the last pin; doubles */
	struct xarray commands;		/* by id: on the ring, or expired */
	struct list_head inflight;	/* RING, oldest deadline first */
	struct list_head waiting;	/* WAITING, oldest first */
	bool retrying;			/* waiting_work has taken a command off it */
	bool reissuing;			/* recover.c rebuilds the ring */
	u8 recover;			/* enum zcmu_recover */
	bool tmr_notification;
	struct list_head tmrs;		/* notifications without room, oldest first */
	u32 nr_tmrs;
	/*
	 * Each with a rescuer: neither waits for the other's, or for those of other devices.
	 * NULL unless it is enabled: changed under the lock
	 */
	struct workqueue_struct *waiting_wq;
	struct workqueue_struct *expire_wq;
	struct delayed_work waiting_work;
	struct delayed_work expire_work;
	mempool_t cmd_pool;
	mempool_t edge_pool;
	unsigned long next_look;	/* jiffies: when expire_work is due, if it is pending */
	wait_queue_head_t loan_wait;	/* a loan is out of SWAPPING, or a fault out of a loan */
	unsigned int cmd_time_out;	/* ms, 0 is none */
	int qfull_time_out;		/* ms, 0 fails at once, -1 is the default */
	struct list_head reclaim_node;
	struct zcmu_counters counters;
	atomic64_t wake_ups;		/* uio events: counted without the lock */
	struct zcmu_wake wake;
};

static inline struct zcmu_device *zcmu_device(struct se_device *se_dev)
{
	return container_of(se_dev, struct zcmu_device, se_dev);
}

/* Is its payload Data-Out, the initiator's to be written? */
static inline bool zcmu_is_write(const struct se_cmd *se_cmd)
{
	return se_cmd->data_direction == DMA_TO_DEVICE;
}

static inline bool zcmu_is_bidi(const struct se_cmd *se_cmd)
{
	return se_cmd->se_cmd_flags & SCF_BIDI;
}

/* main.c */
extern struct workqueue_struct *zcmu_wq;
extern struct kmem_cache *zcmu_cmd_cache;
extern struct device *zcmu_root_device;

/* device.c */
struct se_device *zcmu_device_alloc(struct se_hba *hba, const char *name);
int zcmu_device_configure(struct se_device *se_dev);
void zcmu_device_destroy(struct se_device *se_dev);
void zcmu_device_free(struct se_device *se_dev);
void zcmu_device_get(struct zcmu_device *device);
void zcmu_device_put(struct zcmu_device *device);
sector_t zcmu_device_blocks(struct se_device *se_dev);

/* uio.c */
int zcmu_uio_register(struct zcmu_device *device);
void zcmu_uio_unregister(struct zcmu_device *device);
int zcmu_uio_rename(struct zcmu_device *device, const char *config);
struct inode *zcmu_uio_inode(struct zcmu_device *device);
void zcmu_uio_wake(struct zcmu_device *device);

/* wake.c */
int zcmu_wake_init(void);
void zcmu_wake_exit(void);
void zcmu_wake_start(struct zcmu_device *device);
void zcmu_wake_start_afresh(struct zcmu_device *device);
void zcmu_wake_stop(struct zcmu_device *device);
void zcmu_wake_count(struct zcmu_device *device, u32 bytes);
void zcmu_wake(struct zcmu_device *device);
void zcmu_wake_now(struct zcmu_device *device);
void zcmu_wake_note_kick(struct zcmu_device *device);
void zcmu_wake_note_empty(struct zcmu_device *device);
void zcmu_wake_note_close(struct zcmu_device *device);

/* configfs.c */
extern struct configfs_attribute *zcmu_action_attrs[];
bool zcmu_is_configured(const struct zcmu_device *device);
int zcmu_set_window_mb(struct zcmu_device *device, u32 mb);
void zcmu_set_dev_size(struct zcmu_device *device, u64 bytes);
ssize_t zcmu_control_store(struct se_device *se_dev, const char *page, ssize_t count);
ssize_t zcmu_info_show(struct se_device *se_dev, char *page);

/* attrib.c */
struct configfs_attribute **zcmu_attrib_attrs_create(void);

/* netlink.c */
int zcmu_netlink_register(void);
void zcmu_netlink_unregister(void);
void zcmu_netlink_configure(struct zcmu_device *device);
int zcmu_netlink_added(struct zcmu_device *device);
void zcmu_netlink_removed(struct zcmu_device *device);
int zcmu_netlink_reconfig_size(struct zcmu_device *device, u64 bytes);
int zcmu_netlink_reconfig_config(struct zcmu_device *device, const char *config);
int zcmu_netlink_reconfig_cache(struct zcmu_device *device, u8 value);

/* attention.c */
void zcmu_attention_raise(struct zcmu_device *device);
void zcmu_attention_forget(struct zcmu_device *device);
bool zcmu_attention_due(struct zcmu_device *device, const struct se_cmd *se_cmd);
void zcmu_attention_answer(struct se_cmd *se_cmd);

/* submit.c */
sense_reason_t zcmu_parse_cdb(struct se_cmd *se_cmd);
struct se_dev_plug *zcmu_plug(struct se_device *se_dev);
void zcmu_unplug(struct se_dev_plug *plug);
void zcmu_submit_waiting(struct work_struct *work);
void zcmu_look_again(struct zcmu_device *device);
void zcmu_retry_waiting(struct zcmu_device *device);
void zcmu_wait_again(struct zcmu_device *device, struct list_head *batch);
void zcmu_cmd_free(struct zcmu_cmd *cmd);

/* entry.c */
u32 zcmu_entry_length(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan);
void zcmu_entry_fill(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan,
		     struct zcmu_cmd_entry *entry, u32 offset, u32 len);

/* complete.c */
bool zcmu_is_sam_status(u8 status);
void zcmu_complete_answers(struct zcmu_device *device);
void zcmu_cmd_answer(struct zcmu_cmd *cmd, u8 scsi_status);
void zcmu_cmd_fail(struct zcmu_cmd *cmd, sense_reason_t reason);

/* second_try.c */
void zcmu_second_try_decide(struct zcmu_cmd *cmd);
void zcmu_second_try_begin(struct zcmu_device *device, struct list_head *batch);

/* expire.c */
void zcmu_expire(struct work_struct *work);
void zcmu_expire_arm(struct zcmu_device *device, struct zcmu_cmd *cmd, unsigned int ms);
void zcmu_expire_rearm(struct zcmu_device *device, const struct zcmu_cmd *cmd);
void zcmu_answer_waiting(struct list_head *list, u8 scsi_status);
void zcmu_drop(struct zcmu_device *device, struct list_head *batch);
void zcmu_answer_all(struct zcmu_device *device, struct list_head *batch, u8 scsi_status);
void zcmu_take_from_handler(struct zcmu_cmd *cmd, struct list_head *batch);
void zcmu_empty_ring(struct zcmu_device *device);
void zcmu_block(struct zcmu_device *device);
void zcmu_unblock(struct zcmu_device *device);
void zcmu_reset_ring(struct zcmu_device *device, u8 scsi_status);
void zcmu_stop_work(struct zcmu_device *device);
void zcmu_forget_commands(struct zcmu_device *device);

/* keep.c */
bool zcmu_is_to_be_kept(const struct zcmu_cmd *cmd);
void zcmu_keep(struct zcmu_cmd *cmd);
int zcmu_keep_free(struct zcmu_device *device, u16 id);
void zcmu_keep_free_all(struct zcmu_device *device);

/* tmr.c */
void zcmu_tmr_notify(struct se_device *se_dev, enum tcm_tmreq_table tmf,
		     struct list_head *aborted);
void zcmu_tmr_publish_waiting(struct zcmu_device *device);
void zcmu_tmr_free(struct zcmu_device *device, struct zcmu_span *span);
void zcmu_tmr_forget(struct zcmu_device *device);

/* payload.c */
struct zcmu_page_iter {
	struct scatterlist *sg;
	u32 left;		/* bytes of the payload behind the current segment */
	u32 seg_offset;		/* the segment: bytes into its first page, and its bytes */
	u32 seg_len;
	struct page *seg_page;	/* the first */
	bool is_whole;		/* the segment is nothing but whole pages */
	u32 index;		/* the next page of the segment */
	u32 count;
	/* the current page */
	struct page *page;
	u32 offset;		/* the payload's bytes in it */
	u32 len;
	bool is_edge;
};

void zcmu_page_iter_init(struct zcmu_page_iter *iter, const struct se_cmd *se_cmd);
bool zcmu_page_iter_next(struct zcmu_page_iter *iter);
void zcmu_payload_plan(struct zcmu_plan *plan, const struct se_cmd *se_cmd);

/* lend.c */
int zcmu_lend_prepare(struct zcmu_cmd *cmd, const struct zcmu_plan *plan, gfp_t gfp);
void zcmu_lend_fill(struct zcmu_cmd *cmd);
bool zcmu_lend_begin(struct zcmu_cmd *cmd);
void zcmu_lend_take_back(struct zcmu_device *device, struct list_head *batch);
void zcmu_lend_finish_read(struct zcmu_cmd *cmd, u32 bytes);
int zcmu_lend_revoke(struct zcmu_cmd *cmd);
int zcmu_lend_part(struct zcmu_cmd *cmd);
void zcmu_lend_restore(struct zcmu_cmd *cmd);
void zcmu_lend_free(struct zcmu_cmd *cmd);
int zcmu_lend_exchange(struct zcmu_cmd *cmd, struct page *scratch);
void zcmu_lend_unmap(struct zcmu_device *device, u32 first, u32 nr, u32 commands);

/* fault.c */
bool zcmu_fault_can_lend(void);
void zcmu_lend_pause(struct zcmu_device *device);
vm_fault_t zcmu_window_fault(struct zcmu_device *device, struct vm_fault *vmf);
vm_fault_t zcmu_window_mkwrite(struct zcmu_device *device, struct vm_fault *vmf);

/* decide.c */
bool zcmu_should_lend(struct zcmu_device *device, const struct se_cmd *se_cmd,
		      struct zcmu_plan *plan);
bool zcmu_is_to_be_scrubbed(const struct zcmu_cmd *cmd);
int zcmu_copy_prepare(struct zcmu_cmd *cmd, gfp_t gfp);
void zcmu_copy_in(struct zcmu_cmd *cmd);

/* reserve.c */
int zcmu_reserve_make(struct zcmu_device *device);
void zcmu_reserve_free(struct zcmu_device *device);
void zcmu_reserve_end_queues(struct zcmu_device *device);
int zcmu_reserve_page_tables(const struct zcmu_device *device, struct vm_area_struct *vma);

/* copy.c */
int zcmu_copy_init(struct zcmu_copy_area *area, u32 nr_pages, u32 pages_per_block);
void zcmu_copy_destroy(struct zcmu_copy_area *area);
u64 zcmu_copy_capacity(const struct zcmu_copy_area *area);
bool zcmu_copy_holds(const struct zcmu_copy_area *area, u64 bytes, u64 more_bytes);
int zcmu_copy_reserve(struct zcmu_copy_area *area, struct zcmu_extents *extents, u32 bytes,
		      gfp_t gfp);
void zcmu_copy_release(struct zcmu_copy_area *area, struct zcmu_extents *extents);
void zcmu_copy_from_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
			struct scatterlist *sgl, u32 nents);
void zcmu_copy_to_sgl(struct zcmu_copy_area *area, const struct zcmu_extents *extents,
		      struct scatterlist *sgl, u32 nents, u32 bytes);
void zcmu_copy_zero(struct zcmu_copy_area *area, const struct zcmu_extents *extents);
vm_fault_t zcmu_copy_fault(struct zcmu_device *device, struct vm_fault *vmf);

/* recover.c */
void zcmu_recover_open(struct zcmu_device *device);
void zcmu_recover_close(struct zcmu_device *device);
void zcmu_recover_tell(struct zcmu_device *device);
bool zcmu_is_given_up(const struct zcmu_cmd *cmd);

/* reclaim.c */
void zcmu_reclaim_count(long pages);
void zcmu_reclaim_add(struct zcmu_device *device);
void zcmu_reclaim_remove(struct zcmu_device *device);
void zcmu_reclaim_stop(void);
u32 zcmu_reclaim_max_mb(void);

/* transfer.c is to come: payloads that the kernel moves itself */

#endif /* ZCMU_KERNEL_H */
