// SPDX-License-Identifier: MIT
/*
 * Users and passwords of CHAP: read from a file or a credential of systemd, written to the target
 * and read from it. Each direction has its own; the second one (mutual) is the target's, by which
 * the initiator knows that it is no other.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "attach/credentials.h"
#include "attach/iscsi.h"
#include "zcmu.h"

#define SECRET_GOOD	12	/* RFC 7143 12.1.3: 96 bits, unless there is IPsec */
#define CREDENTIAL	"credential:"

bool credentials_are_plain(const char *text)
{
	const char *c;

	for (c = text; *c; c++) {
		if (!isprint((unsigned char)*c))
			return false;
	}
	return *text && strlen(text) <= CREDENTIALS_MAX && strncmp(text, "NULL", 4);
}

/*
 * Where it is: "credential:NAME" is in the folder that systemd has made for this service. Return:
 * 0 or -errno.
 */
static int find_file(const char *from, char *path, size_t size)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *name;
	size_t len = strlen(from);

	if (strncmp(from, CREDENTIAL, strlen(CREDENTIAL))) {
		if (len >= size)
			return -ENAMETOOLONG;
		memcpy(path, from, len + 1);
		return 0;
	}
	name = from + strlen(CREDENTIAL);
	if (!*name || *name == '.' || strchr(name, '/')) {
		zcmu_error("\"%s\": a credential's name is no path", from);
		return -EINVAL;
	}
	if (!folder || *folder != '/') {
		zcmu_error("%s: there are no credentials: systemd gives them to a service with LoadCredential=",
			   from);
		return -ENOENT;
	}
	return snprintf(path, size, "%s/%s", folder, name) < (int)size ? 0 : -ENAMETOOLONG;
}

/* A file that others can read is no secret. A pipe is readable only for its owner. */
static int check_secrecy(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 077))
		return 0;
	zcmu_error("%s: others can get at it (mode %03o), so it is no secret: \"chmod 600\" it, and choose a new password",
		   path, st.st_mode & 0777);
	return -EACCES;
}

/* Up to a newline, one character more than is allowed, or the end */
static int read_line(int fd, char *line, size_t size)
{
	size_t len = 0;
	ssize_t n = 0;

	while (len < size - 1 && !memchr(line, '\n', len) &&
	       ((n = read(fd, line + len, size - 1 - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return n < 0 ? -errno : 0;
}

int credentials_read_password(const char *from, char *ret)
{
	char path[PATH_MAX], line[CREDENTIALS_MAX + 3];
	int fd, err = find_file(from, path, sizeof(path));

	if (err == -ENAMETOOLONG)
		zcmu_error("%s: the name is too long", from);
	if (err)
		return err;
	fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (fd < 0) {
		err = -errno;
		zcmu_error("%s: can't read it: %s", path, strerror(-err));
		return err;
	}
	err = check_secrecy(fd, path);
	if (!err) {
		err = read_line(fd, line, sizeof(line));
		if (err)
			zcmu_error("%s: can't read it: %s", path, strerror(-err));
	}
	close(fd);
	if (!err && !credentials_are_plain(line)) {
		zcmu_error("%s: its first line can't be a password: that has 1..%d printable characters, and doesn't begin with NULL",
			   path, CREDENTIALS_MAX);
		err = -EINVAL;
	}
	if (!err) {
		if (strlen(line) < SECRET_GOOD)
			zcmu_warning("%s: the password has %zu characters: somebody who listens can guess it; take %d at least",
				     path, strlen(line), SECRET_GOOD);
		strcpy(ret, line);
	}
	explicit_bzero(line, sizeof(line));
	return err;
}

void credentials_forget(struct iscsi_credentials *credentials)
{
	explicit_bzero(credentials, sizeof(*credentials));
}

/*
 * On the target
 */

/*
 * The part that demands a user and password: the initiator's ACL, or the target if it is open to
 * all.
 */
static void make_path(const char *target, const char *initiator, char *path, size_t size)
{
	if (initiator)
		snprintf(path, size, ISCSI "/%s/tpgt_1/acls/%s/auth", target, initiator);
	else
		snprintf(path, size, ISCSI "/%s/tpgt_1/auth", target);
}

int credentials_write(const struct iscsi_credentials *credentials, const char *target,
		      const char *initiator)
{
	char path[PATH_MAX];
	int err;

	make_path(target, initiator, path, sizeof(path));
	err = attribute_write(credentials->user, "%s/userid", path);
	if (!err)
		err = attribute_write_secret(credentials->password, "%s/password", path);
	if (err || !credentials->mutual_user[0])
		return err;
	err = attribute_write(credentials->mutual_user, "%s/userid_mutual", path);
	return err ? err : attribute_write_secret(credentials->mutual_password,
						  "%s/password_mutual", path);
}

int credentials_read(const char *target, const char *initiator, struct iscsi_credentials *ret)
{
	char path[PATH_MAX];
	int err;

	*ret = (struct iscsi_credentials){ .user = "" };
	make_path(target, initiator, path, sizeof(path));
	err = attribute_read(ret->user, sizeof(ret->user), "%s/userid", path);
	if (!err)
		err = attribute_read(ret->password, sizeof(ret->password), "%s/password", path);
	if (!err)
		err = attribute_read(ret->mutual_user, sizeof(ret->mutual_user), "%s/userid_mutual",
				     path);
	if (!err)
		err = attribute_read(ret->mutual_password, sizeof(ret->mutual_password),
				     "%s/password_mutual", path);
	return err;
}

bool credentials_are_same(const struct iscsi_credentials *a, const struct iscsi_credentials *b)
{
	return !strcmp(a->user, b->user) && !strcmp(a->password, b->password) &&
	       !strcmp(a->mutual_user, b->mutual_user) &&
	       !strcmp(a->mutual_password, b->mutual_password);
}
