// SPDX-License-Identifier: MIT
/*
 * The iSCSI fabric's targets in configfs: their names, who has made them, who is logged in. make.c
 * makes and remove.c removes them.
 *
 * Targets that zcmu attach has made are marked by their TargetAlias. Nothing else is stored. So
 * they are found again after a crash, and a user who wants to keep a target changes the alias.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "exports.h"
#include "iscsi/iscsi.h"
#include "runfile.h"
#include "zcmu.h"

#define ALIAS		"zcmu"
#define LOCK		RUN_DIR "/.iscsi"	/* no disk's name begins with a dot */
#define DEFAULT_PORT	3260

/*
 * An iSCSI name, RFC 7143 4.2.7. The kernel compares initiators byte by byte, and some break the
 * rules: they may have capital letters and underscores.
 */
bool iscsi_name_is_valid(const char *name, bool is_initiator)
{
	unsigned int year, month;
	size_t i, len = strlen(name);
	int end = 0;

	if (len > ISCSI_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    !strchr(".:-", name[i]) &&
		    !(is_initiator && (isupper((unsigned char)name[i]) || name[i] == '_')))
			return false;
	}
	if (!strncmp(name, "iqn.", 4))
		return sscanf(name, "iqn.%4u-%2u.%n", &year, &month, &end) == 2 && end == 12 &&
		       month >= 1 && month <= 12 && isalnum((unsigned char)name[end]);
	if (!strncmp(name, "eui.", 4))
		return len == 20 && strspn(name + 4, "0123456789abcdefABCDEF") == 16;
	if (!strncmp(name, "naa.", 4))
		return (len == 20 || len == 36) &&
		       strspn(name + 4, "0123456789abcdefABCDEF") == len - 4;
	return false;
}

/* Convert "1.2.3.4", "1.2.3.4:3260", "::1", "[::1]:3260" to the form of configfs. Quiet. */
int iscsi_portal_parse(const char *text, struct iscsi_portal *ret)
{
	const char *colon = strrchr(text, ':'), *end = text + strlen(text);
	char address[INET6_ADDRSTRLEN];
	unsigned char in[16];
	unsigned long port = DEFAULT_PORT;
	char *rest;

	/* A bare IPv6 address has several colons; the last one isn't followed by a port. */
	if (*text == '[' ? colon && colon[-1] == ']' : colon && colon == strchr(text, ':')) {
		end = colon;
		port = strtoul(colon + 1, &rest, 10);
		if (!isdigit((unsigned char)colon[1]) || *rest || !port || port > 65535)
			return -EINVAL;
	}
	if (*text == '[') {
		text++;
		if (*--end != ']')
			return -EINVAL;
	}
	if ((size_t)(end - text) >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)(end - text), text);
	if (inet_pton(AF_INET, address, in) == 1)
		ret->family = AF_INET;
	else if (inet_pton(AF_INET6, address, in) == 1)
		ret->family = AF_INET6;
	else
		return -EINVAL;
	memcpy(ret->address, in, sizeof(ret->address));
	ret->port = (uint16_t)port;
	inet_ntop(ret->family, in, address, sizeof(address));
	snprintf(ret->name, sizeof(ret->name), ret->family == AF_INET ? "%s:%lu" : "[%s]:%lu",
		 address, port);
	return 0;
}

/* Return: 0 if this address and port could be bound, or a negative errno. Quiet. */
static int try_bind(const struct iscsi_portal *portal, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd, one = 1, err = 0;

	memcpy(&in.sin_addr, portal->address, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, portal->address, sizeof(in6.sin6_addr));
	fd = socket(portal->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* As the kernel's target does: old connections don't block a port. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (portal->family == AF_INET ? bind(fd, (const struct sockaddr *)&in, sizeof(in)) :
					bind(fd, (const struct sockaddr *)&in6, sizeof(in6)))
		err = -errno;
	close(fd);
	return err;
}

/* Is it an address of this machine, or the wildcard address? */
bool iscsi_portal_is_local(const struct iscsi_portal *portal)
{
	/* Use any free port: a target may have this one already. */
	return !try_bind(portal, 0);
}

/* Does a process listen there? */
bool iscsi_portal_is_taken(const struct iscsi_portal *portal)
{
	return try_bind(portal, portal->port) == -EADDRINUSE;
}

/* Who made a target */

int iscsi_mark(const char *target)
{
	return attribute_write(ALIAS, ISCSI "/%s/tpgt_1/param/TargetAlias", target);
}

bool iscsi_is_ours(const char *target)
{
	char alias[256];

	return !attribute_read(alias, sizeof(alias), ISCSI "/%s/tpgt_1/param/TargetAlias",
			       target) && !strcmp(alias, ALIAS);
}

/* Was it exported by zcmu attach? */
bool iscsi_export_is_ours(const struct export *export)
{
	return !strcmp(export->fabric, "iscsi") && export->tpg == 1 &&
	       iscsi_is_ours(export->target);
}

static bool has_folders(const char *target, const char *rest)
{
	struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), ISCSI "/%s/tpgt_1/%s", target, rest);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_type == DT_DIR && entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* An empty target belongs to nobody: an attach that crashed early has left it. */
bool iscsi_is_blank(const char *target)
{
	char enabled[16];

	if (!attribute_exists(ISCSI "/%s", target))
		return false;
	if (attribute_read(enabled, sizeof(enabled), ISCSI "/%s/tpgt_1/enable", target))
		return true;
	return !strcmp(enabled, "0") && !has_folders(target, "lun") &&
	       !has_folders(target, "acls") && !has_folders(target, "np");
}

/* One attach or detach at a time. Return: a descriptor to close, or a negative errno. */
int iscsi_lock(void)
{
	int fd, err;

	if (mkdir(RUN_DIR, 0755) && errno != EEXIST) {
		err = -errno;
		zcmu_error("can't make " RUN_DIR ": %s", strerror(-err));
		return err;
	}
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = -errno;
		zcmu_error("can't open " LOCK ": %s", strerror(-err));
		return err;
	}
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		err = -errno;
		zcmu_error("can't lock " LOCK ": %s", strerror(-err));
		close(fd);
		return err;
	}
	return fd;
}

/*
 * Who is logged in
 */

/* Does an ACL give its initiator this LUN of the target? */
bool iscsi_acl_has_lun(const char *acl, const struct export *export)
{
	char path[PATH_MAX], target[PATH_MAX], wanted[ISCSI_NAME_MAX + 64], link[PATH_MAX + 280];
	struct dirent *mapped, *entry;
	bool found = false;
	DIR *acl_dir, *dir;
	ssize_t n;

	snprintf(wanted, sizeof(wanted), "/%s/tpgt_1/lun/lun_%u", export->target, export->lun);
	acl_dir = opendir(acl);
	while (acl_dir && !found && (mapped = readdir(acl_dir))) {
		if (strncmp(mapped->d_name, "lun_", 4))
			continue;
		snprintf(path, sizeof(path), "%.3800s/%.255s", acl, mapped->d_name);
		dir = opendir(path);
		while (dir && !found && (entry = readdir(dir))) {
			snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
			n = entry->d_type == DT_LNK ?
			    readlink(link, target, sizeof(target) - 1) : -1;
			if (n < (ssize_t)strlen(wanted))
				continue;
			target[n] = '\0';
			found = !strcmp(target + n - strlen(wanted), wanted);
		}
		if (dir)
			closedir(dir);
	}
	if (acl_dir)
		closedir(acl_dir);
	return found;
}

/* An initiator that is logged in and has this LUN. Return: false if there is none. */
bool iscsi_find_session(const struct export *export, char *initiator, size_t size)
{
	char path[PATH_MAX], acl[PATH_MAX + 280], info[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	/* Initiators without an ACL: a line each. */
	if (!attribute_read(initiator, size, ISCSI "/%s/tpgt_1/dynamic_sessions", export->target) &&
	    initiator[0])
		return true;
	snprintf(path, sizeof(path), ISCSI "/%s/tpgt_1/acls", export->target);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(acl, sizeof(acl), "%s/%s", path, entry->d_name);
		found = !attribute_read(info, sizeof(info), "%s/info", acl) &&
			strncmp(info, "No active", 9) &&
			iscsi_acl_has_lun(acl, export);
		if (found)
			snprintf(initiator, size, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}
