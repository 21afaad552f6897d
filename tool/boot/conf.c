// SPDX-License-Identifier: MIT
/*
 * Reads /etc/zcmu/disks.d/NAME.conf: lines "key = value", whose keys are the options of zcmu serve,
 * "store", "folder", and "export". The values are not looked at: zcmu serve and zcmu attach get
 * them, as if somebody had typed them.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/conf.h"
#include "zcmu.h"

#define MAX_BYTES	(64 * 1024)

void conf_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, CONF_DIR "/%s.conf", name);
}

/* Options of zcmu serve that a file may have. The others are about a process, and not a disk. */
static const struct {
	const char *key;
	bool is_flag;
} keys[] = {
	{ "size", false }, { "threads", false }, { "time-out", false }, { "read-only", true },
	{ "recover", false }, { "serial", false }, { "user", false }, { "no-local", true },
};

/* Without the blanks at both ends */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static int take_once(const char **ret, const char *value, const char *path, unsigned int line)
{
	if (*ret) {
		zcmu_error("%s:%u: it has this already", path, line);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

static int take_option(struct conf *conf, size_t key, const char *value, const char *path,
		       unsigned int line)
{
	char option[sizeof(conf->options[0].option)];
	size_t i;

	snprintf(option, sizeof(option), "--%s", keys[key].key);
	for (i = 0; i < conf->option_count; i++) {
		if (!strcmp(conf->options[i].option, option)) {
			zcmu_error("%s:%u: it has this already", path, line);
			return -EINVAL;
		}
	}
	if (keys[key].is_flag && strcmp(value, "yes") && strcmp(value, "no")) {
		zcmu_error("%s:%u: %s is yes or no, not \"%s\"", path, line, keys[key].key, value);
		return -EINVAL;
	}
	if (keys[key].is_flag && !strcmp(value, "no"))
		return 0;
	strcpy(conf->options[i].option, option);
	conf->options[i].value = keys[key].is_flag ? NULL : value;
	conf->option_count++;
	return 0;
}

static int take_export(struct conf *conf, const char *value, const char *path, unsigned int line)
{
	if (conf->export_count == CONF_EXPORTS) {
		zcmu_error("%s:%u: more than %d exports", path, line, CONF_EXPORTS);
		return -EINVAL;
	}
	conf->exports[conf->export_count++] = value;
	return 0;
}

static int take_line(struct conf *conf, char *text, const char *path, unsigned int line)
{
	char *value = strchr(text, '='), *key;
	size_t i;

	if (value)
		*value++ = '\0';
	key = trim(text);
	value = value ? trim(value) : NULL;
	if (!value || !*value) {
		zcmu_error("%s:%u: \"%s\": expected KEY = VALUE", path, line, key);
		return -EINVAL;
	}
	if (!strcmp(key, "store"))
		return take_once(&conf->store, value, path, line);
	if (!strcmp(key, "folder"))
		return take_once(&conf->folder, value, path, line);
	if (!strcmp(key, "export"))
		return take_export(conf, value, path, line);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(key, keys[i].key))
			return take_option(conf, i, value, path, line);
	}
	zcmu_error("%s:%u: there is no \"%s\"; zcmu-restore(1) has what there is", path, line, key);
	return -EINVAL;
}

int conf_parse(const char *path, char *text, struct conf *ret)
{
	unsigned int number = 0;
	char *line, *rest = text;
	int err = 0;

	*ret = (struct conf){ .text = text };
	while (!err && (line = strsep(&rest, "\n"))) {
		number++;
		line = trim(line);
		if (*line && *line != '#')
			err = take_line(ret, line, path, number);
	}
	if (!err && !ret->store) {
		zcmu_error("%s: which store? Say \"store = file:/srv/data.img\", for example", path);
		err = -EINVAL;
	}
	if (err)
		conf_free(ret);
	return err;
}

/* Its store may be code, and is opened by root: nobody else may write what it is. */
static int check_owner(int fd, const char *path)
{
	struct stat st;

	if (!fstat(fd, &st) && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
	    S_ISREG(st.st_mode))
		return 0;
	zcmu_error("%s: it has to be a file that belongs to root, and that nobody else can write to", path);
	return -EPERM;
}

static int read_text(int fd, const char *path, char **ret)
{
	char *text = malloc(MAX_BYTES);
	size_t len = 0;
	ssize_t n = 0;
	int err = 0;

	if (!text) {
		zcmu_error("%s: there is not enough memory to read it", path);
		return -ENOMEM;
	}
	while (len < MAX_BYTES && (n = read(fd, text + len, MAX_BYTES - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		err = -errno;
	else if (len == MAX_BYTES)
		err = -EFBIG;
	else if (memchr(text, '\0', len))
		err = -EINVAL;
	if (err) {
		zcmu_error("%s: can't read it: %s", path, strerror(-err));
		free(text);
		return err;
	}
	text[len] = '\0';
	*ret = text;
	return 0;
}

int conf_read(const char *name, struct conf *ret)
{
	char path[PATH_MAX], *text = NULL;
	int fd, err;

	if (!backstore_name_is_valid(name)) {
		zcmu_error("\"%s\" can't be a disk's name", name);
		return -EINVAL;
	}
	conf_path(name, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		zcmu_error("%s: can't read it: %s", path, strerror(-err));
		return err;
	}
	err = check_owner(fd, path);
	if (!err)
		err = read_text(fd, path, &text);
	close(fd);
	if (!err)
		err = conf_parse(path, text, ret);
	if (!err)
		snprintf(ret->name, sizeof(ret->name), "%s", name);
	return err;
}

void conf_free(struct conf *conf)
{
	free(conf->text);
	*conf = (struct conf){ .store = NULL };
}
