// SPDX-License-Identifier: MIT
/*
 * Disks that come back: what a file of /etc/zcmu/disks.d may say (tool/boot/conf.c), and what the
 * generator makes of it for systemd (boot/zcmu-generator).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/conf.h"
#include "zcmu.h"

static char said[1024];

static void keep(int level, const char *message, void *argument)
{
	(void)level;
	(void)argument;
	snprintf(said, sizeof(said), "%s", message);
}

static int parse(const char *text, struct conf *conf)
{
	said[0] = '\0';
	return conf_parse("FILE", strdup(text), conf);
}

static void a_file_becomes_a_command_line(void **state)
{
	struct conf conf;

	(void)state;
	assert_int_equal(parse("# a comment = no line\n"
			       "\n"
			       "  store =  log,file=/tmp/a b:file:/srv/data = 1.img\t\n"
			       "threads=4\n"
			       "read-only = yes\n"
			       "time-out = 60\n"
			       "folder = /srv\n"
			       "export = iscsi:iqn.2026-11.org.example:a --open-to-all\n"
			       "export = iscsi:iqn.2026-11.org.example:b --portal [::1]:3261", &conf), 0);
	assert_string_equal(conf.store, "log,file=/tmp/a b:file:/srv/data = 1.img");
	assert_string_equal(conf.folder, "/srv");
	assert_int_equal(conf.option_count, 3);
	assert_string_equal(conf.options[0].option, "--threads");
	assert_string_equal(conf.options[0].value, "4");
	assert_string_equal(conf.options[1].option, "--read-only");
	assert_null(conf.options[1].value);
	assert_string_equal(conf.options[2].option, "--time-out");
	assert_int_equal(conf.export_count, 2);
	assert_string_equal(conf.exports[1], "iscsi:iqn.2026-11.org.example:b --portal [::1]:3261");
	conf_free(&conf);
}

static void all_options_have_a_place(void **state)
{
	struct conf conf;

	(void)state;
	assert_int_equal(parse("store = ram:1G\nsize = 1G\nthreads = 2\ntime-out = 5\nread-only = no\n"
			       "recover = retry\nserial = x\nuser = store\n", &conf), 0);
	assert_int_equal(conf.option_count, 6);
	assert_string_equal(conf.options[5].option, "--user");
	conf_free(&conf);
	assert_int_equal(parse("store = ram:1G\nsize = 1G\nthreads = 2\ntime-out = 5\nread-only = yes\n"
			       "recover = retry\nserial = x\nuser = store\n", &conf), 0);
	assert_int_equal(conf.option_count, 7);
	conf_free(&conf);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct {
		const char *text, *expected;
	} wrong[] = {
		{ "", "FILE: which store?" },
		{ "# store = ram:1G", "FILE: which store?" },
		{ "store = ram:1G\nstore = ram:2G", "FILE:2: it has this already" },
		{ "store = ram:1G\nthreads = 1\nthreads = 1", "FILE:3: it has this already" },
		{ "store", "FILE:1: \"store\": expected KEY = VALUE" },
		{ "store =", "FILE:1: \"store\": expected KEY = VALUE" },
		{ "\n\nstore = ram:1G\nread-only = maybe", "FILE:4: read-only is yes or no" },
		{ "store = ram:1G\ndaemon = yes", "FILE:2: there is no \"daemon\"" },
		{ "store = ram:1G\n--threads = 1", "FILE:2: there is no \"--threads\"" },
		{ "= ram:1G", "FILE:1: there is no \"\"" },
	};
	struct conf conf;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (parse(wrong[i].text, &conf) != -EINVAL ||
		    strncmp(said, wrong[i].expected, strlen(wrong[i].expected)))
			fail_msg("\"%s\": expected \"%s\", got \"%s\"", wrong[i].text,
				 wrong[i].expected, said);
	}
}

static void more_exports_than_there_may_be_are_refused(void **state)
{
	char text[2048] = "store = ram:1G\n";
	struct conf conf;
	int i;

	(void)state;
	for (i = 0; i < CONF_EXPORTS; i++)
		strcat(text, "export = iscsi:iqn.2026-11.org.example:a\n");
	assert_int_equal(parse(text, &conf), 0);
	conf_free(&conf);
	strcat(text, "export = iscsi:iqn.2026-11.org.example:a\n");
	assert_int_equal(parse(text, &conf), -EINVAL);
	assert_string_equal(said, "FILE:18: more than 16 exports");
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "../passwd", "a/b", "-x" };
	struct conf conf;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (conf_read(names[i], &conf) != -EINVAL)
			fail_msg("\"%s\": expected to be refused, got \"%s\"", names[i], said);
	}
}

/*
 * The generator
 */

static char folder[] = "/tmp/zcmu-generator.XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What a command of the shell prints, in that folder */
static const char *output(const char *command)
{
	static char text[2048];
	char line[512];
	FILE *pipe;
	size_t n;

	snprintf(line, sizeof(line), "cd %s && %s", folder, command);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return text;
}

static void each_file_becomes_a_unit(void **state)
{
	(void)state;
	write_file("plain.conf", "store = file:/srv/my 100%.img\n");
	write_file("layer.conf", "# store = rbd:x\nstore=cow,overlay=x:file:/srv/b.img\nthreads = 2\n");
	write_file("qcow.conf", "store = qcow2,backing=/srv/base:/srv/c.qcow2\n");
	write_file("net.conf", "store = nbd+unix:///?socket=/run/x\n");
	write_file("ceph.conf", "store = limit,rate=1M:rbd:pool/image\n");
	write_file("ram.conf", "store = ram:1G\n");
	write_file("export.conf", "store = ram:1G\n"
		   "export = iscsi:iqn.2026-11.org.example:a --open-to-all --chap-user u "
		   "--chap-password-file credential:own\n"
		   " export=iscsi:iqn.2026-11.org.example:b --open-to-all --chap-user u "
		   "--chap-password-file=credential:own --chap-mutual-user t "
		   "--chap-mutual-password-file credential:../other\n"
		   "# export = x credential:none\n"
		   "export = iscsi:iqn.2026-11.org.example:c --chap-password-file credential:second.2 "
		   "--open-to-all\n");
	write_file("empty.conf", "");
	write_file("bad name.conf", "store = ram:1G\n");
	write_file(".hidden.conf", "store = ram:1G\n");
	write_file("plain.0.secret", "secret\n");
	output("mkdir out && ZCMU_DISKS_DIR=$PWD " GENERATOR " $PWD/out $PWD/out $PWD/out");
	assert_string_equal(output("ls out/multi-user.target.wants"),
			    "zcmu@ceph.service\nzcmu@empty.service\nzcmu@export.service\nzcmu@layer.service\nzcmu@net.service\n"
			    "zcmu@plain.service\nzcmu@qcow.service\nzcmu@ram.service\n");
	assert_string_equal(output("basename $(readlink out/multi-user.target.wants/zcmu@ram.service)"),
			    "zcmu@.service\n");
	assert_string_equal(output("sed 1d out/zcmu@plain.service.d/*"),
			    "[Unit]\nRequiresMountsFor=\"/srv/my 100%%.img\"\n");
	assert_string_equal(output("sed 1d out/zcmu@layer.service.d/*"),
			    "[Unit]\nRequiresMountsFor=\"/srv/b.img\"\n");
	assert_string_equal(output("sed 1d out/zcmu@qcow.service.d/*"),
			    "[Unit]\nRequiresMountsFor=\"/srv/c.qcow2\"\n");
	assert_string_equal(output("sed 1d out/zcmu@net.service.d/*"),
			    "[Unit]\nWants=network-online.target\nAfter=network-online.target\n");
	assert_string_equal(output("sed 1d out/zcmu@ceph.service.d/*"),
			    "[Unit]\nWants=network-online.target\nAfter=network-online.target\n");
	assert_string_equal(output("sed 1d out/zcmu@ram.service.d/*"), "[Unit]\n");
	assert_string_equal(output("sed 1d out/zcmu@export.service.d/*"),
			    "[Unit]\n[Service]\nLoadCredential=own\nLoadCredential=second.2\n");
}

/* What udev's program sees in place of the machine */
#define SEEN "ZCMU_SYSFS=$PWD/sys ZCMU_PROC=$PWD/proc ZCMU_RUN=$PWD/run "

/* udev's program finds the name by where the disk is in the loopback fabric. */
static void a_disk_is_found_by_its_place(void **state)
{
	(void)state;
	output("mkdir -p sys/block/sda sys/block/sdb sys/devices/2:0:1:0 sys/devices/3:0:1:0 "
	       "sys/kernel/config/target/loopback/naa.1/tpgt_1/lun/lun_0 "
	       "sys/kernel/config/target/loopback/naa.2/tpgt_1/lun/lun_0");
	output("ln -s ../../devices/2:0:1:0 sys/block/sda/device && "
	       "ln -s ../../devices/3:0:1:0 sys/block/sdb/device");
	output("cd sys/kernel/config/target/loopback && echo 2:0:1 > naa.1/tpgt_1/address && "
	       "echo 3:0:1 > naa.2/tpgt_1/address && "
	       "ln -s ../../../../../../target/core/user_0/data naa.1/tpgt_1/lun/lun_0/x && "
	       "ln -s ../../../../../../target/core/iblock_0/other naa.2/tpgt_1/lun/lun_0/x");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\nZCMU_READY=0\n");
	assert_string_equal(output(SEEN ZCMU_ID " sdb"), "");
}

/* Nobody is to wait for a disk, or to read it, that nobody serves: but for one that is in use. */
static void a_disk_is_ready_if_somebody_serves_or_uses_it(void **state)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[64];
	int fd;

	(void)state;
	output("mkdir -p run sys/block/sda/holders sys/block/sda/sda1/holders proc/self && "
	       "echo 8:0 > sys/block/sda/dev && echo 8:1 > sys/block/sda/sda1/dev && "
	       "touch proc/swaps proc/self/mountinfo && ln -s /proc/locks proc/locks");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\nZCMU_READY=0\n");

	/* A lock of another file, or of nobody, is none. */
	output("touch run/.data.lock run/.other.lock");
	snprintf(path, sizeof(path), "%s/run/.other.lock", folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_return_code(fcntl(fd, F_OFD_SETLK, &whole), errno);
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\nZCMU_READY=0\n");
	close(fd);
	snprintf(path, sizeof(path), "%s/run/.data.lock", folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_return_code(fcntl(fd, F_OFD_SETLK, &whole), errno);
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\n");
	close(fd);
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\nZCMU_READY=0\n");

	/* Mounted, by number or name; swapped to; a part of something; and so is its partition. */
	output("echo '30 1 8:1 / /srv rw - ext4 /dev/sda1 rw' > proc/self/mountinfo");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\n");
	output("echo '30 1 0:40 / /srv rw - btrfs /dev/sda rw' > proc/self/mountinfo");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\n");
	output("echo '30 1 18:0 / /srv rw - ext4 /dev/sdaa rw' > proc/self/mountinfo");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\nZCMU_READY=0\n");
	output("echo '/dev/sda1 partition 1 0 -2' > proc/swaps");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\n");
	output(": > proc/swaps && mkdir sys/block/sda/sda1/holders/dm-0");
	assert_string_equal(output(SEEN ZCMU_ID " sda"), "ZCMU_NAME=data\n");
}

static int set_up(void **state)
{
	(void)state;
	zcmu_set_log(keep, NULL);
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_becomes_a_command_line),
		cmocka_unit_test(all_options_have_a_place),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(more_exports_than_there_may_be_are_refused),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(each_file_becomes_a_unit),
		cmocka_unit_test(a_disk_is_found_by_its_place),
		cmocka_unit_test(a_disk_is_ready_if_somebody_serves_or_uses_it),
	};

	return cmocka_run_group_tests_name("conf", tests, set_up, tear_down);
}
