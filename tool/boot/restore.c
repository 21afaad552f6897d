// SPDX-License-Identifier: MIT
/*
 * zcmu restore: makes the disks of /etc/zcmu/disks.d. It runs zcmu serve and zcmu attach with what
 * the files say, and has no way of its own to make a disk.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "boot/conf.h"
#include "exports.h"
#include "option.h"
#include "runfile.h"
#include "subcommand.h"
#include "zcmu.h"

#define PROGRAM		"/proc/self/exe"

/* The words of zcmu serve: 8 before the options and behind them, two for each, and NULL */
struct words {
	const char *words[8 + 2 * CONF_OPTIONS + 1];
	size_t count;
};

static void add(struct words *words, const char *word)
{
	words->words[words->count++] = word;
}

static void serve_words(const struct conf *conf, bool foreground, struct words *ret)
{
	size_t i;

	*ret = (struct words){ .count = 0 };
	add(ret, "zcmu");
	add(ret, "serve");
	add(ret, foreground ? "--foreground" : "--daemon");
	add(ret, "--name");
	add(ret, conf->name);
	for (i = 0; i < conf->option_count; i++) {
		add(ret, conf->options[i].option);
		if (conf->options[i].value)
			add(ret, conf->options[i].value);
	}
	/* Whatever it begins with, it is the store. */
	add(ret, "--");
	add(ret, conf->store);
}

/* Returns only if that fails. */
static void run(const struct conf *conf, const char *const *words)
{
	const char *folder = conf->folder ? conf->folder : "/";

	if (chdir(folder))
		zcmu_error("%s: can't go to its folder, %s: %s", conf->name, folder,
			   strerror(errno));
	else if (execv(PROGRAM, (char *const *)words))
		zcmu_error("%s: can't run zcmu %s: %s", conf->name, words[1], strerror(errno));
}

/* Return: 0 if it has succeeded; its messages say why it has not. */
static int run_and_wait(const struct conf *conf, const char *const *words)
{
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		zcmu_error("%s: can't make a process: %s", conf->name, strerror(errno));
		return -errno;
	}
	if (!pid) {
		run(conf, words);
		_exit(EXIT_FAILED);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK ? 0 : -EIO;
}

/* Is the disk there already, by that target? @export: "iscsi:IQN ..." */
static bool has_export(const struct exports *exports, const char *export)
{
	struct target target;
	size_t i;

	/* zcmu attach says what is wrong with it. */
	if (!target_parse(export, &target))
		return false;
	for (i = 0; i < exports->count; i++) {
		if (!strcmp(exports->entries[i].fabric, target.fabric->folder) &&
		    !strcmp(exports->entries[i].target, target.name))
			return true;
	}
	return false;
}

static int attach(const struct conf *conf, const char *export)
{
	char *copy = strdup(export), *rest = copy, *word;
	const char **words = calloc(strlen(export) + 5, sizeof(*words));
	size_t n = 0;
	int err = -ENOMEM;

	if (copy && words) {
		words[n++] = "zcmu";
		words[n++] = "attach";
		words[n++] = conf->name;
		while ((word = strsep(&rest, " \t"))) {
			if (*word)
				words[n++] = word;
		}
		err = run_and_wait(conf, words);
	} else {
		zcmu_error("%s: there is not enough memory to export it", conf->name);
	}
	free(words);
	free(copy);
	return err;
}

/* Those that are missing. After its process has died, the others are still there. */
static int restore_exports(const struct conf *conf)
{
	struct backstore backstore;
	struct exports exports;
	int err, failed = 0;
	size_t i;

	if (!conf->export_count)
		return 0;
	if (backstore_find_wanted(conf->name, &backstore))
		return -ENOENT;
	err = exports_find(&backstore, &exports);
	if (err)
		return err;
	for (i = 0; i < conf->export_count; i++) {
		if (!has_export(&exports, conf->exports[i]) && attach(conf, conf->exports[i]))
			failed = -EIO;
	}
	exports_free(&exports);
	return failed;
}

static int restore(const char *name, bool exports_only)
{
	struct words words;
	struct conf conf;
	int err = conf_read(name, &conf);

	if (err)
		return err;
	serve_words(&conf, false, &words);
	if (!exports_only && !runfile_is_held(name))
		err = run_and_wait(&conf, words.words);
	if (!err)
		err = restore_exports(&conf);
	conf_free(&conf);
	return err;
}

/* As whoever has called this: a service manager, for example. Returns only if that fails. */
static int become(const char *name)
{
	struct words words;
	struct conf conf;
	int err = conf_read(name, &conf);

	if (err)
		return err;
	serve_words(&conf, true, &words);
	run(&conf, words.words);
	conf_free(&conf);
	return -EIO;
}

/* "NAME.conf"; other files are none of ours. */
static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

/* Each of them, whatever becomes of another */
static int restore_all(bool exports_only)
{
	struct dirent **entries;
	int i, err = 0, count = scandir(CONF_DIR, &entries, is_conf, alphasort);

	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0) {
		zcmu_error(CONF_DIR ": can't read it: %s", strerror(errno));
		return -errno;
	}
	for (i = 0; i < count; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = '\0';
		if (restore(entries[i]->d_name, exports_only))
			err = -EIO;
		free(entries[i]);
	}
	free(entries);
	return err;
}

int restore_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "exports", no_argument, NULL, 'e' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool foreground = false, exports_only = false;
	int option, err;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'e':
			exports_only = true;
			break;
		case 'f':
			foreground = true;
			break;
		case 'h':
			printf("usage: zcmu restore [--exports] [NAME]\n"
			       "       zcmu restore --foreground NAME\n\n"
			       "Serves the disk NAME as " CONF_DIR "/NAME.conf says, and exports it; or\n"
			       "all disks that have such a file. What is there already stays as it is.\n\n"
			       "  --exports        make the exports alone, of a disk that is served\n"
			       "  --foreground     serve the disk in this process, and make no exports: for a\n"
			       "                   service manager\n"
			       "  --help           this text\n");
			return EXIT_OK;
		default:
			option_wrong("restore", option);
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1 || (foreground && (exports_only || optind == argc))) {
		usage_error("restore", argc - optind > 1 ? "only one disk at a time, or all" :
			    exports_only ? "--exports and --foreground contradict each other" :
			    "which disk?");
		return EXIT_USAGE;
	}
	if (geteuid()) {
		zcmu_error("restoring disks takes root");
		return EXIT_FAILED;
	}
	if (foreground)
		err = become(argv[optind]);
	else if (optind < argc)
		err = restore(argv[optind], exports_only);
	else
		err = restore_all(exports_only);
	return err ? EXIT_FAILED : EXIT_OK;
}
