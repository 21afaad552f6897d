// SPDX-License-Identifier: MIT
/*
 * Judges a disk by what the kernel knows of it: whether somebody serves it, whether commands are
 * answered, and whether they failed lately. Nobody is asked, so that a process which hangs is
 * judged as quickly as others.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "look/judge.h"
#include "look/sample.h"
#include "runfile.h"
#include "served.h"

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "served", "degraded", "dead", "unknown" };

	return names[verdict];
}

struct reasons {
	char *text;
	size_t size, len;
};

static void add(struct reasons *reasons, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct reasons *reasons, const char *format, ...)
{
	size_t room = reasons->size - reasons->len;
	va_list arguments;
	int n = 0;

	if (reasons->len)
		n = snprintf(reasons->text + reasons->len, room, "; ");
	reasons->len += (size_t)n < room ? (size_t)n : room - 1;
	room = reasons->size - reasons->len;
	va_start(arguments, format);
	n = vsnprintf(reasons->text + reasons->len, room, format, arguments);
	va_end(arguments);
	reasons->len += n > 0 && (size_t)n < room ? (size_t)n : n > 0 ? room - 1 : 0;
}

static enum verdict worse(enum verdict a, enum verdict b)
{
	return a > b ? a : b;
}

/* Has a process the disk's name, which may be about to open it, or hands it over? */
static bool is_coming(const struct sample *sample)
{
	return backstore_is_ours(&sample->backstore) && runfile_is_held(sample->backstore.name);
}

static enum verdict judge_handler(const struct sample *sample, struct reasons *why)
{
	if (sample->backstore.uio < 0) {
		add(why, "the backstore is not enabled");
		return VERDICT_DEAD;
	}
	if (sample_state(sample, "broken") > 0) {
		add(why, "its process has broken the ring");
		return VERDICT_DEAD;
	}
	if (sample_state(sample, "open") <= 0) {
		if (is_coming(sample)) {
			add(why, "its process does not have it open yet, or hands it over");
			return VERDICT_DEGRADED;
		}
		add(why, "no process serves it; commands that wait for one: %" PRIu64,
		    sample_under_way(sample));
		return VERDICT_DEAD;
	}
	if (sample_state(sample, "blocked") > 0) {
		add(why, "it is blocked (action/block_dev)");
		return VERDICT_DEGRADED;
	}
	return VERDICT_SERVED;
}

static enum verdict judge_commands(const struct sample *sample, const struct limits *limits,
				   struct reasons *why)
{
	int64_t oldest = sample_state(sample, "oldest_us");
	int64_t answer = sample_state(sample, "last_answer_ms");
	char age[32], silence[32];

	if (oldest < 0 || oldest < (int64_t)limits->slow * 1000000)
		return VERDICT_SERVED;
	format_duration((uint64_t)oldest * 1000, age, sizeof(age));
	if (answer >= 0 && answer < (int64_t)limits->slow * 1000)
		add(why, "a command is under way for %s, while others are answered", age);
	else if (answer >= 0)
		add(why, "commands that wait: %" PRIu64 ", the oldest for %s, and none was answered for %s",
		    sample_under_way(sample), age,
		    format_duration((uint64_t)answer * 1000000, silence, sizeof(silence)));
	else
		add(why, "commands that wait: %" PRIu64 ", the oldest for %s, and none was ever answered",
		    sample_under_way(sample), age);
	return VERDICT_DEGRADED;
}

/* Those that initiators have asked for in vain are no failures of the disk; kernel/stats.c. */
static bool is_harmless(const char *error)
{
	static const char *const harmless[] = {
		"handler_no_sense", "handler_recovered_error", "handler_illegal_request",
		"handler_unit_attention", "handler_data_protect", "handler_miscompare",
		"handler_reservation_conflict", "handler_unknown_opcode", "handler_busy",
		"handler_task_set_full", "module_aborted", "module_blocked", "module_too_large",
	};
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (!strcmp(error, harmless[i]))
			return true;
	}
	return false;
}

static enum verdict judge_failures(const struct sample *sample, const struct limits *limits,
				   struct reasons *why)
{
	int64_t last = sample_state(sample, "last_failure_ms");
	char kinds[256] = "", age[32];
	size_t i, len = 0;

	if (last < 0 || last > (int64_t)limits->lately * 1000)
		return VERDICT_SERVED;
	for (i = 0; i < sample->nr_errors && len < sizeof(kinds); i++) {
		const struct counter *error = &sample->errors[i];

		if (error->value && !is_harmless(error->name))
			len += (size_t)snprintf(kinds + len, sizeof(kinds) - len, "%s%s %" PRIu64,
						len ? ", " : "", error->name, error->value);
	}
	add(why, "a command failed %s ago; so far: %s",
	    format_duration((uint64_t)last * 1000000, age, sizeof(age)), kinds);
	return VERDICT_DEGRADED;
}

/* @why: gets the reasons; empty if all is well */
enum verdict judge(const struct sample *sample, const struct limits *limits, char *why,
		   size_t size)
{
	struct reasons reasons = { .text = why, .size = size };
	enum verdict verdict;

	why[0] = '\0';
	if (!sample->nr_state) {
		add(&reasons, sample->is_counted ?
			      "the loaded module is of an older version, which does not tell" :
			      "the stock module does not tell");
		if (sample->backstore.uio < 0 || !strcmp(backstore_state(&sample->backstore), "not served"))
			return VERDICT_DEAD;
		return VERDICT_UNKNOWN;
	}
	verdict = judge_handler(sample, &reasons);
	if (verdict == VERDICT_DEAD)
		return verdict;
	verdict = worse(verdict, judge_commands(sample, limits, &reasons));
	return worse(verdict, judge_failures(sample, limits, &reasons));
}
