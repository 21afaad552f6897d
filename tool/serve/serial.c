// SPDX-License-Identifier: MIT
/*
 * The serial number of a disk, by which its initiators know it. It is random, made when a store is
 * first served under a name, and kept in /var/lib/zcmu/NAME.serial: each store has a line "SERIAL
 * STORE". Only a process that has the name (runfile.c) writes the file, so nobody else writes it
 * meanwhile. The file is replaced as a whole, and stable before a disk is made with the serial.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute.h"
#include "serve/serial.h"
#include "zcmu.h"
#include "../../lib/lasting_name.h"

#define STATE_DIR	"/var/lib/zcmu"

/* The target core uses it as the name of a file. */
bool serial_is_valid(const char *serial)
{
	size_t i;

	for (i = 0; serial[i]; i++) {
		if (!isalnum((unsigned char)serial[i]) && !strchr("._:-", serial[i]))
			return false;
	}
	return i && i < SERIAL_SIZE && isalnum((unsigned char)serial[0]);
}

/*
 * The serial as it was until version 0.1, made from the machine, the name and the store. Disks that
 * were made so keep it. Cloned machines have the same.
 */
void serial_of_machine(const char *name, const char *spec, char *serial)
{
	uint64_t h[2] = { 14695981039346656037u, 1099511628211u };
	const char *parts[3];
	char machine[64] = "";
	size_t i, j;

	attribute_read(machine, sizeof(machine), "/etc/machine-id");
	parts[0] = machine;
	parts[1] = name;
	parts[2] = spec;
	for (i = 0; i < 3; i++) {
		for (j = 0; parts[i][j]; j++) {
			h[0] = (h[0] ^ (uint8_t)parts[i][j]) * 1099511628211u;
			h[1] = (h[1] + (uint8_t)parts[i][j]) * 6364136223846793005u;
		}
		h[0] *= 1099511628211u;
	}
	snprintf(serial, SERIAL_SIZE, "%08x-%04x-%04x-%04x-%012" PRIx64, (uint32_t)(h[0] >> 32),
		 (uint16_t)(h[0] >> 16), (uint16_t)h[0], (uint16_t)(h[1] >> 48),
		 h[1] & 0xffffffffffff);
}

/* A UUID, of version 4 */
static int make_serial(char *serial)
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(serial, SERIAL_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

static void make_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, STATE_DIR "/%s.serial", name);
}

/* Encode any bytes as one word; different bytes give different words. */
static char *encode(const char *spec)
{
	char *word = malloc(3 * strlen(spec) + 1), *to = word;

	if (!word)
		return NULL;
	for (; *spec; spec++) {
		if ((unsigned char)*spec <= ' ' || *spec == '%' || *spec == 0x7f)
			to += sprintf(to, "%%%02X", (unsigned char)*spec);
		else
			*to++ = *spec;
	}
	*to = '\0';
	return word;
}

/* The line of a store: its serial, if it is valid, or NULL. Changes the line. */
static const char *serial_of_line(char *line, const char *word)
{
	char *rest = line, *serial = strsep(&rest, " \n"), *store = strsep(&rest, " \n");

	return store && !strcmp(store, word) && serial_is_valid(serial) ? serial : NULL;
}

/* Quiet. -ENOENT: the store has none yet; every other error: unknown. */
static int find(const char *path, const char *word, char *serial)
{
	FILE *file = fopen(path, "re");
	const char *found = NULL;
	char *line = NULL;
	size_t size = 0;
	int err;

	if (!file)
		return -errno;
	while (!found && getline(&line, &size, file) > 0)
		found = serial_of_line(line, word);
	err = ferror(file) ? -EIO : -ENOENT;
	if (found)
		snprintf(serial, SERIAL_SIZE, "%s", found);
	free(line);
	fclose(file);
	return found ? 0 : err;
}

/* Write the old file's whole lines, and a new one */
static int write_lines(int fd, const char *path, const char *serial, const char *word)
{
	FILE *to = fdopen(fd, "w"), *from = fopen(path, "re");
	int err = !to || (!from && errno != ENOENT) ? -errno : 0;
	char *line = NULL;
	size_t size = 0;

	while (!err && from && getline(&line, &size, from) > 0) {
		line[strcspn(line, "\n")] = '\0';
		fprintf(to, "%s\n", line);
	}
	if (from && ferror(from))
		err = -EIO;
	if (!err && (fprintf(to, "%s %s\n", serial, word) < 0 || fflush(to) || ferror(to) || fsync(fd)))
		err = errno ? -errno : -EIO;
	free(line);
	if (from)
		fclose(from);
	if (to)
		fclose(to);
	else
		close(fd);
	return err;
}

/* If a file is half-written under its first name, the next process overwrites it. */
static int add(const char *path, const char *name, const char *serial, const char *word)
{
	char temporary[PATH_MAX];
	int fd, err;

	if (mkdir(STATE_DIR, 0700) && errno != EEXIST)
		return -errno;
	snprintf(temporary, sizeof(temporary), STATE_DIR "/.%s.serial.new", name);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_lines(fd, path, serial, word);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	return err ? err : zcmu_flush_folder_of(path);
}

int serial_find(const char *name, const char *spec, char *serial)
{
	char path[PATH_MAX], *word = encode(spec);
	int err;

	if (!word) {
		zcmu_error("%s: there is not enough memory to find its serial", name);
		return -ENOMEM;
	}
	make_path(name, path, sizeof(path));
	err = find(path, word, serial);
	free(word);
	return err;
}

int serial_keep(const char *name, const char *spec, const char *serial)
{
	char path[PATH_MAX], *word = encode(spec);
	int err;

	if (!word) {
		zcmu_error("%s: there is not enough memory to find its serial", name);
		return -ENOMEM;
	}
	make_path(name, path, sizeof(path));
	err = add(path, name, serial, word);
	free(word);
	return err;
}

/* @is_lasting: the store outlives its process, and so must its serial. */
int serial_get(const char *name, const char *spec, bool is_lasting, char *serial)
{
	int err = serial_find(name, spec, serial);

	if (!err)
		return 0;
	if (err == -ENOENT || !is_lasting) {
		err = make_serial(serial);
		if (err) {
			zcmu_error("%s: no random serial number: %s", name, strerror(-err));
			return err;
		}
		err = serial_keep(name, spec, serial);
		/* Next time it is another disk, because its contents are different. */
		if (!is_lasting)
			err = 0;
	}
	if (err)
		zcmu_error("%s: can't keep its serial number in " STATE_DIR ": %s; fix that, or give one with --serial",
			   name, strerror(-err));
	return err;
}
