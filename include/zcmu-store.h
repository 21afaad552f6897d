/* SPDX-License-Identifier: MIT */
/*
 * What a store implements: the place that a disk's bytes come from and go to. All
 * SCSI, the ring, threads and errors are the library's (zcmu.h). zcmu-store(3)
 * tells it at length; stores/null/null.c shows it in one screen.
 *
 * The life of a store
 *
 *	open(store, "argument")		size, block size: filled into *store
 *	  queue_open(store)		once per thread, if there are queues
 *	    read write flush trim ...	many at a time, from every thread
 *	    queue_submit queue_reap	after a batch; when queue_fd is readable
 *	  queue_close(queue)
 *	close(store)			every request was answered before
 *
 * Requests
 *
 * A callback gets a request, starts or does what it asks for, and returns. The
 * answer is zcmu_io_done(io, error): from the callback itself, or at any time
 * later and from any thread, exactly once. Until then the request and its payload
 * are the store's.
 *
 * The payload (iov) is the initiator's own memory wherever zcmu could lend it:
 * read and write it in place. A READ's payload must be filled completely. A
 * WRITE's is read-only: a store to it kills the process (SIGBUS).
 *
 * Offsets and lengths are bytes, multiples of the block size, and inside the disk:
 * the library has checked them.
 *
 * Capabilities follow from presence: no .flush means that every write is as safe as
 * it will ever be when it is answered (no write cache is reported); no .trim means that
 * the disk is not thin; no .map that all blocks take space; no .write
 * means a read-only disk. Only .open and .read are required. A store that knows more when
 * it is open says so with can_flush and its like in struct zcmu_store.
 *
 * Plug-ins
 *
 * A shared object NAME.so that has a zcmu_store_plugin is found by "NAME:argument" if it
 * lies in $libdir/zcmu/1 or a folder of $ZCMU_STORE_PATH. See examples/.
 *
 * Errors are negative errno values. -EIO becomes a medium error (read or write, as
 * the request was); -EAGAIN and -ENOMEM busy (the initiator tries again); -ENODEV,
 * -ENOTCONN and -ESHUTDOWN not ready; -ECANCELED aborted. Of anything but a READ,
 * -ENOSPC, -EDQUOT and -EFBIG become space allocation failed, -EROFS, -EPERM and
 * -EACCES write protected. Everything else is a hardware error; nothing becomes success.
 */
#ifndef ZCMU_STORE_H
#define ZCMU_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZCMU_STORE_ABI	1

struct zcmu_store;

enum zcmu_io_op {
	ZCMU_IO_READ,
	ZCMU_IO_WRITE,
	/*
	 * Everything answered before must be stable; no range. Once a part of it is known to be
	 * gone, every further one fails as well.
	 */
	ZCMU_IO_FLUSH,
	ZCMU_IO_TRIM,	/* the range's contents are not needed; never a write of zeroes */
	ZCMU_IO_ZERO,	/* the range must read as zeroes */
	ZCMU_IO_MAP,	/* does the range take space? */
	/* Numbers 16 to 31 are kept for zoned devices: to open, close, finish, reset, append. */
};

/*
 * A request. Whoever makes one, for zcmu_store_ask(), sets struct_size and done, and the range.
 * What a later library adds goes to its end: a store finds what it knows of in place, and looks at
 * struct_size before it uses something that older libraries haven't got.
 */
struct zcmu_io {
	size_t struct_size;	/* sizeof(struct zcmu_io), of who has made it */
	enum zcmu_io_op op;
	bool fua;		/* stable before it is answered; see enum zcmu_can */
	bool may_trim;		/* ZERO: may give the space back */
	bool mapped;		/* MAP's answer: they take space; true when it is asked */
	uint8_t reserved;
	uint64_t offset;	/* bytes from the start of the disk */
	uint64_t length;	/* bytes; MAP's answer: a block or more, like the first one */
	struct iovec *iov;	/* READ, WRITE: length bytes; the store may change the array */
	int iovcnt;
	uint32_t reserved2;
	void *queue;		/* what queue_open() made for the thread that calls; answer there */
	void *data;		/* the store's own, while the request is its */
	struct zcmu_io *next;	/* the store's own as well: a list link */
	/* Whoever has made the request is told here; stores call zcmu_io_done(). */
	void (*done)(struct zcmu_io *io, int error);
	/*
	 * READ, WRITE that fails with -EIO: the byte of the disk where it has, if that is
	 * known. All of the range in front of it was done as if it hadn't failed. UINT64_MAX
	 * when it is asked.
	 */
	uint64_t failed_at;
	/* The library's: who was asked, and for how much; zcmu_store_ask() has set them. */
	struct zcmu_store *store;
	uint64_t asked;
	void *parts;		/* the same: those that it was cut into */
};

/*
 * Answer a request; @io is not the store's any more. @error is 0 or a negative
 * errno. Any thread, but in a store with queues the one whose queue it was given to
 * (the answer may lead to the next request). Never under a lock that a callback takes.
 */
void zcmu_io_done(struct zcmu_io *io, int error);

/* zcmu_io_transfer()'s flags */
#define ZCMU_MOVE_TELL	(1u << 0)	/* @back is called if it succeeds, too */
#define ZCMU_MOVE_DSYNC	(1u << 1)	/* what is written is stable then, as by RWF_DSYNC */
/*
 * What the kernel doesn't move is moved by the thread that asks for it. It sleeps meanwhile, and so
 * does a queue that it serves. zcmu_io_done() or @back may be called before the function returns.
 */
#define ZCMU_MOVE_ANYHOW	(1u << 2)
/* The same, and the kernel isn't asked: for small payloads, say, or to compare. */
#define ZCMU_MOVE_HERE		(1u << 3)

/*
 * Have the kernel move the payload of a READ or WRITE between the initiator's memory and a regular
 * file or block device, at @offset bytes, as by pread() or pwrite() of this process; and then have
 * it answer the request. This process doesn't touch the bytes, nor hear of it. @fd must stay open,
 * and be the same file, until @back is called; without ZCMU_MOVE_TELL until the store is closed.
 *
 * 0: the request isn't the store's any more. If that fails, it is given back: @back is called once,
 * with a negative errno, and how many bytes of the payload were moved, from its start on. Then the
 * store does it in another way, or fails it: zcmu_io_done(). The thread is the one of the request's
 * queue, or, without queues, any that runs callbacks. -ENODATA: the file ended. -ESHUTDOWN: so has
 * the disk, and the payload may be gone: it is answered, nothing else.
 * -EOPNOTSUPP: this request can't be moved by the kernel (the module is the stock one, or the
 * request is a part of a command, or a layer has changed it), and is still the store's; with
 * ZCMU_MOVE_ANYHOW it never fails so. FUA is the store's to see to.
 */
int zcmu_io_transfer(struct zcmu_io *io, int fd, uint64_t offset, unsigned int flags,
		     void (*back)(struct zcmu_io *io, int error, uint64_t bytes));

/* Bytes of a header at most */
#define ZCMU_STREAM_HEADER_MAX	80

/*
 * Have the kernel send the payload of a WRITE on a connected stream socket (TCP, AF_UNIX), and
 * @header in front of it, or receive a READ's payload from one, as zcmu_io_transfer() does with
 * files. @back is called in any case: with 0 when all of it is in the socket's queue, or has come;
 * the store answers when it knows from its peer that what it has sent has arrived. @fd stays open
 * until then.
 *
 * Requests that are sent on one socket go one after the other, in the order of these calls (which
 * the store sees to if they come from several threads), and so do those that are received. As long
 * as one is under way nobody else may send on the socket, or receive from it; nor may a thread, by
 * ZCMU_MOVE_ANYHOW or _HERE, so with these a socket has one request each way at a time. If one
 * fails, the connection is broken, and what waits behind it fails as well. What the kernel knows
 * to be no such socket comes back with -EOPNOTSUPP, and nothing was sent.
 */
int zcmu_io_stream(struct zcmu_io *io, int fd, const void *header, size_t header_bytes,
		   unsigned int flags, void (*back)(struct zcmu_io *io, int error, uint64_t bytes));

/*
 * A function to be run in the thread of a queue. The store has the memory, usually in what it keeps
 * of a request, and sets function; it is the library's from zcmu_queue_call() until the function
 * begins.
 */
struct zcmu_call {
	void (*function)(struct zcmu_store *store, void *queue, struct zcmu_call *call);
	struct zcmu_call *next;		/* the library's, all that follow */
	struct zcmu_store *store;
	void *queue;
	uint64_t reserved[2];
};

/*
 * Have a function run in the thread of a queue, and once: to answer there what another thread has
 * done. Any thread, that one as well: never inside of this, and in the order of the calls.
 * queue_submit() follows. It takes no memory, and fails (-ENOTCONN) only if no thread of
 * zcmu_disk_serve() has this queue: a program uses the store by itself, and polls queue_fd alone.
 * What hasn't begun when the thread ends is run before queue_close(), by who calls that.
 */
int zcmu_queue_call(struct zcmu_store *store, void *queue, struct zcmu_call *call);

/* struct zcmu_store_ops.flags */

/*
 * read and the others may sleep (a system call on a file, a lock, a network). They
 * then run in threads that nothing else waits for. Without it they must return
 * soon: one thread may serve the whole disk.
 */
#define ZCMU_STORE_BLOCKS	(1u << 0)
/* write honours io->fua. Without it the library flushes after such a write. */
#define ZCMU_STORE_FUA		(1u << 1)
/* What was trimmed reads as zeroes. */
#define ZCMU_STORE_TRIM_ZEROES	(1u << 2)
/* The bytes are gone with the process: no other one may go on with the disk. */
#define ZCMU_STORE_VOLATILE	(1u << 3)
/*
 * It talks to other machines while it serves: where it is locked in (zcmu serve --user)
 * it keeps the network and may make threads. All its threads may be busy at once, each with a
 * connection of its own say; without this and ZCMU_STORE_BLOCKS only as many as there are CPUs.
 */
#define ZCMU_STORE_NETWORK	(1u << 4)
/*
 * It opens files, or starts programs, while it serves. Where it is locked in (zcmu serve --user)
 * it can't, and is refused. May be set by open(), in the library's copy of the flags.
 */
#define ZCMU_STORE_OPENS_FILES	(1u << 5)
/*
 * It is exec, or one like it: it starts a program when it is opened, and again when that has died.
 * Where it is locked in (zcmu serve --user) a process beside it does that. Stores of other projects
 * don't set it: how it talks to that process is no part of this interface.
 */
#define ZCMU_STORE_STARTS_PROGRAM	(1u << 6)

/*
 * What the initiator may ask for, and how it comes about. It is told just that: by the
 * mode pages (WCE, DPOFUA), READ CAPACITY (16) and the VPD pages B0 and B2.
 *
 *		NONE			EMULATED		NATIVE
 *	fua	FUA is refused		a flush follows		io->fua of a WRITE
 *	flush	no write cache		io->fua of each WRITE,	.flush
 *					TRIM and ZERO
 *	trim	no UNMAP		a ZERO that may trim	.trim
 *	zero	as EMULATED		WRITEs of zeroes	.zero
 *
 * DEFAULT is NATIVE for what there is a callback for (or ZCMU_STORE_FUA), else NONE; of FUA,
 * EMULATED if there is .flush, and NATIVE if there is no cache that it would be about.
 */
enum zcmu_can {
	ZCMU_CAN_DEFAULT,
	ZCMU_CAN_NONE,
	ZCMU_CAN_EMULATED,
	ZCMU_CAN_NATIVE,
};

/*
 * An open store. The library allocates it; open() fills in the second part. What a later library
 * adds goes to its end, and 0 there is as it was before. There is room for what the store knows
 * of (ops->store_size), also if the library doesn't: that must stay 0 then, or open() fails.
 */
struct zcmu_store {
	size_t struct_size;	/* bytes that are there, and 0 at first */
	const struct zcmu_store_ops *ops;
	uint64_t create_size;	/* bytes to create the disk with, or 0 */
	bool read_only;		/* asked for; open() may set it, too */
	bool rotational;
	bool misbehaves;	/* the library's: it was told of */
	bool created;		/* open() has made what it opens: it is of nobody else's use */
	uint8_t reserved[4];

	void *options;		/* ops->options_size bytes, with what was given; the library's */
	void *data;		/* the store's own */
	uint64_t size;		/* bytes, a multiple of block_size; the library changes it */
	uint32_t block_size;	/* bytes: 512 (the default) .. 4096, a power of two */
	uint32_t physical_block_size;	/* bytes; 0: as block_size */
	uint32_t optimal_io_size;	/* bytes; 0: nothing to tell */
	uint32_t trim_granularity;	/* bytes; 0: block_size */
	uint32_t trim_alignment;	/* bytes: where the first trim_granularity begins */
	enum zcmu_can can_fua;
	enum zcmu_can can_flush;
	enum zcmu_can can_trim;
	enum zcmu_can can_zero;
	uint32_t max_threads;	/* that run it, or queues: so many at most; 0: any number */
	/*
	 * Bytes of a request, a multiple of block_size; 0: any number. The initiator is told;
	 * what is longer all the same comes in parts, one after the other.
	 */
	uint64_t max_io;	/* READ, WRITE */
	uint64_t max_trim;	/* TRIM */
	uint64_t max_zero;	/* ZERO */
	/*
	 * Bytes of a COMPARE AND WRITE, which comes as a READ and a WRITE: so many of them stay
	 * whole whatever others do, who write to the same store and not by this disk. 0: any
	 * number. What is longer is refused.
	 */
	uint64_t max_compare;
	/* Bytes that a request should be a multiple of; 0: physical_block_size */
	uint32_t min_io_size;
	uint32_t max_in_flight;	/* commands of a disk at a time; 0: any number */
	/* For zoned devices, which this library doesn't serve yet; 0. */
	uint64_t reserved_zoned[4];
};

/* What an option's value is, and what its member in the store's options. */
enum zcmu_option_type {
	ZCMU_OPTION_FLAG,	/* none; bool: it was given */
	ZCMU_OPTION_TEXT,	/* not empty; char *, which the library frees */
	ZCMU_OPTION_NUMBER,	/* min to max; uint64_t */
	ZCMU_OPTION_SIZE,	/* the same, and maybe K, M, G, T, P; uint64_t */
	ZCMU_OPTION_CHOICE,	/* a word of those in value; uint32_t, which of them, from 0 on */
};

/*
 * An option of a store, "NAME,OPTION=VALUE:ARGUMENT". A table of them ends with one that has no
 * name.
 */
struct zcmu_option {
	const char *name;
	const char *value;	/* how it is written: "PATH"; CHOICE: "this|that"; FLAG: NULL */
	const char *summary;	/* a few words, for --help */
	const char *standard;	/* its value where none is given; NULL: 0 */
	size_t offset;		/* of its member */
	uint64_t min;		/* of a number */
	uint64_t max;		/* the same; 0: any */
	enum zcmu_option_type type;
	uint32_t reserved;
	uint64_t reserved2[2];
};

struct zcmu_store_ops {
	/* The next five are where they are whatever the ABI. */
	uint32_t abi;		/* ZCMU_STORE_ABI */
	uint32_t size;		/* sizeof(struct zcmu_store_ops) */
	uint32_t store_size;	/* sizeof(struct zcmu_store) */
	uint32_t flags;
	const char *name;	/* the part of STORE before the colon */
	const char *usage;	/* "file:PATH", for --help */
	const char *summary;	/* one line, for --help */

	/*
	 * Open @argument, the part of STORE behind the colon. Report what is wrong
	 * with zcmu_error() and return a negative errno; nothing may be left behind.
	 */
	int (*open)(struct zcmu_store *store, const char *argument);
	void (*close)(struct zcmu_store *store);

	/*
	 * Optional, all or none but queue_submit: what a thread needs for itself. Opened
	 * and closed by the thread that calls zcmu_disk_serve().
	 */
	int (*queue_open)(struct zcmu_store *store, void **queue);
	void (*queue_close)(struct zcmu_store *store, void *queue);
	int (*queue_fd)(struct zcmu_store *store, void *queue);	/* poll()ed for reading */
	void (*queue_reap)(struct zcmu_store *store, void *queue);	/* it is readable */
	void (*queue_submit)(struct zcmu_store *store, void *queue);	/* after some requests */

	void (*read)(struct zcmu_store *store, struct zcmu_io *io);
	void (*write)(struct zcmu_store *store, struct zcmu_io *io);
	void (*flush)(struct zcmu_store *store, struct zcmu_io *io);
	void (*trim)(struct zcmu_store *store, struct zcmu_io *io);
	void (*zero)(struct zcmu_store *store, struct zcmu_io *io);

	/*
	 * Optional: change the size. It grows before the library asks for the new range,
	 * and has shrunk (store->size is the new one already) after the last request for
	 * the old one was answered. Other requests are under way all the time. Report what
	 * is wrong with zcmu_error(); the size is as before then.
	 */
	int (*resize)(struct zcmu_store *store, uint64_t size);
	void (*map)(struct zcmu_store *store, struct zcmu_io *io);

	/*
	 * Optional: which bytes are these, told from all others that may have the same name
	 * one day: a file's device, inode and time of birth, say. @text gets printable
	 * characters without blanks, the same whoever asks, for as long as it is the same.
	 * @store: right after open(). @store NULL: what @argument names now, which somebody may
	 * have in use, and is not disturbed; -EOPNOTSUPP if that can't be told.
	 */
	int (*identity)(struct zcmu_store *store, const char *argument, char *text, size_t size);

	/*
	 * Optional: what may stand between the name and the colon. open() finds what was given in
	 * store->options, of options_size bytes: the library has checked it.
	 */
	const struct zcmu_option *options;
	size_t options_size;

	/*
	 * Optional, of a store with queues: nobody waits for this request any more, because its
	 * initiator has aborted the command. It is under way, and still must be answered as every
	 * other: once, with any result, and soon if that can be; from here as well. In the thread
	 * of its queue, never inside of another callback, and at most once; queue_submit() follows.
	 */
	void (*cancel)(struct zcmu_store *store, struct zcmu_io *io);
};

/* Bytes for an identity, with its end */
#define ZCMU_STORE_IDENTITY_MAX	256

/*
 * A plug-in has this, and is found by it. What .name says is the file's name as well.
 */
extern const struct zcmu_store_ops zcmu_store_plugin __attribute__((visibility("default")));

/* Messages, for open(): one line each, without a newline. errno is kept. */
void zcmu_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void zcmu_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * For open(): take more options, "a=b,c", into store->options. It is told what is wrong with them.
 */
int zcmu_parse_options(struct zcmu_store *store, const char *text);

/*
 * Copy between a payload and plain memory, as many bytes as both have; @skip
 * bytes of the payload are passed over first. Return: bytes copied.
 */
size_t zcmu_iov_get(const struct iovec *iov, int iovcnt, size_t skip, void *to, size_t len);
size_t zcmu_iov_put(const struct iovec *iov, int iovcnt, size_t skip, const void *from, size_t len);
size_t zcmu_iov_zero(const struct iovec *iov, int iovcnt, size_t skip, size_t len);

/*
 * A part of a payload, without copying it: its pieces go to @to, which has room for @iovcnt of
 * them and may be @iov. Return: how many there are.
 */
int zcmu_iov_cut(const struct iovec *iov, int iovcnt, size_t skip, size_t len, struct iovec *to);

#ifdef __cplusplus
}
#endif

#endif /* ZCMU_STORE_H */
