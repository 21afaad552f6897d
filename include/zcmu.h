/* SPDX-License-Identifier: MIT */
/*
 * libzcmu: serve a disk from a process of your own. libzcmu(3) has the manual;
 * what a store has to implement is in zcmu-store.h.
 *
 *	struct zcmu_store *store;
 *	struct zcmu_disk *disk;
 *
 *	zcmu_store_open("ram:1G", NULL, &store);
 *	zcmu_disk_open("mydisk", &disk);	   the backstore exists and is enabled
 *	zcmu_disk_serve(disk, store, NULL);	   until zcmu_disk_stop()
 *	zcmu_disk_close(disk);
 *	zcmu_store_close(store);
 *
 * Creating the backstore and exporting it is configuration (configfs, targetcli, or
 * the zcmu command), not the library's.
 *
 * Functions return 0 or a negative errno; errno itself means nothing afterwards. What
 * went wrong is told by zcmu_error(), where it happens.
 *
 * Structures that the caller allocates begin with struct_size, their sizeof, and have no
 * padding: what is added to them later goes to their end, and zero is as it was before. A
 * program that was built with an older header has zeroes there, for a newer library; one that
 * was built with a newer header is refused (-E2BIG) by an older library, unless what that doesn't
 * know is zero. Reserved members are zero.
 */
#ifndef ZCMU_H
#define ZCMU_H

#include <zcmu-store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How to open a store; zero for the defaults. */
struct zcmu_store_options {
	size_t struct_size;	/* sizeof(struct zcmu_store_options) */
	uint64_t size;		/* bytes to create it with */
	bool read_only;
	uint8_t reserved[7];
};

/*
 * Open "name:argument", with a store that is built in or a plug-in. "nbd://host" and other
 * URIs are for the store that their scheme names.
 */
int zcmu_store_open(const char *spec, const struct zcmu_store_options *options,
		    struct zcmu_store **ret);

/* The same with a store of your own. */
int zcmu_store_open_ops(const struct zcmu_store_ops *ops, const char *argument,
			const struct zcmu_store_options *options, struct zcmu_store **ret);
void zcmu_store_close(struct zcmu_store *store);

/*
 * What the store that @spec names says of itself, ZCMU_STORE_..., without opening it: its plug-in
 * is loaded, and no other.
 */
int zcmu_store_flags(const char *spec, uint32_t *ret);

/*
 * Which bytes an open store has, and which those are that a spec names now, without opening it:
 * two texts that differ are two stores, whatever their names. Quiet. ZCMU_STORE_IDENTITY_MAX
 * bytes are room enough. -EOPNOTSUPP: this store can't tell.
 */
int zcmu_store_identity(const struct zcmu_store *store, char *text, size_t size);
int zcmu_store_identify(const char *spec, char *text, size_t size);

/*
 * A store without a disk: may it be asked for something, and ask. The caller has filled in
 * all of the request, with a done, and queue if the store has queues: it opens, submits,
 * polls and reaps them as zcmu_disk_serve() would. FUA goes with the request, also if the caller
 * didn't ask for it and the store needs it; FUA that takes a flush is refused (-EOPNOTSUPP).
 */
bool zcmu_store_can(const struct zcmu_store *store, enum zcmu_io_op op);
void zcmu_store_ask(struct zcmu_store *store, struct zcmu_io *io);

/*
 * The stores that there are, in the order of --help: built in, then the plug-ins that can be
 * loaded, which this loads, once. Ends with NULL.
 */
const struct zcmu_store_ops *const *zcmu_store_list(void);

/* The same of layers, which stand in front of a store: "log,file=PATH:ram:1G". */
const struct zcmu_store_ops *const *zcmu_layer_list(void);

/* A size: digits, and K, M, G, T, P (powers of 1024) or nothing. */
int zcmu_parse_size(const char *text, uint64_t *ret);

/* A disk: the kernel's side of it, as its one UIO device. */
struct zcmu_disk;

/* How the initiator sees the disk; zero and NULL for the defaults. */
struct zcmu_serve_options {
	size_t struct_size;		/* sizeof(struct zcmu_serve_options) */
	unsigned int threads;	/* that run the store's callbacks; default 1, or 4 if it blocks */
	uint32_t reserved;
	const char *serial;		/* VPD pages 80 and 83; default: the backstore's own */
	const char *product;		/* INQUIRY; default: the store's name */
	/* Called when all is set up, just before the ring is read, in the leading thread. */
	void (*ready)(void *argument);
	void *argument;
};

/* What a disk has done; see zcmu_disk_statistics(). */
struct zcmu_statistics {
	size_t struct_size;		/* sizeof(struct zcmu_statistics): the caller's */
	uint64_t commands;
	uint64_t errors;		/* answered with anything but GOOD */
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t bytes_in_place;	/* payload that was lent */
	uint64_t bytes_copied;		/* payload that the kernel copied */
	uint64_t kicks;			/* system calls to pass answers on */
	uint64_t sleeps;		/* waits for work */
};

/*
 * Find the backstore called @name among the UIO devices, open and map it. Commands that
 * an earlier process has left on its ring are answered BUSY: the initiator repeats them.
 * -ENOENT: there is none; -EBUSY: somebody else serves it; -ENOTUNIQ: several HBAs have one
 * of that name, and @name has to say which, as configfs does: "user_3/disk". Or it says which UIO
 * device: "/dev/uio3"; -ENODEV if that is none of the kernel's target.
 */
int zcmu_disk_open(const char *name, struct zcmu_disk **ret);

/*
 * The same with its UIO device, open for reading and writing, from a process that may
 * open it: the disk's from now on, but the caller's still if this fails. @name is for
 * messages. The ring must be as the kernel made it, or be ready for another handler
 * (attrib/recover).
 */
int zcmu_disk_open_fd(const char *name, int uio_fd, struct zcmu_disk **ret);
void zcmu_disk_close(struct zcmu_disk *disk);

/*
 * Serve until zcmu_disk_stop(), then answer what the store has begun, and flush the store:
 * if that fails, its error is returned. Blocks; only one thread may call it. Commands that are
 * still on the ring stay there.
 */
int zcmu_disk_serve(struct zcmu_disk *disk, struct zcmu_store *store,
		    const struct zcmu_serve_options *options);

/* End zcmu_disk_serve(). May be called from any thread and from a signal handler. */
void zcmu_disk_stop(struct zcmu_disk *disk);

/*
 * The same, for another process to go on with the disk, which can't flush what this one has
 * written: so if the flush at the end fails, serving goes on, and its error is returned. Waits
 * for one or the other. Any thread but those that run the store may call it. -ENOTCONN:
 * nobody serves it.
 */
int zcmu_disk_hand_over(struct zcmu_disk *disk);

/*
 * Give the disk another size, a multiple of its block size, while it is served. Any
 * thread may call it. A disk that grows has its new space in the store first. One that
 * shrinks loses it there last: commands that reach behind the new end are refused at
 * once, and those under way are waited for, up to a minute. Telling the initiators is
 * the caller's: write the size to the backstore's attrib/dev_size afterwards.
 * -EOPNOTSUPP: the store can't; -ENOTCONN: nobody serves it.
 */
int zcmu_disk_resize(struct zcmu_disk *disk, uint64_t size);

/* A snapshot, for any thread. What this library doesn't count is 0. */
int zcmu_disk_statistics(const struct zcmu_disk *disk, struct zcmu_statistics *ret);

/* Where messages go; NULL: to stderr, as by default. @level is a syslog(3) priority. */
typedef void (*zcmu_log_function)(int level, const char *message, void *argument);
void zcmu_set_log(zcmu_log_function function, void *argument);

/*
 * Open the files anew that layers of open stores log to, by their names: the old ones were moved
 * away, say. Any thread. What can't be opened is told, and the old file goes on.
 */
void zcmu_reopen_logs(void);

const char *zcmu_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ZCMU_H */
