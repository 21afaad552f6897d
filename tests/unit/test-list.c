// SPDX-License-Identifier: MIT
/* The table of zcmu list on a terminal: it fits, whatever disks are called. No disk, no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backstore.h"
#include "exports.h"
#include "runfile.h"
#include "served.h"
#include "subcommand.h"

static struct backstore disks[4];
static struct export places[4][2];

/*
 * The machine, as the command asks for it
 */

int backstore_list(struct backstore **ret, size_t *count)
{
	*ret = malloc(sizeof(disks));
	assert_non_null(*ret);
	memcpy(*ret, disks, sizeof(disks));
	*count = sizeof(disks) / sizeof(disks[0]);
	return 0;
}

bool backstore_is_ours(const struct backstore *backstore)
{
	(void)backstore;
	return false;
}

const char *backstore_state(const struct backstore *backstore)
{
	(void)backstore;
	return "not served";
}

pid_t runfile_pid(const char *name)
{
	(void)name;
	return 0;
}

int exports_find(const struct backstore *backstore, struct exports *ret)
{
	ret->entries = places[backstore->hba];
	ret->count = backstore->hba % 2 ? 2 : 1;
	return 0;
}

void exports_free(struct exports *exports)
{
	(void)exports;
}

const char *exports_device(const struct exports *exports)
{
	return exports->entries[0].device;
}

const char *export_text(const struct export *export, char *text, size_t size)
{
	snprintf(text, size, "%s:%s LUN %u", export->fabric, export->target, export->lun);
	return text;
}

struct json_object *exports_to_json(const struct exports *exports)
{
	(void)exports;
	return NULL;
}

/*
 * Tests
 */

/* @length letters, the last of them @last */
static void make_long(char *text, size_t length, char last)
{
	memset(text, 'x', length);
	text[length - 1] = last;
	text[length] = '\0';
}

/* Print the table to a terminal that is so wide. Return: what it shows. */
static const char *table_on_terminal(unsigned short width)
{
	static char shown[1 << 14];
	char *arguments[] = { (char *)"list", NULL };
	struct winsize size = { .ws_row = 25, .ws_col = width };
	int master, slave, before, status;
	size_t length = 0;
	ssize_t n;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	fflush(stdout);
	before = dup(STDOUT_FILENO);
	assert_true(before >= 0 && dup2(slave, STDOUT_FILENO) == STDOUT_FILENO);
	optind = 0;
	status = list_main(1, arguments);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	/* What was written is there to be read: the table is smaller than a terminal's buffer. */
	close(slave);
	while ((n = read(master, shown + length, sizeof(shown) - 1 - length)) > 0)
		length += (size_t)n;
	close(master);
	shown[length] = '\0';
	assert_int_equal(status, EXIT_OK);
	return shown;
}

static void expect_fits(const char *text, size_t width)
{
	const char *line = text;
	size_t length;

	for (; *line; line += length + strspn(line + length, "\r\n")) {
		length = strcspn(line, "\r\n");
		if (length > width)
			fail_msg("expected at most %zu columns, got %zu: %.*s", width, length,
				 (int)length, line);
	}
}

static void expect_word(const char *text, const char *word)
{
	if (!strstr(text, word))
		fail_msg("expected \"%s\" in the table, got:\n%.*s", word, (int)strlen(text), text);
}

static int make_disks(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		disks[i] = (struct backstore){ .hba = i, .size = 1ull << 40, .uio = -1 };
		snprintf(disks[i].name, sizeof(disks[i].name), "disk%u", i);
		snprintf(disks[i].config, sizeof(disks[i].config), "zcmu/ram_%uG", i);
		places[i][0] = (struct export){ .fabric = "loopback", .target = "naa.5001405000000100" };
		places[i][1] = (struct export){ .fabric = "iscsi", .target = "iqn.2026-11.org:a" };
		snprintf(places[i][0].device, sizeof(places[i][0].device), "/dev/sd%c", 'a' + (int)i);
	}
	return 0;
}

static void the_table_fits_80_columns(void **state)
{
	const char *shown;

	(void)state;
	expect_fits(table_on_terminal(80), 80);
	make_long(disks[0].config, sizeof(disks[0].config) - 1, 'C');
	make_long(disks[1].name, NAME_MAX_LEN, 'N');
	make_long(places[1][1].target, 223, 'T');
	make_long(disks[2].name, NAME_MAX, 'O');
	make_long(disks[3].config, 70, 'D');
	snprintf(places[3][0].device, sizeof(places[3][0].device), "/dev/sdabcd");
	shown = table_on_terminal(80);
	expect_fits(shown, 80);
	/* The end of what is too long is there, and a name of ours as a whole. */
	expect_word(shown, "xC\r\n");
	expect_word(shown, disks[1].name);
	expect_word(shown, "xT LUN 0\r\n");
	expect_word(shown, "xO\r\n");
	expect_word(shown, "xD\r\n");
	expect_fits(table_on_terminal(132), 132);
}

static void short_ones_are_not_cut(void **state)
{
	const char *shown = table_on_terminal(80);

	(void)state;
	expect_word(shown, "disk1  not served   /dev/sdb       1 TiB  zcmu/ram_1G\r\n"
		    "  iscsi:iqn.2026-11.org:a LUN 0\r\ndisk2");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_table_fits_80_columns, make_disks),
		cmocka_unit_test_setup(short_ones_are_not_cut, make_disks),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
