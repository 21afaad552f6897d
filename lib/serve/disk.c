// SPDX-License-Identifier: MIT
/*
 * A disk's UIO device: found by the backstore's name, or by its own, then opened and mapped.
 * Serving it is in serve.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "serve/disk.h"

#define SYS_UIO	"/sys/class/uio"
#define CORE	"/sys/kernel/config/target/core"

/* A file's first line, without its end. Return: 0 or a negative errno. */
static int read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	int err = 0;

	if (!file)
		return -errno;
	if (!fgets(line, (int)size, file))
		err = ferror(file) ? -EIO : -ENODATA;
	else
		line[strcspn(line, "\n")] = '\0';
	fclose(file);
	return err;
}

/* A backstore's name as the user gives it: "NAME", or "user_HBA/NAME" */
struct wanted {
	const char *name;
	bool has_hba;
	unsigned int hba;
};

static struct wanted parse_name(const char *text)
{
	struct wanted wanted = { .name = text };
	int len = 0;

	if (sscanf(text, "user_%u/%n", &wanted.hba, &len) == 1 && len) {
		wanted.has_hba = true;
		wanted.name = text + len;
	}
	return wanted;
}

/*
 * A UIO device's name is "tcm-user/<hba>/<name>[/<config>]". Return: where <name> begins, or NULL
 * if the device isn't the kernel's target's.
 */
static const char *name_in(const char *uio_name, unsigned int *hba)
{
	char *end;

	if (strncmp(uio_name, "tcm-user/", 9))
		return NULL;
	*hba = (unsigned int)strtoul(uio_name + 9, &end, 10);
	return *end == '/' ? end + 1 : NULL;
}

/* Does the name mean the backstore? */
static bool is_named(const char *uio_name, const char *name, unsigned int *hba)
{
	const char *rest = name_in(uio_name, hba);
	size_t len = strlen(name);

	return rest && !strncmp(rest, name, len) && (!rest[len] || rest[len] == '/');
}

/* The same for the wanted backstore, if only its name is known. */
static bool is_wanted(const char *uio_name, const struct wanted *wanted, unsigned int *hba)
{
	return is_named(uio_name, wanted->name, hba) &&
	       (!wanted->has_hba || *hba == wanted->hba);
}

/*
 * Find /dev/uioN of the backstore; then its HBA is known. -ENOENT: there is none; -ENOTUNIQ: there
 * are several.
 */
static int find_uio(struct wanted *wanted, char *uio_path, size_t size)
{
	DIR *dir = opendir(SYS_UIO);
	struct dirent *entry;
	unsigned int hba, found = 0;

	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir))) {
		char path[320], uio_name[512];

		snprintf(path, sizeof(path), SYS_UIO "/%s/name", entry->d_name);
		if (strncmp(entry->d_name, "uio", 3) ||
		    read_line(path, uio_name, sizeof(uio_name)) ||
		    !is_wanted(uio_name, wanted, &hba))
			continue;
		snprintf(uio_path, size, "/dev/%s", entry->d_name);
		wanted->hba = hba;
		found++;
	}
	closedir(dir);
	wanted->has_hba = found == 1;
	return found > 1 ? -ENOTUNIQ : found ? 0 : -ENOENT;
}

/* What sysfs says about an open UIO device. */
static int read_uio(int fd, const char *file, char *line, size_t size)
{
	char path[128];
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -ENOTTY;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(st.st_rdev),
		 minor(st.st_rdev), file);
	return read_line(path, line, size);
}

static int map_size(int fd, size_t *size)
{
	char line[64];
	int err = read_uio(fd, "maps/map0/size", line, sizeof(line));

	if (err)
		return err;
	*size = strtoull(line, NULL, 0);
	return *size ? 0 : -EPROTO;
}

static int kick_kernel(struct zcmu_disk *disk)
{
	/* All of them: the answer that has something moved may be another thread's. */
	int32_t on = disk->moving.by_id ? ZCMU_KICK_TRANSFERS : 1;

	/* This fails only if the device is gone, and then nobody waits for the answers. */
	return write(disk->uio_fd, &on, sizeof(on)) == sizeof(on) ? 0 : -errno;
}

/* @map: a mapped ring, or a test's. The caller frees the disk if this fails. */
int zcmu_disk_init(struct zcmu_disk *disk, void *map, size_t size)
{
	int err;

	disk->stop_fd = -1;
	disk->end_fd = -1;
	err = zcmu_hring_init(&disk->ring, map, size);
	if (err)
		return err;
	disk->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (disk->stop_fd < 0) {
		err = -errno;
		zcmu_hring_deinit(&disk->ring);
		return err;
	}
	disk->ring.aborted = zcmu_abort_note;
	disk->kick = kick_kernel;
	disk->backlog_end = &disk->backlog;
	pthread_mutex_init(&disk->work_lock, NULL);
	pthread_mutex_init(&disk->pool_lock, NULL);
	pthread_mutex_init(&disk->resize_lock, NULL);
	pthread_mutex_init(&disk->end_lock, NULL);
	pthread_cond_init(&disk->handed, NULL);
	pthread_mutex_init(&disk->ranges.lock, NULL);
	pthread_mutex_init(&disk->aborts.lock, NULL);
	pthread_mutex_init(&disk->moving.lock, NULL);
	pthread_mutex_init(&disk->failing.lock, NULL);
	return 0;
}

void zcmu_disk_deinit(struct zcmu_disk *disk)
{
	struct zcmu_cmd *cmd;

	while ((cmd = disk->pool)) {
		disk->pool = cmd->next;
		free(cmd);
	}
	pthread_cond_destroy(&disk->handed);
	pthread_mutex_destroy(&disk->end_lock);
	pthread_mutex_destroy(&disk->resize_lock);
	pthread_mutex_destroy(&disk->failing.lock);
	pthread_mutex_destroy(&disk->moving.lock);
	pthread_mutex_destroy(&disk->aborts.lock);
	pthread_mutex_destroy(&disk->ranges.lock);
	pthread_mutex_destroy(&disk->pool_lock);
	pthread_mutex_destroy(&disk->work_lock);
	close(disk->stop_fd);
	zcmu_hring_deinit(&disk->ring);
}

/* The kernel's configuration. If it can't be read, the defaults are used. */
static void read_configuration(struct zcmu_disk *disk, unsigned int hba)
{
	static const char serial_is[] = "T10 VPD Unit Serial Number: ";
	char path[512], line[256];

	snprintf(path, sizeof(path), CORE "/user_%u/%s/attrib/hw_max_sectors", hba, disk->name);
	if (!read_line(path, line, sizeof(line)))
		disk->max_blocks = (uint32_t)strtoul(line, NULL, 10);
	snprintf(path, sizeof(path), CORE "/user_%u/%s/wwn/vpd_unit_serial", hba, disk->name);
	if (!read_line(path, line, sizeof(line)) &&
	    !strncmp(line, serial_is, sizeof(serial_is) - 1))
		snprintf(disk->serial, sizeof(disk->serial), "%.63s",
			 line + sizeof(serial_is) - 1);
}

/*
 * Take over what an earlier handler has left on the ring. It may have answered in another order:
 * then entries behind the tail are answered already, and entries of commands that are still out
 * were overwritten. Nobody can tell which. So the kernel is asked to answer all of them BUSY, which
 * makes the initiator repeat them, and to begin anew.
 */
static int reset_leftovers(struct zcmu_disk *disk, unsigned int hba)
{
	const struct zcmu_mailbox *mailbox = disk->ring.mailbox;
	char path[512];
	int fd, err = 0;

	/* The kernel has cleaned up already, and lost nothing. */
	if (mailbox->flags & ZCMU_CAP_RECOVER)
		return 0;
	if (__atomic_load_n(&mailbox->cmd_head, __ATOMIC_ACQUIRE) == mailbox->cmd_tail)
		return 0;
	snprintf(path, sizeof(path), CORE "/user_%u/%s/action/reset_ring", hba, disk->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		zcmu_error("%s: an earlier process has left commands on the ring, and %s can't be written: %s",
			   disk->name, path, strerror(-err));
	else
		disk->ring.taken = mailbox->cmd_tail;
	return err;
}

/* Map the device of disk->uio_fd. If that fails, nothing is left but the descriptor. */
static int map_uio(struct zcmu_disk *disk)
{
	size_t size;
	void *map;
	int err;

	err = map_size(disk->uio_fd, &size);
	if (err) {
		zcmu_error("%s: can't find the size of its ring in /sys/dev/char: %s", disk->name,
			   strerror(-err));
		return err;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, disk->uio_fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		zcmu_error("%s: can't map the %zu bytes of its UIO device: %s", disk->name, size,
			   strerror(-err));
		return err;
	}
	err = zcmu_disk_init(disk, map, size);
	if (err) {
		zcmu_error("%s: this program doesn't know the version of its ring, %u",
			   disk->name, ((struct zcmu_mailbox *)map)->version);
		munmap(map, size);
	}
	return err;
}

static void unmap_uio(struct zcmu_disk *disk)
{
	void *map = disk->ring.map;
	size_t size = disk->ring.map_size;

	zcmu_disk_deinit(disk);
	munmap(map, size);
}

/* Is it a path of a UIO device, and not a backstore's name? Those don't begin with a slash. */
static bool is_uio_path(const char *text)
{
	return !strncmp(text, "/dev/uio", 8) && text[8] &&
	       text[8 + strspn(text + 8, "0123456789")] == '\0';
}

/*
 * Which backstore has the UIO device? Its name is put into @text, and @wanted gets it, with the
 * HBA.
 */
static int name_of_uio(const char *path, struct wanted *wanted, char *text, size_t size)
{
	char file[400];
	const char *name;
	int err;

	snprintf(file, sizeof(file), SYS_UIO "/%s/name", path + strlen("/dev/"));
	err = read_line(file, text, size);
	if (err) {
		zcmu_error("%s: there is no such UIO device: %s", path, strerror(-err));
		return err;
	}
	name = name_in(text, &wanted->hba);
	if (!name) {
		zcmu_error("%s: it is another driver's, \"%s\", and no disk of the kernel's target",
			   path, text);
		return -ENODEV;
	}
	text[name - text + (ptrdiff_t)strcspn(name, "/")] = '\0';
	wanted->name = name;
	wanted->has_hba = true;
	return 0;
}

/* The number may belong to another disk since it was looked up. */
static int check_uio(const struct zcmu_disk *disk, const struct wanted *wanted, const char *path)
{
	char uio_name[512];
	unsigned int hba;

	if (!read_uio(disk->uio_fd, "name", uio_name, sizeof(uio_name)) &&
	    is_wanted(uio_name, wanted, &hba))
		return 0;
	zcmu_error("%s: %s is another disk's now", disk->name, path);
	return -ENODEV;
}

static int open_uio(struct zcmu_disk *disk, const char *path, const struct wanted *wanted)
{
	int err;

	disk->uio_fd = open(path, O_RDWR | O_CLOEXEC);
	if (disk->uio_fd < 0) {
		err = -errno;
		zcmu_error("%s: can't open %s: %s", disk->name, path,
			   err == -EBUSY ? "another process serves this disk" : strerror(-err));
		return err;
	}
	err = check_uio(disk, wanted, path);
	if (!err)
		err = map_uio(disk);
	if (!err) {
		err = reset_leftovers(disk, wanted->hba);
		if (err)
			unmap_uio(disk);
	}
	if (err)
		close(disk->uio_fd);
	return err;
}

static struct zcmu_disk *disk_alloc(const char *name)
{
	struct zcmu_disk *disk = calloc(1, sizeof(*disk));

	if (disk)
		disk->name = strdup(name);
	if (disk && disk->name)
		return disk;
	free(disk);
	zcmu_error("%s: there is not enough memory to open it", name);
	return NULL;
}

static void disk_free(struct zcmu_disk *disk)
{
	free(disk->name);
	free(disk);
}

int zcmu_disk_open(const char *name, struct zcmu_disk **ret)
{
	struct wanted wanted = parse_name(name);
	struct zcmu_disk *disk;
	char path[320], uio_name[512];
	int err;

	if (is_uio_path(name)) {
		snprintf(path, sizeof(path), "%s", name);
		err = name_of_uio(path, &wanted, uio_name, sizeof(uio_name));
	} else {
		err = find_uio(&wanted, path, sizeof(path));
		if (err == -ENOTUNIQ)
			zcmu_error("%s: several backstores have that name: say which, user_N/%s",
				   name, name);
		else if (err)
			zcmu_error("%s: no UIO device has that name; is the backstore enabled?",
				   name);
	}
	if (err)
		return err;
	disk = disk_alloc(wanted.name);
	if (!disk)
		return -ENOMEM;
	err = open_uio(disk, path, &wanted);
	if (err) {
		disk_free(disk);
		return err;
	}
	read_configuration(disk, wanted.hba);
	*ret = disk;
	return 0;
}

int zcmu_disk_open_fd(const char *name, int uio_fd, struct zcmu_disk **ret)
{
	struct zcmu_disk *disk = disk_alloc(name);
	char uio_name[512];
	unsigned int hba;
	int err;

	if (!disk)
		return -ENOMEM;
	disk->uio_fd = uio_fd;
	err = map_uio(disk);
	if (err) {
		disk_free(disk);
		return err;
	}
	if (!read_uio(uio_fd, "name", uio_name, sizeof(uio_name)) &&
	    is_named(uio_name, name, &hba))
		read_configuration(disk, hba);
	*ret = disk;
	return 0;
}

void zcmu_disk_close(struct zcmu_disk *disk)
{
	if (!disk)
		return;
	unmap_uio(disk);
	close(disk->uio_fd);
	disk_free(disk);
}

/* The disk's identity: from the options, else from the backstore, else from the name. */
void zcmu_disk_identify(struct zcmu_disk *disk, const struct zcmu_serve_options *options)
{
	if (options->serial)
		snprintf(disk->serial, sizeof(disk->serial), "%s", options->serial);
	else if (!disk->serial[0])
		snprintf(disk->serial, sizeof(disk->serial), "%s", disk->name);
	snprintf(disk->product, sizeof(disk->product), "%-16.16s",
		 options->product ? options->product : disk->store->ops->name);
}

int zcmu_disk_statistics(const struct zcmu_disk *disk, struct zcmu_statistics *ret)
{
	const struct zcmu_counts *counts = &disk->counts;

	const struct zcmu_statistics now = {
		.commands = atomic_load(&counts->commands),
		.errors = atomic_load(&counts->errors),
		.bytes_read = atomic_load(&counts->bytes_read),
		.bytes_written = atomic_load(&counts->bytes_written),
		.bytes_in_place = atomic_load(&counts->bytes_in_place),
		.bytes_copied = atomic_load(&counts->bytes_copied),
		.kicks = atomic_load(&counts->kicks),
		.sleeps = atomic_load(&counts->sleeps),
	};

	return zcmu_give_statistics(ret, &now);
}
