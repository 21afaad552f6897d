// SPDX-License-Identifier: MIT
/*
 * Properties of a block device: its size and blocks, and the limits of its queue for discards. They
 * are read while it is opened, and reported to the initiator.
 */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "file.h"

/*
 * One call to the kernel for a range of any length could take hours, but the device's own limit may
 * be tiny. This many bytes are requested at once.
 */
#define MAX_RANGE	(128ull << 20)

/* A number from the device's sysfs; 0 if it has none. A partition uses the queue of its disk. */
static uint64_t ask_sysfs(dev_t dev, const char *name)
{
	static const char *const folders[] = { "", "/queue", "/../queue" };
	unsigned long long value = 0;
	char path[128];
	FILE *file = NULL;
	size_t i;

	for (i = 0; i < 3 && !file; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s/%s", major(dev), minor(dev),
			 folders[i], name);
		file = fopen(path, "re");
	}
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* The largest multiple of the device's own limit that fits into @most; at least one. */
static uint64_t whole_ones(uint64_t at_a_time, uint64_t most)
{
	return at_a_time < most ? most / at_a_time * at_a_time : at_a_time;
}

/*
 * A device that discards makes a thin disk. The kernel doesn't tell what a trimmed range contains
 * then, so nothing is promised about it. Ranges can be zeroed on every device: the kernel writes
 * zeroes if there is no other way, and an initiator that asks for zeroes gets them.
 */
static void describe_trim(struct zcmu_store *store, struct file *file, dev_t dev)
{
	/* This is the library's copy for this store alone. */
	struct zcmu_store_ops *ops = (struct zcmu_store_ops *)store->ops;
	uint64_t max = ask_sysfs(dev, "discard_max_bytes") / store->block_size * store->block_size;
	uint64_t granularity = ask_sysfs(dev, "discard_granularity");
	uint64_t alignment = ask_sysfs(dev, "discard_alignment");

	ops->flags &= ~ZCMU_STORE_TRIM_ZEROES;
	store->max_zero = MAX_RANGE;
	file->can_discard = max && !store->read_only;
	if (!file->can_discard) {
		store->can_trim = ZCMU_CAN_NONE;
		return;
	}
	store->max_trim = whole_ones(max, MAX_RANGE);
	if (granularity <= UINT32_MAX)
		store->trim_granularity = (uint32_t)granularity;
	if (alignment < store->trim_granularity)
		store->trim_alignment = (uint32_t)alignment;
}

/* Return: 0 or a negative errno, which the caller reports. */
int zcmu_file_describe_device(struct zcmu_store *store, struct file *file)
{
	unsigned int physical;
	struct stat st;
	int block_size, read_only;

	if (ioctl(file->fd, BLKGETSIZE64, &store->size) ||
	    ioctl(file->fd, BLKSSZGET, &block_size) || ioctl(file->fd, BLKPBSZGET, &physical) ||
	    ioctl(file->fd, BLKROGET, &read_only) || fstat(file->fd, &st))
		return -errno;
	/* Refuse it: its writes would fail one by one, and cached data would be lost. */
	store->read_only |= read_only;
	store->block_size = (uint32_t)block_size;
	store->physical_block_size = physical;
	describe_trim(store, file, st.st_rdev);
	return 0;
}
