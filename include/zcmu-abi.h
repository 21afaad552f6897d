/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The contract between target_core_user.ko and the process that serves a disk
 * (the handler). It is the public TCMU ABI, version 2, described here in our own
 * words, with what zcmu adds to it. It holds nothing that only one side needs.
 *
 * The shared memory
 * -----------------
 * A disk has one UIO device, named "tcm-user/<hba>/<name>[/<dev_config>]". Its
 * map 0 is mapped as a whole, at offset 0, MAP_SHARED, by at most one opener:
 *
 *	0		struct zcmu_mailbox (cmdr_off bytes)
 *	cmdr_off	the command ring (cmdr_size bytes)
 *	then		the copy area: resident pages, for payloads that are copied
 *	then		the window: addresses only. The pages of a payload that is
 *			lent appear here while its command is out, and nowhere else
 *
 * Every offset in the ring counts from the start of map 0.
 *
 * The ring
 * --------
 * The kernel writes entries at cmd_head and advances it; the handler answers
 * entries at cmd_tail and advances that. Both are offsets into the ring, modulo
 * cmdr_size. head == tail means empty; the kernel always leaves one byte free.
 * An entry is contiguous; where it would not fit before the ring's end, a PAD
 * entry fills the rest. The handler skips PAD, and entries whose op it doesn't
 * know, by their length.
 *
 *	kernel						handler
 *	writes an entry
 *	cmd_head += length	(release)
 *	uio event			-- poll/read -->
 *							reads the entry (acquire cmd_head)
 *							touches the payload, does the I/O
 *							writes rsp into the entry at cmd_tail
 *							cmd_tail += its length (release)
 *				<-- write 4 bytes --
 *	reads rsp once, takes the payload back,
 *	answers the initiator
 *
 * Commands may be answered in any order (CAP_OOOC): the handler puts the id of
 * the command it answers into hdr.cmd_id of the entry at cmd_tail. So an answer
 * may overwrite an entry that is still being served: copy the CDB and the iovecs
 * out before answering anything.
 *
 * The payload
 * -----------
 * Data-Out first (iov_cnt), then Data-In of a bidirectional command
 * (iov_bidi_cnt). An iovec is (offset in map 0, bytes).
 *
 * If hdr.kflags has ZCMU_KFLAG_LENT, the iovecs lie in the window and the pages
 * behind them are the initiator's own. Such a payload
 *   - exists from the entry's publication until its answer is taken; a touch
 *     after that is SIGBUS;
 *   - is read-only if it is data to be written: a store into it is SIGBUS;
 *   - may be read and written by the process and by system calls that copy
 *     (read, write, send, recv). System calls that pin memory (O_DIRECT, vmsplice,
 *     MSG_ZEROCOPY) work too: if the pin is the first touch, the kernel exchanges the
 *     payload for a private copy; if it isn't, the system call fails, and then see
 *     "Once more, as a copy". Long-term pins (registered buffers) take Linux 6.5 and a
 *     device without a window;
 *   - may change under the handler if the initiator changes it during the write;
 *     copy it first if it has to be looked at twice (a checksum and a send, say).
 *
 * Once more, as a copy
 * --------------------
 * What has touched a lent payload can't pin it any more (EFAULT, EEXIST). So a READ or WRITE
 * whose payload was lent and that the handler fails may come once more: a new entry, another
 * id, the payload in the copy area. The initiator knows nothing of it; its time runs on.
 * Never twice, and not if it was aborted or has timed out, or its payload is kept.
 *   - A handler that knows lending sets ZCMU_HANDLER_KNOWS_LENDING in the mailbox, and asks
 *     for it by ZCMU_UFLAG_TRY_COPIED in the answer.
 *   - Of others the kernel takes for such a failure: CHECK CONDITION with the sense key NO
 *     SENSE, MEDIUM ERROR, HARDWARE ERROR or ABORTED COMMAND or without sense data, or a
 *     status that SCSI doesn't have, of a payload that was touched and not exchanged.
 * The mailbox says ZCMU_CAP_TRY_COPIED if the kernel does this.
 *
 * Have it moved
 * -------------
 * A handler that only passes a payload on needn't touch it. With ZCMU_UFLAG_TRANSFER in its
 * answer it has the kernel move the command's own pages to or from open files and block
 * devices: struct zcmu_transfer stands in place of the status and the sense data, and has up to
 * five pieces, which cover the payload in order, all of it. The descriptors are those of the
 * thread that kicks, and a kick moves nothing unless the value that it writes is
 * ZCMU_KICK_TRANSFERS: who writes anything else doesn't lend its descriptors to what is on the
 * ring. The files are held until the transfer is over.
 *   - A transfer that succeeds is the answer: the initiator gets GOOD. The handler finds a note of
 *     it on the ring, ZCMU_OP_MOVED, but isn't woken for that unless it has set
 *     ZCMU_HANDLER_AWAITS_NOTES in the mailbox: then it looks at the ring once more, and sleeps.
 *     Until it has seen the note, the payload may still be on its way. Notes need no answer.
 *   - With ZCMU_TRANSFER_TELL, and where a transfer fails, the command comes back: an entry like
 *     that of a command with ZCMU_KFLAG_MOVED, the command's id, moved_error and moved_bytes;
 *     without iovecs and CDB. The payload is where it was, in the same form. It wants an answer as
 *     every command does: that may be another transfer. In the payload of a READ the handler then
 *     finds what was moved.
 *   - What is moved are the command's own bytes. What a handler has put into a copied payload of a
 *     WRITE isn't; nor does what it has put into a READ's count beside a transfer that was the
 *     answer.
 *   - A command doesn't time out while it is moved to or from a file, and an abort waits for it.
 *   - An answer that was on the ring when its handler closed the device is not carried out: there
 *     moved_error is -EBADF, as with any other descriptor that isn't there. If the handler that has
 *     handed a transfer over is gone when it fails, its successor gets the command as if it were
 *     new.
 *
 * A stream socket (TCP, AF_UNIX) can be the one piece of a transfer. A WRITE's payload is sent,
 * with up to ZCMU_MAX_HEADER bytes of the handler's own in front of it; a READ's is received.
 *   - Transfers to one socket are sent one after the other, in the order in which their answers are
 *     on the ring, whole; so are those from one. While one is under way nobody else may write to
 *     the socket, or read from it.
 *   - A WRITE must have ZCMU_TRANSFER_TELL. It comes back when all bytes are in the socket's queue,
 *     and only the peer can say that they have arrived: the handler answers when it has.
 *   - A stream of which a transfer fails, or is overdue, is no use any more: what follows would be
 *     taken for the rest of it. The kernel breaks it (TCP: RST), and what is queued behind fails
 *     as well. The same happens when the handler closes the device, or the ring is reset. If a
 *     WRITE whose pages were sent ends without the handler's answer, its connection is broken, too.
 *   - TCP sends the pages of the command themselves if the handler has CAP_SYS_RAWIO; else, and by
 *     other sockets, a copy. Pages that are still in a queue when the command is answered show
 *     what its initiator writes to them next: as with the kernel's own network block devices, a
 *     handler must answer when the peer has said so, or has been cut off.
 * The mailbox says ZCMU_CAP_TRANSFER if the kernel does this.
 *
 * Taking over
 * -----------
 * With ZCMU_CAP_RECOVER, which attrib/recover switches on, the ring is made anew each
 * time the device is opened: it has every command that was not answered, in the order
 * in which they came, as if nobody had seen them before, but those that their initiator
 * has given up; a WRITE has its bytes, a READ's payload anything. An earlier handler may
 * have done some of them, wholly or in part. Without it a handler finds the ring as the
 * last one left it.
 *
 * Trust
 * -----
 * The kernel assumes that the handler is hostile. It reads cmd_tail, handler_flags, and of an
 * answer hdr.cmd_id, hdr.uflags and rsp, or transfer, each once. It never reads lengths or
 * cmd_head back. An answer that can't be right (unknown id, tail out of range)
 * marks the device broken until its ring is reset (action/reset_ring).
 */
#ifndef ZCMU_ABI_H
#define ZCMU_ABI_H

#include <linux/types.h>

#define ZCMU_MAILBOX_VERSION	2

/* mailbox flags: what the kernel side offers */
#define ZCMU_CAP_OOOC		(1 << 0)	/* answers in any order */
#define ZCMU_CAP_READ_LEN	(1 << 1)	/* short Data-In: ZCMU_UFLAG_READ_LEN */
#define ZCMU_CAP_TMR		(1 << 2)	/* task management notifications */
#define ZCMU_CAP_KEEP_BUF	(1 << 3)	/* answer now, keep the payload */
#define ZCMU_CAP_TRANSFER	(1 << 12)	/* see "Have it moved" (zcmu only) */
#define ZCMU_CAP_TRY_COPIED	(1 << 13)	/* see "Once more, as a copy" (zcmu only) */
#define ZCMU_CAP_RECOVER	(1 << 14)	/* see "Taking over" (zcmu only) */
#define ZCMU_CAP_LEND		(1 << 15)	/* payloads may be lent (zcmu only) */

/* mailbox handler_flags: what the handler says of itself; 0 when the device is opened */
#define ZCMU_HANDLER_KNOWS_LENDING	(1 << 0)	/* asks for copies itself */
#define ZCMU_HANDLER_AWAITS_NOTES	(1 << 1)	/* is to be woken for ZCMU_OP_MOVED */

/* What a kick writes to the UIO device; anything but this moves nothing. */
#define ZCMU_KICK_TRANSFERS		0x7a636d75

struct zcmu_mailbox {
	__u16 version;
	__u16 flags;
	__u32 cmdr_off;		/* bytes from the start of map 0 */
	__u32 cmdr_size;	/* bytes */
	__u32 cmd_head;		/* written by the kernel alone */
	__u8 pad[48];
	__u32 cmd_tail;		/* written by the handler alone */
	__u32 handler_flags;	/* the same (zcmu only; stock doesn't look at it) */
	__u8 pad2[56];
};

/* hdr.len_op: the low three bits are the op, the rest is the length in bytes */
#define ZCMU_OP_MASK		0x7u
#define ZCMU_OP_PAD		0
#define ZCMU_OP_CMD		1
#define ZCMU_OP_TMR		2
#define ZCMU_OP_MOVED		3	/* a header alone: a transfer was the answer (zcmu only) */
#define ZCMU_ENTRY_ALIGN	8

/* hdr.uflags: set by the handler in an answer */
#define ZCMU_UFLAG_UNKNOWN_OP	0x1	/* the CDB is not known: CHECK CONDITION */
#define ZCMU_UFLAG_READ_LEN	0x2	/* rsp.read_len bytes of Data-In are valid */
#define ZCMU_UFLAG_KEEP_BUF	0x4	/* keep the payload after the answer */
/*
 * rsp.read_len is how many bytes the CDB asks to transfer, more than the payload has, or
 * less of a WRITE: the initiator is told the residual (zcmu only; stock doesn't look at it).
 * Short Data-In is UFLAG_READ_LEN's, so an answer has one of the two.
 */
#define ZCMU_UFLAG_CDB_LEN	0x80
/* A struct zcmu_transfer is in rsp's place: see "Have it moved" (zcmu only). */
#define ZCMU_UFLAG_TRANSFER	0x20
/* It failed because the payload is lent: see "Once more, as a copy" (zcmu only). */
#define ZCMU_UFLAG_TRY_COPIED	0x40

/* hdr.kflags: set by the kernel in a command */
#define ZCMU_KFLAG_MOVED	0x40	/* a transfer is over (zcmu only) */
#define ZCMU_KFLAG_LENT		0x80	/* the payload is lent (zcmu only) */

#define ZCMU_SENSE_SIZE		96

struct zcmu_entry_hdr {
	__u32 len_op;
	__u16 cmd_id;
	__u8 kflags;
	__u8 uflags;
};

struct zcmu_iovec {
	__u64 base;		/* bytes from the start of map 0 */
	__u64 len;
};

/* A part of a transfer: @len bytes of the payload, at @offset of the file; of a socket 0. */
struct zcmu_piece {
	__s32 fd;
	__u32 len;
	__u64 offset;
};

#define ZCMU_MAX_PIECES		5
#define ZCMU_MAX_HEADER		80	/* bytes */

/* transfer flags */
#define ZCMU_TRANSFER_TELL	0x1	/* the command comes back in any case */
#define ZCMU_TRANSFER_WRITE	0x2	/* the payload goes to the files: it must be Data-Out */
/* piece_flags */
#define ZCMU_PIECE_DSYNC	0x1	/* as RWF_DSYNC: stable when it is done */
#define ZCMU_PIECE_NOWAIT	0x2	/* as RWF_NOWAIT: -EAGAIN rather than to wait */

/* What the kernel is to move, in an answer with ZCMU_UFLAG_TRANSFER. */
struct zcmu_transfer {
	__u8 flags;
	__u8 nr_pieces;		/* 1 to ZCMU_MAX_PIECES; of a socket 1 */
	__u8 piece_flags[ZCMU_MAX_PIECES];
	__u8 header_bytes;	/* to a socket, in front of the payload; 0 to ZCMU_MAX_HEADER */
	union {
		struct {
			struct zcmu_piece pieces[ZCMU_MAX_PIECES];
			__u64 reserved[2];	/* 0 */
		};
		struct {
			struct zcmu_piece stream;	/* the same as pieces[0] */
			__u8 header[ZCMU_MAX_HEADER];
		};
	};
};

/*
 * A command: the request, and in its place later the answer. The entry is at
 * least this long; the iovecs may reach past it, and the CDB lies behind both.
 */
struct zcmu_cmd_entry {
	struct zcmu_entry_hdr hdr;
	union {
		struct {
			__u32 iov_cnt;
			__u32 iov_bidi_cnt;
			__u32 iov_dif_cnt;	/* always 0 */
			__s32 moved_error;	/* KFLAG_MOVED: 0 or -errno (zcmu only) */
			__u64 cdb_off;		/* bytes from the start of map 0 */
			__u64 port_off;		/* the same: a struct zcmu_port, or 0 (zcmu only) */
			__u64 moved_bytes;	/* KFLAG_MOVED: of the payload, from its start on */
			struct zcmu_iovec iov[4];	/* iov_cnt + iov_bidi_cnt */
		} req;
		struct {
			__u8 scsi_status;
			__u8 pad1;
			__u16 pad2;
			__u32 read_len;		/* with UFLAG_READ_LEN (0: ignored) or _CDB_LEN */
			__u8 sense[ZCMU_SENSE_SIZE];
		} rsp;
		struct zcmu_transfer transfer;	/* with UFLAG_TRANSFER */
	};
};

/*
 * Where a command came in: the target port. An INQUIRY's entry has it behind the CDB, because
 * only the kernel knows what VPD page 83h has to say of it.
 */
struct zcmu_port {
	__u16 relative_port;	/* its RELATIVE TARGET PORT IDENTIFIER, SPC-4 7.8.6.7; 0: unknown */
	__u16 port_group;	/* TARGET PORT GROUP, SPC-4 7.8.6.8 */
	__u16 portal_group;	/* of iSCSI: the target portal group tag */
	__u8 protocol;		/* PROTOCOL IDENTIFIER, SPC-4 7.6.1 */
	__u8 has_port_group;
	char name[224];		/* of the target, ends with 0; "": the fabric has none, or a longer one */
};

/*
 * A task management function was received, and attrib/tmr_notification is 1. Needs no
 * answer: cmd_tail passes it. Not sent for commands the handler has never seen.
 */
#define ZCMU_TMR_UNKNOWN		0
#define ZCMU_TMR_ABORT_TASK		1
#define ZCMU_TMR_ABORT_TASK_SET		2
#define ZCMU_TMR_CLEAR_ACA		3
#define ZCMU_TMR_CLEAR_TASK_SET		4
#define ZCMU_TMR_LUN_RESET		5
#define ZCMU_TMR_TARGET_WARM_RESET	6
#define ZCMU_TMR_TARGET_COLD_RESET	7
#define ZCMU_TMR_LUN_RESET_PRO		128	/* a PREEMPT AND ABORT */

struct zcmu_tmr_entry {
	struct zcmu_entry_hdr hdr;
	__u8 tmr_type;
	__u8 pad1;
	__u16 pad2;
	__u32 cmd_cnt;
	__u64 pad3;
	__u64 pad4;
	__u16 cmd_ids[];	/* commands of the ring that it aborts */
};

/*
 * Events, by generic netlink. zcmu's own library doesn't need them; daemons that look
 * after many devices do. An event has DEVICE, MINOR and DEVICE_ID, and a RECONFIG one
 * of DEV_CFG, DEV_SIZE and WRITECACHE. Whoever has said SUPP_KERN_CMD_REPLY answers
 * with the DONE command, DEVICE_ID and CMD_STATUS: the kernel waits for it.
 */
#define ZCMU_GENL_FAMILY	"TCM-USER"
#define ZCMU_GENL_VERSION	2
#define ZCMU_GENL_GROUP		"config"

enum zcmu_genl_cmd {
	ZCMU_GENL_UNSPEC,
	ZCMU_GENL_ADDED_DEVICE,
	ZCMU_GENL_REMOVED_DEVICE,
	ZCMU_GENL_RECONFIG_DEVICE,
	ZCMU_GENL_ADDED_DEVICE_DONE,
	ZCMU_GENL_REMOVED_DEVICE_DONE,
	ZCMU_GENL_RECONFIG_DEVICE_DONE,
	ZCMU_GENL_SET_FEATURES,
};

enum zcmu_genl_attr {
	ZCMU_GENL_ATTR_UNSPEC,
	ZCMU_GENL_ATTR_DEVICE,		/* string: the UIO device's name */
	ZCMU_GENL_ATTR_MINOR,		/* u32: N of /dev/uioN */
	ZCMU_GENL_ATTR_PAD,
	ZCMU_GENL_ATTR_DEV_CFG,		/* string */
	ZCMU_GENL_ATTR_DEV_SIZE,	/* u64, bytes */
	ZCMU_GENL_ATTR_WRITECACHE,	/* u8 */
	ZCMU_GENL_ATTR_CMD_STATUS,	/* s32: 0 or a negative errno */
	ZCMU_GENL_ATTR_DEVICE_ID,	/* u32 */
	ZCMU_GENL_ATTR_SUPP_KERN_CMD_REPLY,	/* u8 */
	ZCMU_GENL_ATTR_COUNT,
};

#endif /* ZCMU_ABI_H */
