// SPDX-License-Identifier: MIT
/*
 * zcmu save, and zcmu serve --save: write /etc/zcmu/disks.d/NAME.conf. What is written is what is
 * there: the options that the disk's process was given, and its exports of zcmu attach. The file
 * has its name when it is complete, and stable.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "boot/conf.h"
#include "control.h"
#include "exports.h"
#include "option.h"
#include "runfile.h"
#include "subcommand.h"
#include "zcmu.h"
#include "../../lib/lasting_name.h"

/* Which files of passwords does an export have? */
struct has_secret {
	bool own;
	bool mutual;
};

static int make_folders(void)
{
	int err;

	if ((!mkdir("/etc/zcmu", 0755) || errno == EEXIST) &&
	    (!mkdir(CONF_DIR, 0755) || errno == EEXIST))
		return 0;
	err = -errno;
	zcmu_error(CONF_DIR ": can't make it: %s", strerror(-err));
	return err;
}

/* Replace the file as a whole. Return: 0 or -errno. Quiet. */
static int replace(const char *path, const char *text)
{
	char temporary[PATH_MAX + 8];
	size_t len = strlen(text), done = 0;
	ssize_t n = 0;
	int fd, err = 0;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (done < len && (n = write(fd, text + done, len - done)) >= 0)
		done += (size_t)n;
	if (n < 0 || fchmod(fd, 0600) || fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err ? err : zcmu_flush_folder_of(path);
}

/* @mutual: that of the target */
static void secret_path(const char *name, size_t number, bool mutual, char *path, size_t size)
{
	snprintf(path, size, CONF_DIR "/%s.%zu%s.secret", name, number, mutual ? ".mutual" : "");
}

/* Its password has a file of its own, which is there before the file that names it. */
static int print_user(FILE *file, const char *path, const char *option, const char *user,
		      const char *password)
{
	char line[CREDENTIALS_MAX + 2];
	int err;

	snprintf(line, sizeof(line), "%s\n", password);
	err = replace(path, line);
	explicit_bzero(line, sizeof(line));
	if (err)
		zcmu_error("%s: can't write it: %s", path, strerror(-err));
	else
		fprintf(file, " --%s-user %s --%s-password-file %s", option, user, option, path);
	return err;
}

/* An export's line */
static int print_export(FILE *file, const char *name, const struct export *export, size_t number,
			struct has_secret *has)
{
	char path[PATH_MAX];
	struct attach_told told;
	int err = attach_tell(export, &told);

	*has = (struct has_secret){ told.chap.user[0], told.chap.mutual_user[0] };
	if (!err && (strpbrk(told.chap.user, " \t") || strpbrk(told.chap.mutual_user, " \t"))) {
		zcmu_error("%s: the user \"%s\" has a blank in it, and can't be saved", name,
			   strpbrk(told.chap.user, " \t") ? told.chap.user : told.chap.mutual_user);
		err = -EINVAL;
	}
	if (!err)
		fprintf(file, "export = %s", told.words);
	if (!err && has->own) {
		secret_path(name, number, false, path, sizeof(path));
		err = print_user(file, path, "chap", told.chap.user, told.chap.password);
	}
	if (!err && has->mutual) {
		secret_path(name, number, true, path, sizeof(path));
		err = print_user(file, path, "chap-mutual", told.chap.mutual_user,
				 told.chap.mutual_password);
	}
	if (!err)
		fprintf(file, "\n");
	explicit_bzero(&told, sizeof(told));
	return err;
}

static int print_exports(FILE *file, const struct backstore *backstore,
			 struct has_secret *has_secret)
{
	struct exports exports;
	int err = exports_find(backstore, &exports);
	size_t i, number = 0;

	if (err)
		return err;
	for (i = 0; i < exports.count && !err; i++) {
		if (!export_is_attached(&exports.entries[i]))
			continue;
		if (number == CONF_EXPORTS) {
			zcmu_error("%s: it has more than %d exports", backstore->name, CONF_EXPORTS);
			err = -E2BIG;
			break;
		}
		err = print_export(file, backstore->name, &exports.entries[i], number,
				   &has_secret[number]);
		number++;
	}
	exports_free(&exports);
	return err;
}

/* Quiet if there is none */
static void remove_secret(const char *name, size_t number, bool mutual)
{
	char path[PATH_MAX];

	secret_path(name, number, mutual, path, sizeof(path));
	if (unlink(path) && errno != ENOENT)
		zcmu_warning("%s: can't remove it: %s", path, strerror(errno));
}

/* Those of exports that are not there any more */
static void remove_old_secrets(const char *name, const struct has_secret *has)
{
	size_t i;

	for (i = 0; i < CONF_EXPORTS; i++) {
		if (!has[i].own)
			remove_secret(name, i, false);
		if (!has[i].mutual)
			remove_secret(name, i, true);
	}
}

int conf_save(const struct backstore *backstore, const char *options)
{
	struct has_secret has_secret[CONF_EXPORTS] = { { false, false } };
	char path[PATH_MAX], *text = NULL;
	size_t size = 0;
	FILE *file;
	int err;

	if (make_folders())
		return -EIO;
	file = open_memstream(&text, &size);
	if (!file) {
		zcmu_error("%s: there is not enough memory to save it", backstore->name);
		return -ENOMEM;
	}
	fprintf(file, "# Made by zcmu save, which replaces it; see zcmu-restore(1)\n%s\n", options);
	err = print_exports(file, backstore, has_secret);
	if (fclose(file) && !err)
		err = -ENOMEM;
	conf_path(backstore->name, path, sizeof(path));
	if (!err) {
		err = replace(path, text);
		if (err)
			zcmu_error("%s: can't write it: %s", path, strerror(-err));
	}
	free(text);
	if (!err)
		remove_old_secrets(backstore->name, has_secret);
	return err;
}

static int save(const char *name)
{
	struct backstore backstore;
	char options[CONTROL_MAX];
	int err = backstore_find_wanted(name, &backstore);

	if (err)
		return err;
	if (!backstore_is_ours(&backstore) || !runfile_is_held(name)) {
		zcmu_error("%s: no zcmu serve serves it, and only its process knows how", name);
		return -ESRCH;
	}
	err = control_ask_for(name, "options", options, sizeof(options));
	return err ? err : conf_save(&backstore, options);
}

int save_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int option;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == 'h') {
			printf("usage: zcmu save NAME\n\n"
			       "Writes " CONF_DIR "/NAME.conf, from which zcmu restore makes the\n"
			       "disk NAME again: its store and options as they are now, and its exports of zcmu\n"
			       "attach. A file that is there is replaced.\n\n"
			       "  --help           this text\n");
			return EXIT_OK;
		}
		option_wrong("save", option);
		return EXIT_USAGE;
	}
	if (argc - optind != 1) {
		usage_error("save", argc == optind ? "which disk?" : "only one disk at a time");
		return EXIT_USAGE;
	}
	if (geteuid()) {
		zcmu_error("saving a disk takes root");
		return EXIT_FAILED;
	}
	return save(argv[optind]) ? EXIT_FAILED : EXIT_OK;
}
