// SPDX-License-Identifier: MIT
/*
 * zcmu --complete WORD...: what a shell may put in the place of the last WORD, a line for each:
 * the word, a tab, and what it is. There is no list of its own to fall behind: commands are
 * main.c's table, options are what a command's --help says of them, stores are those of the
 * library, and disks those of this machine. For completion/; nothing is changed, and errors are no
 * candidates.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backstore.h"
#include "boot/conf.h"
#include "option.h"
#include "subcommand.h"
#include "zcmu.h"

#define LINE	256	/* of --help */

struct completing {
	const struct subcommand *sub;
	char **words;		/* behind the command; the last one is to be completed */
	int count;
	const char *begin;	/* the last one */
};

static void offer(const struct completing *completing, const char *word, const char *summary)
{
	if (!strncmp(word, completing->begin, strlen(completing->begin)))
		printf("%s\t%s\n", word, summary);
}

/*
 * Options, from --help: "  --name NAME      name of the disk"
 */

struct described {
	char option[64];
	char argument[64];	/* what --help calls it; or empty */
	const char *summary;
};

/* Return: false if the line describes no option. It is changed. */
static bool parse_line(char *line, struct described *ret)
{
	char *word, *end;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "  --", 4))
		return false;
	word = line + 2;
	end = word + strcspn(word, " ");
	snprintf(ret->option, sizeof(ret->option), "%.*s", (int)(end - word), word);
	ret->argument[0] = '\0';
	/* One blank is before an argument, and more before the summary. */
	if (*end && end[1] != ' ') {
		word = end + 1;
		end = word + strcspn(word, " ");
		snprintf(ret->argument, sizeof(ret->argument), "%.*s", (int)(end - word), word);
	}
	ret->summary = end + strspn(end, " ");
	return true;
}

/* The command prints its --help into the pipe. Return: it, or NULL. */
static FILE *read_help(const struct subcommand *sub, pid_t *pid)
{
	char name[32], help[] = "--help", *argv[] = { name, help, NULL };
	FILE *file;
	int fds[2];

	snprintf(name, sizeof(name), "%s", sub->name);
	fflush(stdout);
	if (pipe(fds))
		return NULL;
	*pid = fork();
	if (!*pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		option_begin(argv);
		sub->main(2, argv);
		fflush(stdout);
		_exit(EXIT_OK);
	}
	close(fds[1]);
	file = *pid > 0 ? fdopen(fds[0], "r") : NULL;
	if (!file)
		close(fds[0]);
	return file;
}

/* Call @visit for each option of the command, until it returns true. Return: whether it has */
static bool each_option(const struct completing *completing,
			bool (*visit)(const struct completing *completing,
				      const struct described *described, void *argument),
			void *argument)
{
	struct described described;
	bool found = false;
	char line[LINE];
	pid_t pid;
	FILE *file = read_help(completing->sub, &pid);

	if (!file)
		return false;
	/* All of it: the child would wait for a reader. */
	while (fgets(line, sizeof(line), file)) {
		if (!found && parse_line(line, &described))
			found = visit(completing, &described, argument);
	}
	fclose(file);
	waitpid(pid, NULL, 0);
	return found;
}

static bool offer_option(const struct completing *completing, const struct described *described,
			 void *argument)
{
	(void)argument;
	/* What only zcmu itself says is offered to nobody. */
	if (strncmp(described->summary, "used by", 7))
		offer(completing, described->option, described->summary);
	return false;
}

struct sought {
	const char *option;
	char argument[64];
};

static bool find_argument(const struct completing *completing, const struct described *described,
			  void *argument)
{
	struct sought *sought = argument;

	(void)completing;
	if (strcmp(described->option, sought->option))
		return false;
	snprintf(sought->argument, sizeof(sought->argument), "%s", described->argument);
	return true;
}

/* What does the option take? Empty: nothing */
static bool takes(const struct completing *completing, const char *option, struct sought *ret)
{
	*ret = (struct sought){ .option = option };
	return !strncmp(option, "--", 2) && !strchr(option, '=') &&
	       each_option(completing, find_argument, ret) && ret->argument[0];
}

/*
 * What words are
 */

/* @prefix: of the word, and none of the path */
static void offer_paths(const struct completing *completing, const char *prefix, bool folders)
{
	const char *path = completing->begin + strlen(prefix), *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) + 1 : 0;
	char folder[PATH_MAX], word[2 * PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%.*s", len, path);
	dir = opendir(len ? folder : ".");
	while (dir && (entry = readdir(dir))) {
		bool is_folder = entry->d_type == DT_DIR || entry->d_type == DT_LNK;

		if ((entry->d_name[0] == '.' && path[len] != '.') ||
		    strchr(entry->d_name, '\n') || (folders && !is_folder))
			continue;
		snprintf(word, sizeof(word), "%s%.*s%s%s", prefix, len, path, entry->d_name,
			 entry->d_type == DT_DIR ? "/" : "");
		offer(completing, word, "");
	}
	if (dir)
		closedir(dir);
}

/* Is what follows the colon the path of a file? @len: with the colon */
static bool wants_path(const char *spec, int len)
{
	static const char *const stores[] = { "file:", "qcow2:" };
	size_t i, n;

	for (i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
		n = strlen(stores[i]);
		if ((size_t)len >= n && !strncmp(spec + len - n, stores[i], n))
			return true;
	}
	return false;
}

/* Of layers and stores, in "LAYER:LAYER:STORE", the last one */
static void offer_stores(const struct completing *completing)
{
	const struct zcmu_store_ops *const *ops;
	const char *colon = strrchr(completing->begin, ':');
	int len = colon ? (int)(colon - completing->begin) + 1 : 0;
	char word[PATH_MAX];

	if (wants_path(completing->begin, len)) {
		snprintf(word, sizeof(word), "%.*s", len, completing->begin);
		offer_paths(completing, word, false);
		return;
	}
	for (ops = zcmu_layer_list(); *ops; ops++) {
		snprintf(word, sizeof(word), "%.*s%s", len, completing->begin, (*ops)->name);
		offer(completing, word, (*ops)->summary);
	}
	for (ops = zcmu_store_list(); *ops; ops++) {
		snprintf(word, sizeof(word), "%.*s%s:", len, completing->begin, (*ops)->name);
		offer(completing, word, (*ops)->summary);
	}
}

static void be_quiet(int level, const char *message, void *argument)
{
	(void)level;
	(void)message;
	(void)argument;
}

static void offer_disks(const struct completing *completing)
{
	struct backstore *backstores;
	size_t i, count;

	if (backstore_list(&backstores, &count))
		return;
	for (i = 0; i < count; i++)
		offer(completing, backstores[i].name, backstores[i].config);
	free(backstores);
}

/* Those that have a file */
static void offer_saved(const struct completing *completing)
{
	struct dirent *entry;
	DIR *dir = opendir(CONF_DIR);
	char *end;

	while (dir && (entry = readdir(dir))) {
		end = strrchr(entry->d_name, '.');
		if (!end || end == entry->d_name || strcmp(end, ".conf"))
			continue;
		*end = '\0';
		offer(completing, entry->d_name, "");
	}
	if (dir)
		closedir(dir);
}

static void offer_kind(const struct completing *completing, const char *kind)
{
	static const char *const modes[] = { "reissue", "retry", "fail", "off" };
	static const char *const states[] = {
		"optimized", "non-optimized", "standby", "unavailable", "transitioning",
	};
	size_t i;

	if (!strcmp(kind, "STORE") || !strcmp(kind, "FROM") || !strcmp(kind, "TO")) {
		offer_stores(completing);
	} else if (!strcmp(kind, "NAME") && !strcmp(completing->sub->name, "restore")) {
		offer_saved(completing);
	} else if (!strcmp(kind, "NAME")) {
		offer_disks(completing);
	} else if (!strcmp(kind, "FILE") || !strcmp(kind, "PATH")) {
		offer_paths(completing, "", false);
	} else if (!strcmp(kind, "FOLDER")) {
		offer_paths(completing, "", true);
	} else if (!strcmp(kind, "TARGET")) {
		offer(completing, "iscsi:iqn.", "an iSCSI target");
		offer(completing, "fc:", "an FC port of this machine");
		offer(completing, "vhost:naa.", "a virtual machine");
	} else if (!strcmp(kind, "STATE")) {
		for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
			offer(completing, states[i], "");
	} else if (!strcmp(kind, "MODE")) {
		for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			offer(completing, modes[i], "");
	}
}

/*
 * The kind of argument number @n, from 0 on: of "[OPTION]... FROM TO" and the like. What is in
 * brackets and begins with "-", or is OPTION, is none.
 */
static bool find_kind(const struct subcommand *sub, int n, char *kind, size_t size)
{
	const char *text = sub->arguments;
	bool in_option = false;
	size_t len;

	for (; *text; text += len, text += strspn(text, " ")) {
		len = strcspn(text, " ");
		if (!strncmp(text, "[-", 2) || !strncmp(text, "[OPTION]", 8))
			in_option = true;
		if (!in_option && !n--) {
			snprintf(kind, size, "%.*s", (int)strcspn(text + (*text == '['), " ]"),
				 text + (*text == '['));
			return true;
		}
		if (memchr(text, ']', len))
			in_option = false;
	}
	return false;
}

static void complete_argument(const struct completing *completing)
{
	struct sought sought;
	char kind[32];
	int i, n = 0;

	for (i = 0; i < completing->count - 1; i++) {
		if (completing->words[i][0] != '-')
			n++;
		else if (takes(completing, completing->words[i], &sought))
			i++;
	}
	if (i != completing->count - 1)		/* the last option's argument */
		offer_kind(completing, strcmp(sought.option, "--name") ? sought.argument : "");
	else if (completing->begin[0] == '-')
		each_option(completing, offer_option, NULL);
	else if (find_kind(completing->sub, n, kind, sizeof(kind)))
		offer_kind(completing, kind);
}

int complete_main(const struct subcommand *subcommands, int argc, char **argv)
{
	struct completing completing = { .words = argv + 1, .count = argc - 1 };
	const struct subcommand *sub;

	if (!argc)
		return EXIT_USAGE;
	zcmu_set_log(be_quiet, NULL);
	completing.begin = argv[argc - 1];
	for (sub = subcommands; sub->name; sub++) {
		if (argc == 1)
			offer(&completing, sub->name, sub->summary);
		else if (!strcmp(sub->name, argv[0]))
			completing.sub = sub;
	}
	if (completing.sub)
		complete_argument(&completing);
	return EXIT_OK;
}
