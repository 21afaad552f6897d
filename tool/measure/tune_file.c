// SPDX-License-Identifier: MIT
/*
 * zcmu tune --file: which is cheapest for a file store at each size: to copy a payload to the
 * process, to lend it, or to have the kernel move it to the file. It measures two disks of its own,
 * with a file each: of one the kernel moves all payloads, of the other none.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "format.h"
#include "json.h"
#include "measure/interrupt.h"
#include "measure/load.h"
#include "measure/scratch.h"
#include "measure/tune.h"
#include "subcommand.h"
#include "zcmu.h"

#define FILE_BYTES	(32u << 20)
#define LARGEST		(1u << 20)

static const uint32_t sizes[] = {
	4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, LARGEST,
};

#define NR_SIZES	(sizeof(sizes) / sizeof(sizes[0]))

enum way {
	WAY_COPIED,
	WAY_LENT,
	WAY_MOVED,
	WAYS,
};

static const char *const words[] = { "copied", "lent", "moved", "unclear" };

struct point {
	uint32_t bytes;
	unsigned int commands;		/* of each kind, per round */
	struct samples samples[WAYS];	/* us for each command */
	struct spread spreads[WAYS];
	enum way fastest;		/* WAYS: the difference is below the spread */
};

/* A disk with a file */
struct disk {
	int fd;
	struct scratch scratch;
	struct load load;
};

struct tune {
	const struct tune_file_options *options;
	struct disk by_hand, moved;
	struct point points[NR_SIZES];
	uint32_t move_from;		/* 0: never */
};

/*
 * Disks
 */

/* A file without a name: it is removed when this process ends, in any way. */
static int make_file(const char *folder)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), "%s/zcmu-tune.XXXXXX", folder);
	fd = mkstemp(path);
	if (fd < 0) {
		err = -errno;
		zcmu_error("can't make a file in %s: %s", folder, strerror(-err));
		return err;
	}
	unlink(path);
	if (!ftruncate(fd, FILE_BYTES))
		return fd;
	err = -errno;
	zcmu_error("can't make a file of %u bytes in %s: %s", FILE_BYTES, folder, strerror(-err));
	close(fd);
	return err;
}

/* The blocks are allocated, and in the page cache, before anything is measured. */
static int open_disk(const struct tune *tune, struct disk *disk, const char *purpose,
		     const char *transfer)
{
	const struct tune_file_options *is = tune->options;
	char spec[96];
	double us;
	int err;

	disk->fd = make_file(is->folder);
	if (disk->fd < 0)
		return disk->fd;
	snprintf(spec, sizeof(spec), "file%s,transfer=%s:/proc/%d/fd/%d",
		 is->direct ? ",direct" : "", transfer, (int)getpid(), disk->fd);
	err = scratch_open(purpose, spec, is->threads, &disk->scratch);
	if (err)
		goto close_file;
	err = load_open(disk->scratch.device, FILE_BYTES, is->depth, LARGEST, &disk->load);
	if (err)
		goto close_scratch;
	err = scratch_set(&disk->scratch, "zero_copy_min", sizes[0]);
	return err ? err : load_run(&disk->load, true, LARGEST, FILE_BYTES / LARGEST, &us);

close_scratch:
	scratch_close(&disk->scratch);
close_file:
	close(disk->fd);
	disk->fd = -1;
	return err;
}

static int close_disk(struct disk *disk)
{
	int err;

	if (disk->fd < 0)
		return 0;
	load_close(&disk->load);
	err = scratch_close(&disk->scratch) ? -EBUSY : 0;
	close(disk->fd);
	return err;
}

/*
 * Measuring
 */

struct counts {
	uint64_t lent, moved, returned;
};

static int read_counts(const struct disk *disk, struct counts *ret)
{
	struct counter counters[COUNTERS_MAX];
	size_t count;
	int err = counters_read(&disk->scratch.backstore, counters, &count);

	if (err == -EOPNOTSUPP)
		zcmu_error("the stock target_core_user is loaded, which neither lends nor moves: there is nothing to tune (see zcmu doctor)");
	if (err)
		return err;
	ret->lent = counters_get(counters, count, "commands_lent");
	ret->moved = counters_get(counters, count, "transfers");
	ret->returned = counters_get(counters, count, "transfers_returned");
	return 0;
}

/* Did the payloads go that way? Others, such as udev, may have read from the disk, too. */
static bool is_as_asked(enum way way, const struct counts *before, const struct counts *after,
			unsigned int commands)
{
	if (way == WAY_MOVED)
		return after->moved - before->moved >= commands &&
		       after->returned == before->returned;
	if (after->moved != before->moved)
		return false;
	return way == WAY_LENT ? after->lent - before->lent >= commands :
				 after->lent == before->lent;
}

/* As many writes as reads, @commands each. The result is the mean of a command of either kind. */
static int measure_once(struct tune *tune, uint32_t bytes, unsigned int commands, enum way way,
			double *us)
{
	struct disk *disk = way == WAY_MOVED ? &tune->moved : &tune->by_hand;
	struct counts before = { 0 }, after = { 0 };
	double write_us = 0, read_us = 0;
	int err;

	err = scratch_set(&disk->scratch, "zero_copy", way != WAY_COPIED);
	if (!err)
		err = read_counts(disk, &before);
	if (!err)
		err = load_run(&disk->load, true, bytes, commands, &write_us);
	if (!err)
		err = load_run(&disk->load, false, bytes, commands, &read_us);
	if (!err)
		err = read_counts(disk, &after);
	if (!err && !is_as_asked(way, &before, &after, 2 * commands)) {
		zcmu_error("%s: of %u commands of %" PRIu32 " bytes %" PRIu64 " were lent, and %" PRIu64
			   " moved, %" PRIu64 " of them not to the end; they should all be %s: nothing can be said then",
			   disk->scratch.name, 2 * commands, bytes, after.lent - before.lent,
			   after.moved - before.moved, after.returned - before.returned,
			   words[way]);
		err = -EPROTO;
	}
	*us = (write_us + read_us) / 2;
	return err ? err : interrupt_came() ? -EINTR : 0;
}

/* The number is the same for all ways. */
static int choose_commands(struct tune *tune, struct point *point)
{
	double us;
	int err = measure_once(tune, point->bytes, TUNE_COMMANDS_MIN, WAY_LENT, &us);

	if (!err)
		point->commands = tune_commands(us);
	return err;
}

/* In turn, and each round begins with another, so that other load affects all. */
static int measure_all(struct tune *tune)
{
	unsigned int round, i, turn;
	double us;
	int err = 0;

	for (i = 0; i < NR_SIZES && !err; i++) {
		tune->points[i].bytes = sizes[i];
		err = choose_commands(tune, &tune->points[i]);
	}
	for (round = 0; round < tune->options->rounds; round++) {
		for (i = 0; i < NR_SIZES * WAYS && !err; i++) {
			struct point *point = &tune->points[i / WAYS];

			turn = (round + i) % WAYS;
			err = measure_once(tune, point->bytes, point->commands, (enum way)turn,
					   &us);
			if (!err)
				samples_add(&point->samples[turn], us);
		}
	}
	return err;
}

static int measure(struct tune *tune)
{
	int err = open_disk(tune, &tune->by_hand, "tune", "never");

	if (!err)
		err = open_disk(tune, &tune->moved, "tune-moved", "always");
	if (!err)
		err = measure_all(tune);
	if (close_disk(&tune->moved) && !err)
		err = -EBUSY;
	if (close_disk(&tune->by_hand) && !err)
		err = -EBUSY;
	return err;
}

/*
 * What follows
 */

static enum way fastest_of(const struct point *point)
{
	int way, other;

	for (way = 0; way < WAYS; way++) {
		for (other = 0; other < WAYS; other++) {
			if (other != way &&
			    !spread_is_below(&point->spreads[way], &point->spreads[other]))
				break;
		}
		if (other == WAYS)
			break;
	}
	return (enum way)way;
}

/* The smallest size at which moving is fastest, above all sizes at which another way is. */
static void evaluate(struct tune *tune)
{
	size_t i, way;

	tune->move_from = 0;
	for (i = 0; i < NR_SIZES; i++) {
		struct point *point = &tune->points[i];

		for (way = 0; way < WAYS; way++)
			point->spreads[way] = samples_spread(&point->samples[way]);
		point->fastest = fastest_of(point);
		if (point->fastest == WAY_MOVED && !tune->move_from)
			tune->move_from = point->bytes;
		else if (point->fastest != WAY_MOVED && point->fastest != WAYS)
			tune->move_from = 0;
	}
}

static void print_text(const struct tune *tune)
{
	const struct tune_file_options *is = tune->options;
	char size[16], text[WAYS][64];
	size_t i, way;

	printf("us for each command, %u under way, as many writes as reads, %u store thread%s,\n"
	       "%s: median of %u rounds (the middle half of them)\n\n%8s  %26s  %26s  %26s   %s\n",
	       is->depth, is->threads, is->threads == 1 ? "" : "s",
	       is->direct ? "past the page cache" : "page cache", is->rounds, "size", words[0],
	       words[1], words[2], "fastest");
	for (i = 0; i < NR_SIZES; i++) {
		const struct point *point = &tune->points[i];

		for (way = 0; way < WAYS; way++)
			tune_spread_text(&point->spreads[way], text[way], sizeof(text[way]));
		printf("%8s  %26s  %26s  %26s   %s\n",
		       format_size(point->bytes, size, sizeof(size)), text[0], text[1], text[2],
		       words[point->fastest]);
	}
	if (tune->move_from)
		printf("\nmoving is fastest from %s on: serve file%s,transfer=always:PATH for such requests\n",
		       format_size(tune->move_from, size, sizeof(size)), is->direct ? ",direct" : "");
	else
		printf("\nmoving is fastest at none of these sizes, or not by more than the spread: serve\n"
		       "file%s,transfer=never:PATH\n", is->direct ? ",direct" : "");
}

static struct json_object *point_to_json(const struct point *point)
{
	struct json_object *object = json_members();

	json_add(object, "bytes", json_uint64(point->bytes));
	json_add(object, "commands", json_uint64(point->commands));
	json_add(object, "copied_us", tune_spread_to_json(&point->spreads[WAY_COPIED]));
	json_add(object, "lent_us", tune_spread_to_json(&point->spreads[WAY_LENT]));
	json_add(object, "moved_us", tune_spread_to_json(&point->spreads[WAY_MOVED]));
	json_add(object, "fastest", json_text(words[point->fastest]));
	return object;
}

static void print_as_json(const struct tune *tune)
{
	const struct tune_file_options *is = tune->options;
	struct json_object *object = json_document();
	struct json_object *points = json_list();
	size_t i;

	for (i = 0; i < NR_SIZES; i++)
		json_append(points, point_to_json(&tune->points[i]));
	json_add(object, "folder", json_text(is->folder));
	json_add(object, "direct", json_boolean(is->direct));
	json_add(object, "move_from", tune->move_from ? json_uint64(tune->move_from) : NULL);
	json_add(object, "threads", json_uint64(is->threads));
	json_add(object, "depth", json_uint64(is->depth));
	json_add(object, "rounds", json_uint64(is->rounds));
	json_add(object, "sizes", points);
	print_json(object);
}

int tune_file(const struct tune_file_options *options)
{
	struct tune tune = { .options = options, .by_hand.fd = -1, .moved.fd = -1 };

	if (measure(&tune))
		return EXIT_FAILED;
	evaluate(&tune);
	if (options->json)
		print_as_json(&tune);
	else
		print_text(&tune);
	return EXIT_OK;
}
