// SPDX-License-Identifier: MIT
/*
 * zcmu copy, as a command: what it does must follow the data and not the size; its order, and how
 * much at a time; what it tells, to people and to programs; --verify.
 */
#include "nbd-server.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the test's folder. What $zcmu has said is in "said", until it is run again. */
static int run(struct nbd_server *s, const char *command)
{
	char line[4096];
	int status;

	snprintf(line, sizeof(line), "cd %s && { %s; } 2> %s", s->driver->directory, command,
		 strstr(command, "$zcmu") ? "said" : "other");
	/* What Python allocates and keeps for good is no leak of ours. */
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	status = system(line);
	unsetenv("LSAN_OPTIONS");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_status(struct nbd_server *s, int expected, const char *command)
{
	int got = run(s, command);
	char line[512];
	FILE *file;

	if (got == expected)
		return;
	file = fopen(nbd_server_path(s, "said"), "re");
	while (file && fgets(line, sizeof(line), file))
		print_error("said: %s", line);
	if (file)
		fclose(file);
	fail_msg("expected status %d of %s, got %d", expected, command, got);
}

static void expect(struct nbd_server *s, const char *command)
{
	expect_status(s, 0, command);
}

static void write_script(struct nbd_server *s, const char *name, const char *text)
{
	FILE *file = fopen(nbd_server_path(s, name), "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* The layer log has written a line for each request. */
static void expect_requests(struct nbd_server *s, const char *log, unsigned int most,
			    const char *to)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "n=$(wc -l < %s); test $n -le %u || { echo $n requests to the %s; false; }", log, most,
		 to);
	expect(s, command);
}

/* As long as 3 MiB at 512 GiB are all there is. */
static void requests_follow_the_data_and_not_the_size(void **state)
{
	struct nbd_server *s = *state;

	expect(s, "truncate -s 1T from && dd if=/dev/urandom of=from bs=1M count=3 seek=524288 conv=notrunc");
	expect(s, "$zcmu copy --create log,file=maps:file:from log,file=log:file:to");
	expect_requests(s, "maps", 200, "source");
	/* A trim has 512 MiB at most. */
	expect_requests(s, "log", 2200, "target");
	expect(s, "cmp -i 549755813888 -n 4194304 from to");
	expect(s, "test $(stat -c %b to) -le $(($(stat -c %b from) + 64))");
	expect(s, "$zcmu copy --verify log,file=maps:file:from file:to");
	expect_requests(s, "maps", 600, "source");
}

static void so_do_requests_to_a_server(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start(s, "memory 64G");
	expect(s, "$zcmu copy --create 'log,file=maps:nbd+unix:///?socket=socket' log,file=log:file:to");
	expect_requests(s, "maps", 3000, "source");
	expect_requests(s, "log", 3000, "target");
	expect(s, "$zcmu copy file:to 'log,file=zeroes:nbd+unix:///?socket=socket'");
	expect_requests(s, "zeroes", 3000, "target");
}

/* Each is answered at once, so that nothing but the copy decides the order. */
static void chunks_are_written_in_their_order(void **state)
{
	struct nbd_server *s = *state;

	write_script(s, "from.py",
		     "class Store:\n"
		     "    size = 64 << 20\n"
		     "    def __init__(self, argument, size, read_only): pass\n"
		     "    def read(self, offset, buffer):\n"
		     "        buffer[:] = b'\\x11' * len(buffer)\n");
	expect(s, "$zcmu copy --threads 1 python:from.py log,file=log:ram:64M");
	expect(s, "sed -n 's/.* write offset=\\([0-9]*\\) .*/\\1/p' log > order && test $(wc -l < order) = 64");
	expect(s, "sort -nc order");
}

/* @most: what the target says, a regular expression */
static void expect_at_a_time(struct nbd_server *s, const char *options, const char *target,
			     const char *most)
{
	char command[256];

	expect(s, "rm -f note");
	snprintf(command, sizeof(command), "$zcmu copy --resume note %s few:0 %s", options, target);
	expect(s, command);
	snprintf(command, sizeof(command),
		 "got=$(grep -o '%s.* at a time' said) && echo \"$got\" | grep -qx '%s' || "
		 "{ echo \"expected %s, got $got\"; false; }", "few: [0-9]* of [1-9]", most, most);
	expect(s, command);
}

/* A flush for the note is under way beside the writes, unless there is room for one thing alone. */
static void no_more_requests_are_under_way_than_the_target_takes(void **state)
{
	struct nbd_server *s = *state;

	expect_at_a_time(s, "--threads 1", "few:1", "few: 1 of 1 at a time");
	expect_at_a_time(s, "--threads 1", "few:2", "few: 2 of 2 at a time");
	expect_at_a_time(s, "--threads 1", "few:4", "few: 4 of 4 at a time");
	expect_at_a_time(s, "--threads 3", "few:1", "few: 1 of 1 at a time");
	expect_at_a_time(s, "--threads 3", "few:3", "few: [123] of 3 at a time");
}

/* A target that forgets a byte of what is written, and has another where zeroes belong */
static const char forgetful[] =
	"class Store:\n"
	"    size = 9 << 20\n"
	"    def __init__(self, argument, size, read_only):\n"
	"        self.bytes = bytearray(self.size)\n"
	"        self.at = int(argument)\n"
	"    def read(self, offset, buffer):\n"
	"        buffer[:] = self.bytes[offset:offset + len(buffer)]\n"
	"    def write(self, offset, buffer):\n"
	"        self.bytes[offset:offset + len(buffer)] = buffer\n"
	"        if offset <= self.at < offset + len(buffer): self.bytes[self.at] ^= 0xff\n";

static void a_copy_that_differs_is_found(void **state)
{
	struct nbd_server *s = *state;

	write_script(s, "to.py", forgetful);
	expect(s, "truncate -s 9M from && dd if=/dev/urandom of=from bs=1M count=2 seek=3 conv=notrunc");
	expect(s, "$zcmu copy --verify file:from python:to.py,-1");
	expect(s, "$zcmu copy file:from python:to.py,4000000");
	expect_status(s, 1, "$zcmu copy --verify file:from python:to.py,4000000");
	expect(s, "grep -q 'at byte 4000000 it differs from file:from' said");
	expect_status(s, 1, "$zcmu copy --verify file:from python:to.py,7000000");
	expect(s, "grep -q 'at byte 7000000 it differs from file:from' said");
	/* What can tell its holes is asked for them. */
	expect(s, "$zcmu copy --create --verify file:from log,file=log:file:to && grep -q ' map ' log");
	expect(s, "test $(grep -c ' read ' log) -le 3");
	/* A note goes when both are alike, and not before. */
	expect_status(s, 1, "$zcmu copy --resume note --verify file:from fault,error=EIO,on=read:file:to");
	expect(s, "test -e note && $zcmu copy --resume note --verify file:from file:to && test ! -e note");
}

static void programs_are_told_on_lines_of_their_own(void **state)
{
	static const char check[] =
		"import json, sys\n"
		"lines = [json.loads(line) for line in open('out')]\n"
		"keys = set('version phase size done data rate seconds_left complete'.split())\n"
		"assert lines, 'expected a line, got none'\n"
		"for l in lines:\n"
		"    assert set(l) == keys, l\n"
		"    assert l['version'] == 1 and l['size'] == 9 << 20 and l['done'] <= l['size'], l\n"
		"    assert l['complete'] == (l is lines[-1] and sys.argv[1] == 'whole'), l\n"
		"if sys.argv[1] == 'whole':\n"
		"    assert lines[-1]['done'] == 9 << 20 and lines[-1]['data'] == 2 << 20, lines[-1]\n";
	struct nbd_server *s = *state;

	write_script(s, "check.py", check);
	expect(s, "truncate -s 9M from && dd if=/dev/urandom of=from bs=1M count=2 seek=3 conv=notrunc");
	expect(s, "$zcmu copy --json file:from ram:9M > out && python3 check.py whole");
	expect(s, "test ! -s said");
	expect_status(s, 1, "$zcmu copy --json file:from fault,error=EIO,on=write:ram:9M > out");
	expect(s, "python3 check.py broken");
	expect_status(s, 1, "$zcmu copy --json file:from ram:9M > /dev/full");
}

static void the_end_is_summed_up_once(void **state)
{
	struct nbd_server *s = *state;

	expect(s, "truncate -s 9M from && dd if=/dev/urandom of=from bs=1M count=2 seek=3 conv=notrunc");
	expect(s, "$zcmu copy file:from ram:9M");
	expect(s, "test \"$(sed 's/in [0-9.]* s/in N s/' said)\" ="
		  " 'zcmu: ram:9M: 9 MiB in N s: 2 MiB of data, 7 MiB of holes and zeroes'");
	expect(s, "$zcmu copy --quiet file:from ram:9M");
	expect(s, "test ! -s said");
}

/* On a terminal of 30 columns: what comes out of it */
static size_t run_on_terminal(struct nbd_server *s, const char *line, char *out, size_t size)
{
	struct winsize window = { .ws_row = 24, .ws_col = 30 };
	int terminal = posix_openpt(O_RDWR | O_NOCTTY), status;
	size_t have = 0;
	ssize_t n;
	char path[64];
	pid_t pid;
	int fd;

	assert_true(terminal >= 0);
	assert_false(grantpt(terminal) || unlockpt(terminal) ||
		     ptsname_r(terminal, path, sizeof(path)) ||
		     ioctl(terminal, TIOCSWINSZ, &window));
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	pid = fork();
	if (!pid) {
		dup2(fd, STDERR_FILENO);
		if (chdir(s->driver->directory))
			_exit(99);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(98);
	}
	close(fd);
	/* EIO: nobody has its other side open any more. */
	while (have < size - 1 && (n = read(terminal, out + have, size - 1 - have)) > 0)
		have += (size_t)n;
	out[have] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(terminal);
	return have;
}

static void a_bar_fits_the_terminal_and_ends_before_a_message(void **state)
{
	struct nbd_server *s = *state;
	char out[65536], *message;
	size_t i, column = 0, have;

	expect(s, "truncate -s 9M from && dd if=/dev/urandom of=from bs=1M count=9 conv=notrunc");
	have = run_on_terminal(s, "$zcmu copy file:from fault,error=EIO,on=write:ram:9M",
			       out, sizeof(out));
	assert_non_null(strstr(out, "% of 9 MiB"));
	message = strstr(out, "zcmu: ");
	assert_non_null(message);
	if (message == out || message[-1] != '\n')
		fail_msg("expected the message on a line of its own, got \"%s\"", out);
	for (i = 0; i < have && out + i < message; i++) {
		if (out[i] == '\r' || out[i] == '\n')
			column = 0;
		else if (out[i] == '\033')
			i += 2;		/* erases the rest of the line */
		else if (++column > 29)
			fail_msg("expected at most 29 columns, got \"%s\"", out);
	}
}

/* Of a copy that has failed there is nothing but a note and what it speaks of. */
static void what_was_created_for_a_copy_that_fails_is_removed(void **state)
{
	struct nbd_server *s = *state;

	expect(s, "truncate -s 9M from && dd if=/dev/urandom of=from bs=1M count=2 seek=3 conv=notrunc");
	/* While it is copied: the source can't be read. */
	expect_status(s, 1, "$zcmu copy --create fault,error=EIO,on=read:file:from file:to");
	expect(s, "test ! -e to");
	/* Before: the note is of no copy. */
	expect_status(s, 1, "touch note && $zcmu copy --create --resume note file:from file:to");
	expect(s, "test ! -e to && rm note");
	expect_status(s, 1, "$zcmu copy --create --resume note fault,error=EIO,on=read:file:from file:to");
	expect(s, "test -e to && test -e note && $zcmu copy --resume note file:from file:to && cmp from to");
	/* What was there stays, also by a link. */
	expect_status(s, 1, "$zcmu copy --create fault,error=EIO,on=read:file:from file:to");
	expect(s, "test -e to");
	expect(s, "$zcmu copy --create file:from file:new && cmp from new");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(requests_follow_the_data_and_not_the_size),
		NBD_TEST(so_do_requests_to_a_server),
		NBD_TEST(chunks_are_written_in_their_order),
		NBD_TEST(no_more_requests_are_under_way_than_the_target_takes),
		NBD_TEST(a_copy_that_differs_is_found),
		NBD_TEST(programs_are_told_on_lines_of_their_own),
		NBD_TEST(the_end_is_summed_up_once),
		NBD_TEST(what_was_created_for_a_copy_that_fails_is_removed),
		NBD_TEST(a_bar_fits_the_terminal_and_ends_before_a_message),
	};
	char *tool = dirname(strdupa(ZCMU_COMMAND)), stores[4096];

	snprintf(stores, sizeof(stores), "%s/../stores:%s/../tests/unit", tool, tool);
	setenv("ZCMU_STORE_PATH", stores, 1);
	setenv("zcmu", ZCMU_COMMAND, 1);
	return cmocka_run_group_tests_name("copy-large", tests, NULL, NULL);
}
