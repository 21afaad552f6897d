// SPDX-License-Identifier: MIT
/* What zcmu attach takes for a target, and what it is called in configfs. No kernel, no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "attach/fabric.h"
#include "exports.h"

static void expect_target(const char *text, const char *folder, const char *name)
{
	struct target target;

	if (!target_parse(text, &target))
		fail_msg("expected \"%s\" to be a target", text);
	assert_string_equal(target.fabric->folder, folder);
	assert_string_equal(target.name, name);
}

static void expect_none(const char *text)
{
	struct target target;

	if (target_parse(text, &target))
		fail_msg("expected \"%s\" to be no target, got %s of %s", text, target.name,
			 target.fabric->folder);
}

static void a_port_of_fc_has_one_name_however_it_is_written(void **state)
{
	(void)state;
	expect_target("fc:21:00:00:24:ff:31:4c:48", "qla2xxx", "21:00:00:24:ff:31:4c:48");
	expect_target("fc:0x21000024FF314C48", "qla2xxx", "21:00:00:24:ff:31:4c:48");
	expect_target("fc:naa.21000024ff314c48", "qla2xxx", "21:00:00:24:ff:31:4c:48");
	expect_target("fc:21000024ff314c48 --open-to-all", "qla2xxx", "21:00:00:24:ff:31:4c:48");
	expect_none("fc:");
	expect_none("fc:21:00:00:24:ff:31:4c");
	expect_none("fc:21:00:00:24:ff:31:4c:48:");
	expect_none("fc:21:00:00:24:ff:31:4c:48:00");
	expect_none("fc:2:100:00:24:ff:31:4c:48");
	expect_none("fc:21000024ff314c4g");
}

static void a_machine_s_target_is_naa_byte_by_byte(void **state)
{
	(void)state;
	expect_target("vhost:naa.5001405000000001", "vhost", "naa.5001405000000001");
	expect_none("vhost:naa.500140500000000");
	expect_none("vhost:naa.500140500000000A");
	expect_none("vhost:5001405000000001");
	expect_none("vhost:naa.5001405000000001/..");
}

static void iscsi_has_names_of_its_own(void **state)
{
	char text[300] = "iscsi:iqn.2026-11.";

	(void)state;
	expect_target("iscsi:iqn.2026-11.org.example:d\t--portal ::1", "iscsi", "iqn.2026-11.org.example:d");
	expect_none("iscsi:iqn.2026-13.org.example:d");
	expect_none("iscsi:");
	expect_none("iscs:iqn.2026-11.org.example:d");
	expect_none("iqn.2026-11.org.example:d");
	memset(text + strlen(text), 'a', TARGET_NAME_MAX + 7 - strlen(text));
	expect_none(text);
}

static void initiators_are_named_as_their_fabric_does(void **state)
{
	char name[TARGET_NAME_MAX + 1];
	struct target iscsi, fc;

	(void)state;
	assert_true(target_parse("iscsi:iqn.2026-11.org.example:d", &iscsi));
	assert_true(target_parse("fc:21000024ff314c48", &fc));
	assert_true(target_takes_initiator(&iscsi, "iqn.1993-08.org.Debian:01_a", name, sizeof(name)));
	assert_string_equal(name, "iqn.1993-08.org.Debian:01_a");
	assert_false(target_takes_initiator(&iscsi, "21000024ff314c48", name, sizeof(name)));
	assert_true(target_takes_initiator(&fc, "0x21000024ff314c49", name, sizeof(name)));
	assert_string_equal(name, "21:00:00:24:ff:31:4c:49");
	assert_false(target_takes_initiator(&fc, "iqn.1993-08.org.debian:01", name, sizeof(name)));
}

static void an_export_is_of_a_fabric_that_is_known(void **state)
{
	struct export export = { .fabric = "qla2xxx", .target = "21:00:00:24:ff:31:4c:48", .tpg = 1 };
	struct target target;

	(void)state;
	assert_true(target_of_export(&export, &target));
	assert_string_equal(target.fabric->prefix, "fc");
	assert_string_equal(target.name, export.target);
	strcpy(export.fabric, "loopback");
	assert_false(target_of_export(&export, &target));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_of_fc_has_one_name_however_it_is_written),
		cmocka_unit_test(a_machine_s_target_is_naa_byte_by_byte),
		cmocka_unit_test(iscsi_has_names_of_its_own),
		cmocka_unit_test(initiators_are_named_as_their_fabric_does),
		cmocka_unit_test(an_export_is_of_a_fabric_that_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
