// SPDX-License-Identifier: MIT
/*
 * Sends Ceph's monitors one command, given as JSON, with the configuration of $CEPH_CONF.
 * In place of the program "ceph", which takes Python and a lot more.
 */
#include <rados/librados.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *output = NULL, *said = NULL;
	size_t output_len = 0, said_len = 0;
	rados_t cluster;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: mon-command JSON\n");
		return 2;
	}
	err = rados_create(&cluster, NULL);
	if (!err)
		err = rados_conf_read_file(cluster, getenv("CEPH_CONF"));
	if (!err)
		err = rados_conf_set(cluster, "client_mount_timeout", "600");
	if (!err)
		err = rados_connect(cluster);
	if (!err)
		err = rados_mon_command(cluster, (const char **)&argv[1], 1, "", 0, &output,
					&output_len, &said, &said_len);
	printf("%.*s", (int)output_len, output ? output : "");
	if (err)
		fprintf(stderr, "mon-command: %s: %s: %.*s\n", argv[1], strerror(-err),
			(int)said_len, said ? said : "");
	rados_shutdown(cluster);
	return err ? 1 : 0;
}
