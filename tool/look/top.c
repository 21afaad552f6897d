// SPDX-License-Identifier: MIT
/*
 * zcmu top: the busiest disks first, again and again, with what is wrong with them below. It draws
 * by plain escape sequences, on the terminal's other screen, and reads no keys but ^C.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "look/judge.h"
#include "look/sample.h"
#include "look/stat.h"
#include "option.h"
#include "signals.h"
#include "subcommand.h"
#include "zcmu.h"

#define OTHER_SCREEN	"\033[?1049h\033[?25l"
#define FIRST_SCREEN	"\033[?25h\033[?1049l"
#define EMPTY_SCREEN	"\033[H\033[2J"

#define MOST		86400u
#define NAME_WIDTH	16

static const struct limits usual = { JUDGE_SLOW, JUDGE_LATELY };
static volatile sig_atomic_t is_over;

static void end(int number)
{
	(void)number;
	is_over = 1;
}

/* Rows of the terminal; a file has no end */
static int rows(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 10000;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row ? 24 : size.ws_row;
}

/* Time that commands have spent under way: the more, the busier */
static int by_load(const void *a, const void *b)
{
	const struct sample *first = a, *second = b;
	uint64_t x = first->phases[PHASE_TOTAL].sum_ns, y = second->phases[PHASE_TOTAL].sum_ns;

	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(first->backstore.name, second->backstore.name);
}

static void print_head(const struct sample *deltas, size_t count, double seconds)
{
	unsigned int of[VERDICT_UNKNOWN + 1] = { 0 };
	double commands = 0, bytes = 0;
	char why[8], when[16];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	for (i = 0; i < count; i++) {
		of[judge(&deltas[i], &usual, why, sizeof(why))]++;
		commands += (double)sample_counter(&deltas[i], "commands");
		bytes += (double)sample_counter(&deltas[i], "bytes_read") +
			 (double)sample_counter(&deltas[i], "bytes_written");
	}
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &tm));
	printf("zcmu top %s   %zu disks: %u served, %u degraded, %u dead   %.0f commands/s, %.1f MiB/s"
	       "\n\n", when, count, of[VERDICT_SERVED],
	       of[VERDICT_DEGRADED], of[VERDICT_DEAD], commands / seconds,
	       bytes / seconds / 1048576);
}

/* Return: how many lines it took */
static int print_complaints(const struct sample *deltas, size_t count, int room)
{
	char why[256];
	int lines = 0;
	size_t i;

	for (i = 0; i < count && lines < room; i++) {
		enum verdict verdict = judge(&deltas[i], &usual, why, sizeof(why));

		if (verdict == VERDICT_SERVED)
			continue;
		printf("%s: %s: %s\n", deltas[i].backstore.name,
		       verdict_name(verdict), why);
		lines++;
	}
	return lines;
}

static void draw(const struct sample *deltas, size_t count, double seconds)
{
	bool on_terminal = isatty(STDOUT_FILENO);
	/* Half of the screen at most is for complaints. */
	int all = rows(), room = all - 5, shown = 0;
	size_t i;

	if (on_terminal)
		fputs(EMPTY_SCREEN, stdout);
	print_head(deltas, count, seconds);
	stat_print_rates_header(NAME_WIDTH);
	for (i = 0; i < count && shown < (room + 1) / 2; i++) {
		if (!deltas[i].is_counted)
			continue;
		stat_print_rates(&deltas[i], seconds, NAME_WIDTH);
		shown++;
	}
	fputs("\n", stdout);
	print_complaints(deltas, count, room - shown);
	fflush(stdout);
}

/* All disks, and what they have done since @before, which is replaced. Return: 0, or an error */
static int look(struct sample **before, size_t *count_before, bool quiet)
{
	struct sample *now, *deltas;
	const struct sample *past;
	double seconds = 1;
	size_t count, i;
	int err = sample_take_wanted(NULL, &now, &count);

	if (err)
		return err;
	deltas = calloc(count + 1, sizeof(*deltas));
	for (i = 0; deltas && i < count; i++) {
		deltas[i] = now[i];
		past = sample_find(*before, *count_before, now[i].backstore.name);
		if (!past || !past->taken)
			continue;
		sample_subtract(&deltas[i], past);
		seconds = (double)(now[i].taken - past->taken) / 1e9;
	}
	if (deltas && !quiet) {
		qsort(deltas, count, sizeof(*deltas), by_load);
		draw(deltas, count, seconds);
	}
	free(deltas);
	free(*before);
	*before = now;
	*count_before = count;
	return 0;
}

static int run(unsigned int interval, unsigned int count)
{
	struct sample *before = NULL;
	size_t count_before = 0;
	struct timespec next;
	unsigned int n;
	int err;

	signals_catch(end);
	err = look(&before, &count_before, true);
	if (!err && isatty(STDOUT_FILENO))
		fputs(OTHER_SCREEN, stdout);
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (n = 0; !err && !is_over && !ferror(stdout) && (!count || n < count); n++) {
		next.tv_sec += interval;
		while (!is_over &&
		       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
		if (!is_over)
			err = look(&before, &count_before, false);
	}
	if (isatty(STDOUT_FILENO))
		fputs(FIRST_SCREEN, stdout);
	free(before);
	return err ? EXIT_FAILED : EXIT_OK;
}

static void print_help(void)
{
	printf("usage: zcmu top [OPTION]...\n\n"
	       "Shows the disks of this machine, the busiest first, and what is wrong with them, until ^C.\n\n"
	       "  --interval SECONDS  between two looks (default 2)\n"
	       "  --count N           end after so many\n"
	       "  --help              this text\n");
}

int top_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	unsigned int interval = 2, count = 0;
	int option, status = -1;

	while (status < 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			status = option_number("top", "--interval", optarg, 1, MOST, &interval);
			break;
		case 'c':
			status = option_number("top", "--count", optarg, 1, MOST, &count);
			break;
		case 'h':
			print_help();
			return EXIT_OK;
		default:
			option_wrong("top", option);
			return EXIT_USAGE;
		}
	}
	if (status >= 0)
		return status;
	if (optind != argc) {
		usage_error("top", "\"%s\" is not wanted here", argv[optind]);
		return EXIT_USAGE;
	}
	return run(interval, count);
}
