// SPDX-License-Identifier: MIT
/*
 * The loopback fabric: makes a backstore a SCSI disk of this machine. Each disk has a target of its
 * own with one LUN.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attribute.h"
#include "backstore.h"
#include "loopback.h"
#include "zcmu.h"

#define LOOPBACK	TARGET "/loopback"
#define ATTACH_SECONDS	60

static void target_path(const struct loopback *loopback, const char *rest, char *path, size_t size)
{
	snprintf(path, size, LOOPBACK "/%s%s", loopback->wwn, rest);
}

/* NAA 5 with LIO's company ID, like rtslib's; the rest is the backstore's. */
static void make_wwn(const struct backstore *backstore, unsigned int attempt, char *wwn,
		     size_t size)
{
	uint64_t h = 14695981039346656037u + attempt;
	const char *c;

	for (c = backstore->name; *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211u;
	snprintf(wwn, size, "naa.5001405%09" PRIx64, h & 0xfffffffff);
}

static int make_folder(const struct loopback *loopback, const char *rest)
{
	char path[PATH_MAX];
	int err;

	target_path(loopback, rest, path, sizeof(path));
	if (!mkdir(path, 0755))
		return 0;
	err = -errno;
	zcmu_error("can't make %s: %s", path, strerror(-err));
	return err;
}

static int make_target(const struct backstore *backstore, struct loopback *loopback)
{
	char path[PATH_MAX];
	unsigned int attempt;

	if (mkdir(LOOPBACK, 0755) && errno != EEXIST) {
		int err = -errno;

		zcmu_error("no loopback fabric: %s; does \"modprobe tcm_loop\" work?", strerror(-err));
		return err;
	}
	for (attempt = 0; attempt < 100; attempt++) {
		make_wwn(backstore, attempt, loopback->wwn, sizeof(loopback->wwn));
		target_path(loopback, "", path, sizeof(path));
		if (!mkdir(path, 0755))
			return 0;
		if (errno != EEXIST)
			break;
	}
	zcmu_error("%s: can't make %s: %s", backstore->name, path, strerror(errno));
	return -errno;
}

/* The disk's name from its SCSI address, once sd has found it. */
int loopback_device(const char *target, unsigned int tpg, unsigned int lun, char *device,
		    size_t size)
{
	unsigned int host, channel, id;
	struct dirent *entry;
	char path[PATH_MAX], address[32];
	DIR *dir;
	int err;

	device[0] = '\0';
	err = attribute_read(address, sizeof(address), LOOPBACK "/%s/tpgt_%u/address", target, tpg);
	if (err)
		return err;
	if (sscanf(address, "%u:%u:%u", &host, &channel, &id) != 3)
		return -EPROTO;
	snprintf(path, sizeof(path), "/sys/bus/scsi/devices/%u:%u:%u:%u/block", host, channel, id,
		 lun);
	dir = opendir(path);
	err = -ENOENT;
	while (dir && err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(device, size, "/dev/%.20s", entry->d_name);
		err = access(device, F_OK) ? -errno : 0;
	}
	if (dir)
		closedir(dir);
	if (err)
		device[0] = '\0';
	return err;
}

static int find_device(struct loopback *loopback)
{
	return loopback_device(loopback->wwn, 1, 0, loopback->device, sizeof(loopback->device));
}

/* The node appears early. The disk has its size and its queue only when the node can be opened. */
static int check_opens(const struct loopback *loopback)
{
	int fd = open(loopback->device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* The SCSI layer scans a new disk in its own time. */
static int wait_for_device(struct loopback *loopback)
{
	struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 }, now;
	time_t deadline;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + ATTACH_SECONDS;
	do {
		err = find_device(loopback);
		if (!err)
			err = check_opens(loopback);
		if (!err)
			return 0;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < deadline);
	zcmu_error("the disk did not appear within %d s (%s); is sd_mod loaded? dmesg may tell",
		   ATTACH_SECONDS, strerror(-err));
	return -ETIMEDOUT;
}

/*
 * Somebody has deleted the disk, or the SCSI layer did not find it when nobody served it. Make the
 * SCSI layer scan again, and wait.
 */
int loopback_scan(struct loopback *loopback)
{
	unsigned int host, channel, id;
	char address[32], where[32];
	int err;

	err = attribute_read(address, sizeof(address), LOOPBACK "/%s/tpgt_1/address", loopback->wwn);
	if (!err && sscanf(address, "%u:%u:%u", &host, &channel, &id) != 3)
		err = -EPROTO;
	if (err) {
		zcmu_error("can't find the SCSI address of %s: %s", loopback->wwn, strerror(-err));
		return err;
	}
	/* The fabric's hosts report no LUNs, so a scan can't name LUN 0. */
	snprintf(where, sizeof(where), "%u %u -", channel, id);
	err = attribute_write(where, "/sys/class/scsi_host/host%u/scan", host);
	return err ? err : wait_for_device(loopback);
}

static int make_lun(const struct backstore *backstore, const struct loopback *loopback)
{
	char path[PATH_MAX], target[PATH_MAX];
	int err;

	err = make_folder(loopback, "/tpgt_1");
	if (!err)
		err = attribute_write(loopback->wwn, LOOPBACK "/%s/tpgt_1/nexus", loopback->wwn);
	if (!err)
		err = make_folder(loopback, "/tpgt_1/lun/lun_0");
	if (err)
		return err;
	backstore_path(backstore, target, sizeof(target));
	target_path(loopback, "/tpgt_1/lun/lun_0/", path, sizeof(path));
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s", backstore->name);
	/* This scans the disk: from here on it must be served. */
	if (symlink(target, path)) {
		err = -errno;
		zcmu_error("%s: can't attach it to %s: %s", backstore->name, path, strerror(-err));
	}
	return err;
}

/* Attach, and wait until the disk is there; nothing is left if that fails. */
int loopback_attach(const struct backstore *backstore, struct loopback *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	err = make_target(backstore, ret);
	if (err)
		return err;
	err = make_lun(backstore, ret);
	if (!err)
		err = wait_for_device(ret);
	if (err)
		loopback_detach(ret);
	return err;
}

/* Does a folder below lun/lun_0 have a link to the backstore? */
static bool lun_leads_to(const char *wwn, const struct backstore *backstore)
{
	char path[PATH_MAX], wanted[64 + NAME_MAX];

	snprintf(wanted, sizeof(wanted), "/core/user_%u/%s", backstore->hba, backstore->name);
	snprintf(path, sizeof(path), LOOPBACK "/%.64s/tpgt_1/lun/lun_0", wwn);
	return attribute_has_link(path, wanted);
}

int loopback_find(const struct backstore *backstore, struct loopback *ret)
{
	struct dirent *entry;
	int err = -ENOENT;
	DIR *dir;

	memset(ret, 0, sizeof(*ret));
	dir = opendir(LOOPBACK);
	while (dir && err && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "naa.", 4) || !lun_leads_to(entry->d_name, backstore))
			continue;
		snprintf(ret->wwn, sizeof(ret->wwn), "%.63s", entry->d_name);
		find_device(ret);
		err = 0;
	}
	if (dir)
		closedir(dir);
	return err;
}

/* Is it mounted, used as swap, or part of something? An exclusive open tells. */
bool loopback_is_in_use(const struct loopback *loopback)
{
	int fd;

	if (!loopback->device[0])
		return false;
	fd = open(loopback->device, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

static void unlink_luns(const struct loopback *loopback)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	target_path(loopback, "/tpgt_1/lun/lun_0", path, sizeof(path));
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		/* This waits for the disk's commands. */
		if (entry->d_type == DT_LNK)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

int loopback_detach(const struct loopback *loopback)
{
	static const char *const folders[] = { "/tpgt_1/lun/lun_0", "/tpgt_1", "" };
	char path[PATH_MAX];
	size_t i;

	unlink_luns(loopback);
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		target_path(loopback, folders[i], path, sizeof(path));
		if (rmdir(path) && errno != ENOENT) {
			zcmu_error("can't remove %s: %s", path, strerror(errno));
			return -errno;
		}
	}
	return 0;
}
