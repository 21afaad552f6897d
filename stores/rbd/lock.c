// SPDX-License-Identifier: MIT
/*
 * rbd: one process writes an image at a time. The store takes librbd's exclusive lock when it is
 * opened. It doesn't release the lock when another client asks for it; librbd's default would.
 *
 * The store never asks a holder to hand the lock over: QEMU would do so, and go on without it. It
 * takes the lock only from a dead holder, or if the user says so (lock=steal). Then the cluster
 * shuts the holder out first (its blocklist): each OSD rejects the holder's unfinished and future
 * requests, before that OSD does anything for us.
 *
 * A holder is known to be dead
 * 	- if it has no watch of the image's header any more: after 30 s of silence;
 * 	- at once if it was a zcmu of this machine: the image's metadata has the name of an
 * 	  abstract socket that it has bound, which exists exactly as long as the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rbd.h"

#define KEY	"zcmu_holder"

/* The holder of the lock, from the image's metadata. */
struct holder {
	char place[128];	/* the boot and the network namespace: where the socket is */
	char token[40];		/* the socket's name */
	char host[65];
	int pid;
	char client[128];	/* its name in librbd */
};

/*
 * Signs of life
 */

static void first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		snprintf(line, size, "unknown");
	line[strcspn(line, " \n")] = '\0';
	if (file)
		fclose(file);
}

/* "BOOT,NAMESPACE": the same text means the same place. */
static void this_place(char *place, size_t size)
{
	char boot[64], name_space[64];
	ssize_t n = readlink("/proc/self/ns/net", name_space, sizeof(name_space) - 1);

	first_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	name_space[n > 0 ? n : 0] = '\0';
	snprintf(place, size, "%s,%s", boot, name_space);
}

/* Bind the abstract socket of a token. Return: a descriptor; -EADDRINUSE: the owner lives. */
static int bind_token(const char *token)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len;
	int err;

	if (fd < 0)
		return -errno;
	len = (socklen_t)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "zcmu-rbd-%s",
				  token);
	len += offsetof(struct sockaddr_un, sun_path) + 1;
	if (!bind(fd, (const struct sockaddr *)&address, len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int give_sign_of_life(struct image *image, char *token, size_t size)
{
	uint64_t random[2];
	int fd;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(token, size, "%016llx%016llx", (unsigned long long)random[0],
		 (unsigned long long)random[1]);
	fd = bind_token(token);
	if (fd < 0)
		return fd;
	image->sign_of_life = fd;
	return 0;
}

/* Store in the metadata who holds the image now. */
static int sign(struct image *image, const char *client)
{
	struct holder self = { .pid = getpid() };
	char text[512];
	int err = give_sign_of_life(image, self.token, sizeof(self.token));

	if (err)
		return err;
	this_place(self.place, sizeof(self.place));
	first_line("/proc/sys/kernel/hostname", self.host, sizeof(self.host));
	snprintf(text, sizeof(text), "%s %s %s %d %s", self.place, self.token, self.host, self.pid,
		 client);
	return rbd_metadata_set(image->handle, KEY, text);
}

/* Return: false if the metadata doesn't describe @client. */
static bool read_sign(struct image *image, const char *client, struct holder *holder)
{
	char text[512];
	size_t size = sizeof(text) - 1;

	if (rbd_metadata_get(image->handle, KEY, text, &size))
		return false;
	text[sizeof(text) - 1] = '\0';
	return sscanf(text, "%127s %39s %64s %d %127s", holder->place, holder->token, holder->host,
		      &holder->pid, holder->client) == 5 && !strcmp(holder->client, client);
}

static bool has_died_here(const struct holder *holder)
{
	char place[128];
	int fd;

	this_place(place, sizeof(place));
	if (strcmp(place, holder->place))
		return false;
	fd = bind_token(holder->token);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/*
 * The lock
 */

/* Return: 0 and the holder, to be freed; -ENOENT: nobody. */
static int get_holder(struct image *image, char **client)
{
	rbd_lock_mode_t mode;
	char *owners[1];
	size_t n = 1;
	int err = rbd_lock_get_owners(image->handle, &mode, owners, &n);

	*client = NULL;
	if (err)
		return err;
	if (!n)
		return -ENOENT;
	*client = strdup(owners[0]);
	rbd_lock_get_owners_cleanup(owners, n);
	return *client ? 0 : -ENOMEM;
}

/* Has the cluster heard from that client lately? */
static bool has_watch(struct image *image, const char *client)
{
	rbd_image_watcher_t watchers[64];
	size_t n = sizeof(watchers) / sizeof(watchers[0]), i;
	bool found = false;

	if (rbd_watchers_list(image->handle, watchers, &n))
		return true;	/* not known to be gone */
	for (i = 0; i < n; i++)
		found |= !strcmp(watchers[i].addr, client);
	rbd_watchers_list_cleanup(watchers, n);
	return found;
}

static int refuse(struct image *image, const char *client, const struct holder *holder)
{
	if (holder)
		zcmu_error("%s: zcmu on %s, process %d, writes it (client %s); if that one is not to go on, lock=steal takes the image from it",
			   image->title, holder->host, holder->pid, client);
	else
		zcmu_error("%s: another client writes it, %s; if that one is not to go on, lock=steal takes the image from it",
			   image->title, client);
	return -EBUSY;
}

/* The cluster shuts the holder out. When this returns, all OSDs concerned know that. */
static int take_from(struct image *image, const char *client)
{
	int err = rbd_lock_break(image->handle, RBD_LOCK_MODE_EXCLUSIVE, client);

	/* A holder that has released the lock meanwhile need not be shut out. */
	if (!err || err == -ENOENT)
		return 0;
	zcmu_error("%s: can't shut out %s, who writes it: %s%s", image->title, client,
		   strerror(-err), err == -EPERM || err == -EACCES ?
		   "; that takes the capability \"profile rbd\" of the monitors" : "");
	return err;
}

/* Is the image free, or can it be made so? */
static int make_free(struct image *image)
{
	struct holder holder;
	bool has_sign;
	char *client;
	int err = get_holder(image, &client);

	if (err == -ENOENT)
		return 0;
	if (err) {
		zcmu_error("%s: can't ask who writes it: %s", image->title, strerror(-err));
		return err;
	}
	has_sign = read_sign(image, client, &holder);
	if (image->steals || (has_sign && has_died_here(&holder)) || !has_watch(image, client))
		err = take_from(image, client);
	else
		err = refuse(image, client, has_sign ? &holder : NULL);
	free(client);
	return err;
}

static int check_feature(struct image *image)
{
	uint64_t features;
	int err = rbd_get_features(image->handle, &features);

	if (!err && !(features & RBD_FEATURE_EXCLUSIVE_LOCK)) {
		zcmu_error("%s: it lacks the feature that keeps others from writing it; \"rbd feature enable %s/%s exclusive-lock\" gives it that, and reading only does without",
			   image->title, image->pool, image->name);
		return -EOPNOTSUPP;
	}
	if (err)
		zcmu_error("%s: can't ask for its features: %s", image->title, strerror(-err));
	return err;
}

static int acquire(struct image *image)
{
	int err = rbd_lock_acquire(image->handle, RBD_LOCK_MODE_EXCLUSIVE);
	char *client;

	if (!err) {
		image->is_locked = true;
		return 0;
	}
	/* Another client was faster. */
	if (!get_holder(image, &client)) {
		err = refuse(image, client, NULL);
		free(client);
	} else {
		zcmu_error("%s: can't lock it: %s", image->title, strerror(-err));
	}
	return err;
}

int image_lock(struct image *image)
{
	char *client = NULL;
	int err = check_feature(image);

	if (!err)
		err = make_free(image);
	if (!err)
		err = acquire(image);
	if (err)
		return err;
	err = get_holder(image, &client);
	if (!err)
		err = sign(image, client);
	if (err)
		zcmu_error("%s: can't record who writes it: %s", image->title, strerror(-err));
	free(client);
	return err;
}

/* Failures are ignored: the lock may belong to another client already. */
void image_unlock(struct image *image)
{
	if (image->is_locked)
		rbd_lock_release(image->handle);
	if (image->sign_of_life >= 0)
		close(image->sign_of_life);
}
