// SPDX-License-Identifier: MIT
/*
 * Reads all that the kernel has counted for a disk. Each of its files is of one moment; they are
 * read one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "look/sample.h"
#include "zcmu.h"

#define ATTRIBUTE_MAX	4097	/* a page, and an end */

static const struct {
	const char *name, *title;
} phases[] = {
	[PHASE_TOTAL] = { "total", "from the initiator to its answer" },
	[PHASE_ROOM] = { "room", "waiting for room, or for memory" },
	[PHASE_HANDLER] = { "handler", "made ready, waiting for the process, and in it" },
	[PHASE_TAKE_BACK] = { "take_back", "payload taken back or copied" },
};

const char *phase_name(enum phase phase)
{
	return phases[phase].name;
}

const char *phase_title(enum phase phase)
{
	return phases[phase].title;
}

/* Quiet. */
static int read_text(const struct backstore *backstore, const char *name, char *text, size_t size)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	backstore_path(backstore, folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/attrib/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return n < 0 ? -EIO : 0;
}

static int read_phase(const struct backstore *backstore, enum phase phase, struct histogram *ret)
{
	char name[32], text[ATTRIBUTE_MAX];
	int err;

	snprintf(name, sizeof(name), "latency_%s", phase_name(phase));
	err = read_text(backstore, name, text, sizeof(text));
	if (!err && !histogram_parse(text, ret))
		err = -EBADMSG;
	return err;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Of a disk of the stock module there is nothing but the backstore; that is no error. */
int sample_take(const struct backstore *backstore, struct sample *ret)
{
	int err, phase;

	*ret = (struct sample){ .backstore = *backstore };
	err = counters_read(backstore, ret->counters, &ret->nr_counters);
	if (err)
		return err == -EOPNOTSUPP ? 0 : err;
	ret->taken = now();
	ret->is_counted = true;
	/* A module of an older version, which is still loaded, has the counters alone. */
	if (counters_read_from(backstore, "errors", ret->errors, &ret->nr_errors) ||
	    counters_read_from(backstore, "state", ret->state, &ret->nr_state))
		return 0;
	for (phase = 0; phase < NR_PHASES; phase++) {
		err = read_phase(backstore, (enum phase)phase, &ret->phases[phase]);
		if (err) {
			zcmu_error("%s: can't read attrib/latency_%s: %s", backstore->name,
				   phase_name((enum phase)phase), strerror(-err));
			return err;
		}
	}
	return 0;
}

/*
 * The disk @name, or all for NULL: those that go meanwhile are left out. To be free()d. Disks of
 * others, which zcmu serve hasn't made, are among them.
 */
int sample_take_wanted(const char *name, struct sample **ret, size_t *count)
{
	struct backstore *backstores, one, *again = &one;
	size_t i, n = 1, kept = 0;
	struct sample *samples;
	int err;

	if (name) {
		err = backstore_find_wanted(name, &one);
		backstores = again;
	} else {
		err = backstore_list(&backstores, &n);
	}
	if (err)
		return err;
	samples = calloc(n + 1, sizeof(*samples));
	if (!samples) {
		zcmu_error("there is not enough memory to look at %zu disks", n);
		err = -ENOMEM;
	}
	for (i = 0; i < n && !err; i++) {
		struct backstore still;

		err = sample_take(&backstores[i], &samples[kept]);
		if (!err)
			kept++;
		else if (!name && backstore_find(backstores[i].name, &still) == -ENOENT)
			err = 0;
	}
	if (!name)
		free(backstores);
	if (err) {
		free(samples);
		return err;
	}
	*ret = samples;
	*count = kept;
	return 0;
}

uint64_t sample_counter(const struct sample *sample, const char *name)
{
	return counters_get(sample->counters, sample->nr_counters, name);
}

int64_t sample_state(const struct sample *sample, const char *name)
{
	size_t i;

	for (i = 0; i < sample->nr_state; i++) {
		if (!strcmp(sample->state[i].name, name))
			return (int64_t)sample->state[i].value;
	}
	return -1;
}

uint64_t sample_errors(const struct sample *sample)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < sample->nr_errors; i++)
		n += sample->errors[i].value;
	return n;
}

uint64_t sample_under_way(const struct sample *sample)
{
	static const char *const where[] = { "in_room", "in_handler", "in_moving" };
	int64_t n, all = 0;
	size_t i;

	for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		n = sample_state(sample, where[i]);
		all += n > 0 ? n : 0;
	}
	return (uint64_t)all;
}

static void subtract(struct counter *now_, size_t count, const struct counter *before, size_t nr)
{
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t past = counters_get(before, nr, now_[i].name);

		/* If a value is less than before, it is a new disk of the same name. */
		now_[i].value -= past <= now_[i].value ? past : 0;
	}
}

/* What has been counted between the two; the state is the later one's. */
void sample_subtract(struct sample *now_, const struct sample *before)
{
	int phase;

	subtract(now_->counters, now_->nr_counters, before->counters, before->nr_counters);
	subtract(now_->errors, now_->nr_errors, before->errors, before->nr_errors);
	for (phase = 0; phase < NR_PHASES; phase++)
		histogram_subtract(&now_->phases[phase], &before->phases[phase]);
}

const struct sample *sample_find(const struct sample *samples, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!strcmp(samples[i].backstore.name, name))
			return &samples[i];
	}
	return NULL;
}
