// SPDX-License-Identifier: MIT
/* What a command has created and removes when it fails (tool/created.c): that, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "created.h"
#include "zcmu.h"

static char folder[] = "/tmp/zcmu-created.XXXXXX";
static struct created created;

static void make_file(const char *name)
{
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	assert_true(fputs("somebody's", file) > 0);
	assert_int_equal(fclose(file), 0);
}

static struct zcmu_store *create(const char *spec)
{
	struct zcmu_store_options options = { .struct_size = sizeof(options), .size = 1 << 20 };
	struct zcmu_store *store;

	created_begin(&created, spec, true);
	assert_int_equal(zcmu_store_open(spec, &options, &store), 0);
	return store;
}

static void what_was_created_is_removed(void **state)
{
	static const char *const specs[] = {
		"file:new", "limit,rate=1G:file:new", "log,file=/dev/null:limit,iops=9:file:new",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct zcmu_store *store = create(specs[i]);

		created_opened(&created, store);
		created_undo(&created);
		zcmu_store_close(store);
		if (!access("new", F_OK))
			fail_msg("expected what %s has created to go, got it", specs[i]);
	}
}

static void what_was_there_behind_a_layer_stays(void **state)
{
	struct zcmu_store *store;

	(void)state;
	make_file("new");
	assert_int_equal(truncate("new", 1 << 20), 0);
	store = create("limit,rate=1G:file:new");
	created_opened(&created, store);
	created_undo(&created);
	zcmu_store_close(store);
	assert_int_equal(unlink("new"), 0);
}

/* Between the opening and the look at what it is, or any time later */
static void what_has_its_name_now_is_left_alone(void **state)
{
	bool early;

	(void)state;
	for (early = false; ; early = true) {
		struct zcmu_store *store = create("file:new");

		make_file("other");
		if (early)
			assert_int_equal(rename("other", "new"), 0);
		created_opened(&created, store);
		if (!early)
			assert_int_equal(rename("other", "new"), 0);
		created_undo(&created);
		zcmu_store_close(store);
		assert_int_equal(unlink("new"), 0);
		if (early)
			break;
	}
}

static void what_was_moved_away_and_linked_to_stays(void **state)
{
	struct zcmu_store *store = create("file:new");

	(void)state;
	created_opened(&created, store);
	assert_int_equal(rename("new", "kept") || symlink("kept", "new"), 0);
	created_undo(&created);
	zcmu_store_close(store);
	assert_int_equal(unlink("new") || unlink("kept"), 0);
}

static int set_up(void **state)
{
	(void)state;
	return !mkdtemp(folder) || chdir(folder);
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") || rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_created_is_removed),
		cmocka_unit_test(what_was_there_behind_a_layer_stays),
		cmocka_unit_test(what_has_its_name_now_is_left_alone),
		cmocka_unit_test(what_was_moved_away_and_linked_to_stays),
	};

	return cmocka_run_group_tests_name("created", tests, set_up, tear_down);
}
