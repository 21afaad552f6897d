// SPDX-License-Identifier: MIT
/*
 * A kernel's version, and which holes of the kernel's own target it has by that. Distributions mend
 * kernels without changing what upstream's release they are called by: of those nothing is
 * known here, but for Debian's, which tell the release in uname's "version".
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "look/kernel.h"

/**
 * kernel_version_read - take a kernel's version from what uname says
 * @version: what was found
 * @release: 6.1.0-57-amd64, 7.3.4+deb13-amd64, 6.12.70
 * @build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-11-26)"
 *
 * Return: false if it is no version.
 */
bool kernel_version_read(struct kernel_version *version, const char *release, const char *build)
{
	struct kernel_version told = { 0, 0, 0 };
	const char *debian = strstr(build, "Debian ");
	int end = 0;

	*version = (struct kernel_version){ 0, 0, -1 };
	if (sscanf(release, "%d.%d%n.%d%n", &version->major, &version->minor, &end, &version->patch,
		   &end) < 2)
		return false;
	if (debian && sscanf(debian, "Debian %d.%d.%d", &told.major, &told.minor, &told.patch) >= 2 &&
	    told.major == version->major && told.minor == version->minor) {
		*version = told;
		return true;
	}
	/* Upstream's, or what has nothing but upstream's with a name behind it */
	if (release[end])
		version->patch = -1;
	else if (version->patch < 0)
		version->patch = 0;
	return true;
}

/* Compare major and minor with those of @release. Return: <0, 0, >0 as strcmp() does */
int kernel_version_compare(const struct kernel_version *version, const char *release)
{
	int major = 0, minor = 0;

	sscanf(release, "%d.%d", &major, &minor);
	return version->major != major ? version->major - major : version->minor - minor;
}

/* The first release of a series that has the mending, as the CVE's record says */
struct mended {
	int major, minor, patch;
};

/*
 * Series that aren't listed were not mended any more if they are older than the last that is, and
 * have it from the start if they are newer.
 */
static enum kernel_hole look_up(const struct kernel_version *version, const struct mended *list,
				size_t n)
{
	const struct mended *last = &list[n - 1];
	size_t i;

	if (version->major > last->major ||
	    (version->major == last->major && version->minor > last->minor))
		return HOLE_MENDED;
	for (i = 0; i < n; i++) {
		if (version->major != list[i].major || version->minor != list[i].minor)
			continue;
		if (!list[i].patch)
			return HOLE_MENDED;
		if (version->patch < 0)
			return HOLE_UNKNOWN;
		return version->patch >= list[i].patch ? HOLE_MENDED : HOLE_OPEN;
	}
	return version->patch < 0 ? HOLE_UNKNOWN : HOLE_OPEN;
}

/* CVE-2026-23216: iscsit_dec_conn_usage_count() lets go of a connection, and then of its lock. */
enum kernel_hole kernel_hole_use_after_free(const struct kernel_version *version)
{
	static const struct mended list[] = {
		{ 5, 10, 250 }, { 5, 15, 200 }, { 6, 1, 163 }, { 6, 6, 124 }, { 6, 12, 70 },
		{ 6, 18, 10 }, { 6, 19, 0 },
	};

	return look_up(version, list, sizeof(list) / sizeof(list[0]));
}

/* CVE-2026-23292: "dbroot" set to a path in configfs may wait for itself. */
enum kernel_hole kernel_hole_recursive_lock(const struct kernel_version *version)
{
	static const struct mended list[] = {
		{ 6, 1, 167 }, { 6, 6, 130 }, { 6, 12, 77 }, { 6, 18, 17 }, { 6, 19, 7 },
		{ 7, 0, 0 },
	};

	return look_up(version, list, sizeof(list) / sizeof(list[0]));
}
