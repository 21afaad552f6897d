// SPDX-License-Identifier: MIT
/*
 * zcmu copy (tool/copy/copy.c), as a command: data, holes, sizes, what fails and is resumed.
 */
#include "nbd-server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES	(8u << 20)

/* @ stands for the test's folder. Return: the exit status; what it said is in "said". */
static int copy(struct nbd_server *s, const char *arguments)
{
	char command[2048];
	size_t len;
	int status;

	len = (size_t)snprintf(command, sizeof(command), "%s copy ", ZCMU_COMMAND);
	for (; *arguments && len < sizeof(command) - 200; arguments++) {
		if (*arguments == '@')
			len += (size_t)sprintf(command + len, "%s", s->driver->directory);
		else
			command[len++] = *arguments;
	}
	snprintf(command + len, sizeof(command) - len, " 2> %s/said", s->driver->directory);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect_said(struct nbd_server *s, const char *text)
{
	FILE *file = fopen(nbd_server_path(s, "said"), "re");
	char said[1024];
	size_t n = fread(said, 1, sizeof(said) - 1, file);

	fclose(file);
	said[n] = '\0';
	if (!strstr(said, text))
		fail_msg("expected \"%s\", got \"%s\"", text, said);
}

static void print_said(struct nbd_server *s)
{
	char line[512];
	FILE *file = fopen(nbd_server_path(s, "said"), "re");

	while (file && fgets(line, sizeof(line), file))
		print_error("zcmu copy: %s", line);
	if (file)
		fclose(file);
}

static void expect_copy(struct nbd_server *s, const char *arguments)
{
	int status = copy(s, arguments);

	if (status) {
		print_said(s);
		fail_msg("expected \"zcmu copy %s\" to succeed, got status %d", arguments, status);
	}
}

/* Data in MiB 1 and 5, and at the end; holes elsewhere. Not a whole number of chunks */
static void make_source(struct nbd_server *s)
{
	FILE *file = fopen(nbd_server_path(s, "from"), "we");
	uint32_t i;

	for (i = 0; i < 1 << 18; i++) {
		uint32_t n = i * 2654435761u;

		fseek(file, (i & 1 ? 5 : 1) * (1 << 20) + (i / 2) * 4, SEEK_SET);
		fwrite(&n, 4, 1, file);
	}
	fseek(file, BYTES + 4096 - 4, SEEK_SET);
	fwrite("end!", 4, 1, file);
	assert_int_equal(fclose(file), 0);
}

static void expect_same(struct nbd_server *s, const char *name)
{
	FILE *a = fopen(nbd_server_path(s, "from"), "re"), *b = fopen(nbd_server_path(s, name), "re");
	uint32_t i;

	assert_non_null(a);
	assert_non_null(b);
	for (i = 0; i < BYTES + 4096; i++)
		assert_int_equal(fgetc(a), fgetc(b));
	fclose(a);
	fclose(b);
}

static void data_and_holes_are_copied(void **state)
{
	struct nbd_server *s = *state;
	struct stat from, to;

	make_source(s);
	assert_int_equal(copy(s, "--create file:@/from file:@/to"), 0);
	expect_same(s, "to");
	stat(nbd_server_path(s, "from"), &from);
	stat(nbd_server_path(s, "to"), &to);
	assert_int_equal(to.st_size, from.st_size);
	assert_true(to.st_blocks <= from.st_blocks + 64);
}

static void to_a_server_and_back_by_several_threads(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	nbdkit_start(s, "memory 9M");
	assert_int_equal(copy(s, "--threads 3 file:@/from 'nbd+unix:///?socket=@/socket'"), 0);
	assert_int_equal(copy(s, "--threads 3 'nbd+unix:///?socket=@/socket' file:@/to"), 1);
	expect_said(s, "there is no such file");
	assert_int_equal(copy(s, "--create --threads 3 'nbd+unix:///?socket=@/socket' file:@/to"), 0);
	expect_same(s, "to");
}

/* It takes nothing without FUA: what else it is told would be lost by a power failure. */
static void a_server_without_flush_gets_fua_with_each_request(void **state)
{
	static const char *const targets[] = {
		"'nbd+unix:///?socket=@/socket'", "'limit,rate=1G:nbd+unix:///?socket=@/socket'",
	};
	struct nbd_server *s = *state;
	char arguments[128];
	size_t i;

	make_source(s);
	for (i = 0; i < 2; i++) {
		nbdkit_start(s, "eval get_size=echo\t9M pread=exit\t1 can_write=exit\t0 can_fua=echo\tnative "
				"pwrite=case\t$5\tin\t*fua*)\tcat\t>/dev/null;;\t*)\techo\tEIO\tno\tFUA\t>&2;\texit\t1;;\tesac");
		snprintf(arguments, sizeof(arguments), "file:@/from %s", targets[i]);
		if (copy(s, arguments))
			fail_msg("expected each request to %s to have FUA, got one without", targets[i]);
		nbd_server_kill(s);
	}
}

static void what_does_not_fit_is_not_begun(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	nbdkit_start(s, "memory 4M");
	assert_int_equal(copy(s, "file:@/from 'nbd+unix:///?socket=@/socket'"), 1);
	expect_said(s, "it has 4194304 bytes");
	assert_int_equal(copy(s, "file:@/from readonly:ram:9M"), 1);
	expect_said(s, "can't be written to");
	assert_int_equal(copy(s, "file:@/from"), 2);
}

static void old_contents_are_overwritten_by_holes_too(void **state)
{
	struct nbd_server *s = *state;
	FILE *file;
	uint32_t i;

	make_source(s);
	file = fopen(nbd_server_path(s, "to"), "we");
	for (i = 0; i < BYTES + 4096; i++)
		fputc(0xaa, file);
	fclose(file);
	assert_int_equal(copy(s, "file:@/from file:@/to"), 0);
	expect_same(s, "to");
}

/* A hole of 512-byte blocks, from within the first block of 4096 to within the second */
static void a_target_with_larger_blocks_gets_whole_ones(void **state)
{
	static const char script[] =
		"class Store:\n"
		"    size = 1 << 20\n"
		"    def __init__(self, argument, size, read_only): pass\n"
		"    def read(self, offset, buffer):\n"
		"        for i in range(0, len(buffer), 512):\n"
		"            hole = 3 <= (offset + i) // 512 < 10\n"
		"            buffer[i:i + 512] = (b'\\0' if hole else b'\\x11') * 512\n"
		"    def map(self, offset, length):\n"
		"        b = offset // 512\n"
		"        if b < 3: return True, min(length, (3 - b) * 512)\n"
		"        if b < 10: return False, min(length, (10 - b) * 512)\n"
		"        return True, length\n";
	struct nbd_server *s = *state;
	FILE *file = fopen(nbd_server_path(s, "from.py"), "we");
	uint32_t i;

	fputs(script, file);
	fclose(file);
	nbdkit_start(s, "--filter=blocksize-policy memory 1M blocksize-minimum=4096"
		     " blocksize-preferred=4096 blocksize-maximum=64K blocksize-error-policy=error");
	/* What Python allocates and keeps for good is no leak of ours. */
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	expect_copy(s, "python:@/from.py 'nbd+unix:///?socket=@/socket'");
	unsetenv("LSAN_OPTIONS");
	expect_copy(s, "--create 'nbd+unix:///?socket=@/socket' file:@/to");
	file = fopen(nbd_server_path(s, "to"), "re");
	for (i = 0; i < 1 << 20; i++) {
		int byte = i / 512 >= 3 && i / 512 < 10 ? 0 : 0x11, got = fgetc(file);

		if (got != byte)
			fail_msg("expected %02x at %u, got %02x", byte, i, got);
	}
	fclose(file);
}

static void write_script(struct nbd_server *s, const char *name, const char *text)
{
	FILE *file = fopen(nbd_server_path(s, name), "we");

	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* What the target says of holes counts in its own blocks, and the source is read in its own. */
static void a_source_with_larger_blocks_is_verified_in_whole_ones(void **state)
{
	struct nbd_server *s = *state;

	write_script(s, "from.py",
		     "class Store:\n"
		     "    size = 1 << 20\n"
		     "    block_size = 4096\n"
		     "    def __init__(self, argument, size, read_only): pass\n"
		     "    def read(self, offset, buffer):\n"
		     "        if offset % 4096 or len(buffer) % 4096: raise OSError(22, 'part of a block')\n"
		     "        buffer[:] = bytes(len(buffer))\n"
		     "    def map(self, offset, length):\n"
		     "        if offset % 4096 or length % 4096: raise OSError(22, 'part of a block')\n"
		     "        return False, min(length, 8192)\n");
	/* Parts of three blocks; each third one takes space. */
	write_script(s, "to.py",
		     "class Store:\n"
		     "    size = 1 << 20\n"
		     "    def __init__(self, argument, size, read_only): self.data = bytearray(size or 1 << 20)\n"
		     "    def read(self, offset, buffer): buffer[:] = self.data[offset:offset + len(buffer)]\n"
		     "    def write(self, offset, buffer): self.data[offset:offset + len(buffer)] = buffer\n"
		     "    def map(self, offset, length):\n"
		     "        part = offset // 1536\n"
		     "        return part % 3 == 2, min(length, (part + 1) * 1536 - offset)\n");
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	expect_copy(s, "--verify python:@/from.py python:@/to.py");
	unsetenv("LSAN_OPTIONS");
}

/* A command of the shell's, in the test's folder */
static void expect_command(struct nbd_server *s, const char *text)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "cd %s && %s", s->driver->directory, text);
	status = system(command);
	if (status)
		fail_msg("expected \"%s\" to succeed, got status %#x", text, (unsigned int)status);
}

/* One from "from" to "to", which leaves a note of the first chunk. */
static void break_a_copy(struct nbd_server *s)
{
	expect_command(s, "touch bad");
	assert_int_equal(copy(s, "--create --resume @/note file:@/from"
			      " fault,error=EIO,while=@/bad,on=write:file:@/to"), 1);
	expect_said(s, "can't write at byte");
	expect_command(s, "rm bad");
}

static void expect_refused(struct nbd_server *s, const char *arguments, const char *message)
{
	int status = copy(s, arguments);

	if (status != 1)
		fail_msg("expected \"zcmu copy %s\" to be refused, got status %d", arguments, status);
	expect_said(s, message);
	expect_said(s, "remove");
	expect_command(s, "test -e note");
}

static void a_note_of_another_copy_is_refused(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	break_a_copy(s);
	expect_command(s, "cp from other && mv to kept");
	expect_refused(s, "--resume @/note file:@/from file:@/other", "a copy to");
	expect_refused(s, "--resume @/note file:@/other file:@/kept", "a copy from");
	/* What is created now isn't what the note speaks of. */
	expect_refused(s, "--create --resume @/note file:@/from file:@/to", "nothing at");
	expect_command(s, "test ! -e to && truncate -s $((8 * 1024 * 1024 + 4096)) to");
	expect_refused(s, "--resume @/note file:@/from file:@/to", "is not that one");
	expect_command(s, "truncate -s 9M from");
	expect_command(s, "truncate -s 9M kept");
	expect_refused(s, "--resume @/note file:@/from file:@/kept", "9437184");
	expect_command(s, "truncate -s $((8 * 1024 * 1024 + 4096)) from");
	expect_refused(s, "--resume @/note file:@/from file:@/kept", "9437184");
	/* It is the file that counts, not its name. */
	expect_command(s, "truncate -s $((8 * 1024 * 1024 + 4096)) kept");
	expect_copy(s, "--resume @/note file:@/from file:@/kept");
	expect_same(s, "kept");
}

static void what_is_no_whole_note_is_refused(void **state)
{
	static const char *const spoil[] = {
		"head -n 8 whole > note", "head -n 5 whole > note", "true > note",
		"echo 1048576 8392704 > note", "sed 's/2$/3/' whole > note",
		"sed 's/^stable.*/stable 4096/' whole > note",
		"sed 's/^stable.*/stable 99999999/' whole > note",
	};
	struct nbd_server *s = *state;
	unsigned int i;

	make_source(s);
	break_a_copy(s);
	expect_command(s, "mv note whole");
	for (i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		expect_command(s, spoil[i]);
		expect_refused(s, "--resume @/note file:@/from file:@/to", "no note of zcmu copy");
	}
}

static void the_note_of_a_complete_copy_is_taken(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	break_a_copy(s);
	expect_copy(s, "file:@/from file:@/to");
	expect_command(s, "sed -i 's/^stable.*/stable 8392704/' note");
	expect_copy(s, "--resume @/note file:@/from log,file=@/log:file:@/to");
	expect_same(s, "to");
	expect_command(s, "test ! -e note && ! grep -q ' write \\| zero ' log");
}

static void a_copy_to_memory_can_not_be_resumed(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	assert_int_equal(copy(s, "--resume @/note file:@/from ram:9M"), 1);
	expect_said(s, "gone with this process");
}

static void a_copy_that_failed_goes_on_where_it_was(void **state)
{
	struct nbd_server *s = *state;
	FILE *file;

	make_source(s);
	break_a_copy(s);
	/* The first chunk is a hole, the second could not be written. */
	expect_command(s, "grep -qx 'stable 1048576' note");
	assert_int_equal(copy(s, "--resume @/note file:@/from log,file=@/log:file:@/to"), 0);
	expect_same(s, "to");
	assert_int_equal(access(nbd_server_path(s, "note"), F_OK), -1);
	file = fopen(nbd_server_path(s, "log"), "re");
	{
		char line[256];

		while (fgets(line, sizeof(line), file))
			assert_null(strstr(line, " zero offset=0 "));
	}
	fclose(file);
}

/* Nobody has named the place that a note is written to before it gets its name. */
static void what_is_in_the_way_of_a_note_is_left_alone(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	expect_command(s, "mkdir kept && ln from kept/same && mv from note.new");
	assert_int_equal(copy(s, "--create --resume @/note file:@/note.new file:@/to"), 1);
	expect_said(s, "and this is no note");
	expect_command(s, "cmp note.new kept/same && test ! -e note -a ! -e to");
	/* Nor is anything that a link leads to. */
	expect_command(s, "rm note.new && ln kept/same from && ln -s from note.new");
	assert_int_equal(copy(s, "--create --resume @/note file:@/from file:@/to"), 1);
	expect_said(s, "and this is no note");
	/* It came later. */
	expect_command(s, "rm note.new");
	break_a_copy(s);
	expect_command(s, "rm note && cp from to");
	assert_int_equal(copy(s, "--resume @/note log,file=@/note.new:file:@/from file:@/to"), 0);
	expect_said(s, "note: can't be written: File exists");
	expect_command(s, "grep -q ' read ' note.new && rm note.new");
	/* What a copy that was killed has left there */
	expect_command(s, "echo zcmu-copy-note 2 > note.new");
	assert_int_equal(copy(s, "--resume @/note file:@/from file:@/to"), 0);
	expect_command(s, ": > note.new");
	assert_int_equal(copy(s, "--resume @/note file:@/from file:@/to"), 0);
	expect_command(s, "test ! -e note -a ! -e note.new && rm kept/same && rmdir kept");
}

/* The target hangs until the signal was noticed. Return: the copy's status, as a shell has it */
static int end_by_signal(struct nbd_server *s, const char *name, const char *options)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command),
		 "cd %s && touch bad && { %s copy --create %s file:from"
		 " fault,hang,on=write,while=bad:file:to 2> said & } && pid=$! &&"
		 " until test -s to; do kill -0 $pid || break; sleep 0.01; done && kill -%s $pid &&"
		 " until grep -q 'interrupted; what was begun' said; do kill -0 $pid || break; sleep 0.01; done;"
		 " rm bad; wait $pid", s->driver->directory, ZCMU_COMMAND, options, name);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_copy_that_a_signal_ends_is_not_taken_for_a_whole_one(void **state)
{
	struct nbd_server *s = *state;

	make_source(s);
	assert_int_equal(end_by_signal(s, "TERM", ""), 128 + 15);
	expect_said(s, "was not copied");
	expect_command(s, "test ! -e to");
	assert_int_equal(end_by_signal(s, "HUP", "--resume note"), 128 + 1);
	expect_command(s, "grep -q ^stable note && test -s to");
	expect_copy(s, "--resume @/note file:@/from fault,delay=1,on=map:file:@/to");
	expect_same(s, "to");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(data_and_holes_are_copied),
		NBD_TEST(to_a_server_and_back_by_several_threads),
		NBD_TEST(a_server_without_flush_gets_fua_with_each_request),
		NBD_TEST(what_does_not_fit_is_not_begun),
		NBD_TEST(old_contents_are_overwritten_by_holes_too),
		NBD_TEST(a_target_with_larger_blocks_gets_whole_ones),
		NBD_TEST(a_source_with_larger_blocks_is_verified_in_whole_ones),
		NBD_TEST(a_copy_that_failed_goes_on_where_it_was),
		NBD_TEST(a_note_of_another_copy_is_refused),
		NBD_TEST(what_is_no_whole_note_is_refused),
		NBD_TEST(the_note_of_a_complete_copy_is_taken),
		NBD_TEST(a_copy_to_memory_can_not_be_resumed),
		NBD_TEST(what_is_in_the_way_of_a_note_is_left_alone),
		NBD_TEST(a_copy_that_a_signal_ends_is_not_taken_for_a_whole_one),
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
