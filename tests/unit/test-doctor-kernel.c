// SPDX-License-Identifier: MIT
/* What zcmu doctor knows of a kernel by what uname says of it. No root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "look/kernel.h"

#define DEBIAN(version)	"#1 SMP PREEMPT_DYNAMIC Debian " version " (2026-11-26)"
#define OTHER		"#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024"

static const struct known {
	const char *release, *build;
	struct kernel_version version;
	enum kernel_hole use_after_free, recursive_lock;
} kernels[] = {
	/* The name of Debian's 6.1 doesn't tell, its build does. */
	{ "6.1.0-57-amd64", DEBIAN("6.1.192-3"), { 6, 1, 192 }, HOLE_MENDED, HOLE_MENDED },
	{ "6.1.0-43-amd64", DEBIAN("6.1.162-1"), { 6, 1, 162 }, HOLE_OPEN, HOLE_OPEN },
	{ "6.1.0-44-amd64", DEBIAN("6.1.164-1"), { 6, 1, 164 }, HOLE_MENDED, HOLE_OPEN },
	{ "6.1.0-57-amd64", OTHER, { 6, 1, -1 }, HOLE_UNKNOWN, HOLE_UNKNOWN },
	{ "6.12.117+deb13-rt-amd64", DEBIAN("6.12.117-1"), { 6, 12, 117 }, HOLE_MENDED, HOLE_MENDED },
	{ "7.3.4+deb13-amd64", DEBIAN("7.3.4-1~bpo13+1"), { 7, 3, 4 }, HOLE_MENDED, HOLE_MENDED },
	/* Upstream's own, at the edges of what was mended when */
	{ "6.12.69", "#1 SMP", { 6, 12, 69 }, HOLE_OPEN, HOLE_OPEN },
	{ "6.12.70", "#1 SMP", { 6, 12, 70 }, HOLE_MENDED, HOLE_OPEN },
	{ "6.12.77", "#1 SMP", { 6, 12, 77 }, HOLE_MENDED, HOLE_MENDED },
	{ "6.19.0", "#1 SMP", { 6, 19, 0 }, HOLE_MENDED, HOLE_OPEN },
	{ "6.19.7", "#1 SMP", { 6, 19, 7 }, HOLE_MENDED, HOLE_MENDED },
	{ "7.0.0", "#1 SMP", { 7, 0, 0 }, HOLE_MENDED, HOLE_MENDED },
	/* Nobody mends these any more. */
	{ "6.11.11", "#1 SMP", { 6, 11, 11 }, HOLE_OPEN, HOLE_OPEN },
	/* Who knows what a distribution has put in? But nobody takes it out of a newer one. */
	{ "6.8.0-45-generic", OTHER, { 6, 8, -1 }, HOLE_UNKNOWN, HOLE_UNKNOWN },
	{ "6.18.44-fc-v782", "#1 SMP PREEMPT_DYNAMIC @0", { 6, 18, -1 }, HOLE_UNKNOWN, HOLE_UNKNOWN },
	{ "7.1.0-9-generic", OTHER, { 7, 1, -1 }, HOLE_MENDED, HOLE_MENDED },
	/* Debian's word of another kernel says nothing of this one. */
	{ "6.12.69", DEBIAN("6.1.192-3"), { 6, 12, 69 }, HOLE_OPEN, HOLE_OPEN },
};

static void holes_are_known_by_the_release_that_mended_them(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		const struct known *k = &kernels[i];
		struct kernel_version got;

		if (!kernel_version_read(&got, k->release, k->build))
			fail_msg("%s: expected a version, got none", k->release);
		if (got.major != k->version.major || got.minor != k->version.minor ||
		    got.patch != k->version.patch)
			fail_msg("%s, %s: expected %d.%d.%d, got %d.%d.%d", k->release, k->build,
				 k->version.major, k->version.minor, k->version.patch, got.major,
				 got.minor, got.patch);
		if (kernel_hole_use_after_free(&got) != k->use_after_free)
			fail_msg("%s, %s: expected %d for CVE-2026-23216, got %d", k->release, k->build,
				 k->use_after_free, kernel_hole_use_after_free(&got));
		if (kernel_hole_recursive_lock(&got) != k->recursive_lock)
			fail_msg("%s, %s: expected %d for CVE-2026-23292, got %d", k->release, k->build,
				 k->recursive_lock, kernel_hole_recursive_lock(&got));
	}
}

static void releases_are_compared_as_numbers(void **state)
{
	struct kernel_version version;

	(void)state;
	assert_true(kernel_version_read(&version, "6.12.1", ""));
	assert_true(kernel_version_compare(&version, "6.1") > 0);
	assert_true(kernel_version_compare(&version, "6.12") == 0);
	assert_true(kernel_version_compare(&version, "7.3") < 0);
	assert_false(kernel_version_read(&version, "six", ""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_are_known_by_the_release_that_mended_them),
		cmocka_unit_test(releases_are_compared_as_numbers),
	};

	return cmocka_run_group_tests_name("doctor-kernel", tests, NULL, NULL);
}
