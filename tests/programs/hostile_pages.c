// SPDX-License-Identifier: MIT
/*
 * Attacks on the payloads' pages: stores where none may be, looks at all that can be seen,
 * and every way of the kernel to get at somebody's memory: ptrace, /proc/PID/mem,
 * process_vm_readv(), pipes, direct I/O, children.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define MOVED	(64u << 10)

static uint8_t moved[MOVED] __attribute__((aligned(4096)));

/* From an address to the end of the mappings, at most MOVED bytes. */
static size_t any_length(void)
{
	return 1 + below(one_in(2) ? MOVED : 600);
}

static void store_all(void)
{
	const struct hostile_cmd *cmd = hostile_any_cmd();
	uint8_t *map = hostile.maps[below(HOSTILE_MAPS)];
	unsigned int i;
	size_t at;

	for (i = 0; cmd && i < cmd->nr; i++) {
		/* All pages that it reaches into, and their neighbours. */
		size_t begin = cmd->iov[i].base / HOSTILE_PAGE * HOSTILE_PAGE;

		for (at = begin; at < cmd->iov[i].base + cmd->iov[i].len + HOSTILE_PAGE &&
		     at < hostile.map_size; at += 512)
			touch_store(map + at, prng_next(&hostile.prng) >> 1);
	}
}

static void look_at_all(void)
{
	const struct hostile_cmd *cmd = hostile_any_cmd();
	uint8_t *map = hostile.maps[below(HOSTILE_MAPS)];
	unsigned int i;

	for (i = 0; cmd && i < cmd->nr; i++)
		look_for_secrets(map + cmd->iov[i].base, cmd->iov[i].len, "a payload");
	/* And where none is, or another one's. */
	look_for_secrets(hostile_any_address(), MOVED, "the map");
}

static void by_mem_file(void)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t *p = hostile_any_address();
	size_t n = any_length();
	ssize_t got;

	if (fd < 0)
		return;
	got = pread(fd, moved, n, (off_t)(uintptr_t)p);
	if (got > 0)
		look_for_secrets(moved, (size_t)got, "/proc/self/mem");
	if (p >= hostile.maps[0] + hostile.copy_off)
		got = pwrite(fd, moved, n, (off_t)(uintptr_t)p);
	close(fd);
}

static pid_t child(void)
{
	/* The same file's mappings, with what is in their page tables now. */
	pid_t pid = fork();

	if (!pid)
		signal(SIGALRM, SIG_DFL);
	if (!pid)
		alarm(20);
	return pid;
}

static void by_process_vm(void)
{
	uint8_t *p = hostile_any_address();
	struct iovec local = { moved, any_length() };
	struct iovec remote = { p, local.iov_len };
	bool stores = p >= hostile.maps[0] + hostile.copy_off;
	pid_t self = getpid();
	ssize_t got;

	/* Its own memory, or its parent's */
	if (one_in(4) && child())
		return;
	got = process_vm_readv(self, &local, 1, &remote, 1, 0);
	if (got > 0)
		look_for_secrets(moved, (size_t)got, "process_vm_readv()");
	if (stores)
		got = process_vm_writev(self, &local, 1, &remote, 1, 0);
	if (getpid() != self)
		_exit(0);
}

static void by_ptrace(void)
{
	uint8_t *p = hostile_any_address();
	pid_t pid;
	int status;
	long word;

	/* Its end is wanted: so it must not be thrown away. */
	signal(SIGCHLD, SIG_DFL);
	pid = child();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, p, NULL);
		if (p >= hostile.maps[0] + hostile.copy_off)
			ptrace(PTRACE_POKEDATA, pid, p, (void *)(word >> 1));
		kill(pid, SIGKILL);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	signal(SIGCHLD, SIG_IGN);
}

/* Children that look and store for a while, and outlive the command. */
static void by_children(void)
{
	uint32_t rounds = 1 + below(200), r = below(1 << 30);
	uint8_t *p = hostile_any_address();

	if (child())
		return;
	while (rounds--) {
		touch_store(p + (r >> rounds % 16) % MOVED / 8 * 8, r);
		look_for_secrets(p, 16 * HOSTILE_PAGE, "a child");
		usleep(500);
	}
	_exit(0);
}

/* Pages in a pipe, for as long as it is held. */
static void by_vmsplice(void)
{
	static int pipes[8][2];
	static bool used[8];
	unsigned int i = below(8);
	struct iovec iov = { hostile_any_address(), any_length() };
	ssize_t got;

	if (used[i]) {
		while ((got = read(pipes[i][0], moved, sizeof(moved))) > 0)
			look_for_secrets(moved, (size_t)got, "a pipe");
		close(pipes[i][0]);
		close(pipes[i][1]);
		used[i] = false;
		return;
	}
	if (pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC))
		return;
	used[i] = true;
	vmsplice(pipes[i][1], &iov, 1, SPLICE_F_NONBLOCK | (one_in(2) ? SPLICE_F_GIFT : 0));
}

/* Pins that are meant to last; with the descriptor they go. */
static void by_registered_buffers(void)
{
	static int rings[4] = { -1, -1, -1, -1 };
	struct iovec iov = { hostile_any_address(), any_length() };
	struct io_uring_params params = { 0 };
	unsigned int i = below(4);

	if (rings[i] >= 0) {
		close(rings[i]);
		rings[i] = -1;
		return;
	}
	rings[i] = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (rings[i] >= 0 && !syscall(SYS_io_uring_register, rings[i], IORING_REGISTER_BUFFERS,
				      &iov, 1))
		look_for_secrets(iov.iov_base, iov.iov_len, "a registered buffer");
}

/* System calls that copy. */
static void by_copy(void)
{
	uint8_t *p = hostile_any_address();
	int pipe[2];
	ssize_t n = 0;

	if (pipe2(pipe, O_NONBLOCK | O_CLOEXEC))
		return;
	n += write(pipe[1], p, any_length());
	if (p >= hostile.maps[0] + hostile.copy_off)
		n += read(pipe[0], p, any_length());
	close(pipe[0]);
	close(pipe[1]);
}

/*
 * Its own disk, directly, from and to its own map: payloads of payloads, and of the ring.
 * In a child, because it waits for us.
 */
static void by_own_disk(void)
{
	uint8_t *p = hostile_any_address();
	size_t n = (1 + below(128)) * 512;
	off_t at = (off_t)below(1024) * 512;
	bool reads = one_in(2);
	int fd;

	if (child())
		return;
	fd = open(hostile.disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	p = (uint8_t *)((uintptr_t)p & ~(uintptr_t)511);
	if (reads)
		n = (size_t)pread(fd, p, n, at);
	else
		n = (size_t)pwrite(fd, p, n, at);
	_exit(n == 0);
}

/* A signal in the middle of whatever it is. */
static void nothing(int number)
{
	(void)number;
}

static void by_signals(void)
{
	pid_t pid;

	signal(SIGUSR2, nothing);
	pid = child();
	if (pid)
		return;
	for (pid = getppid(); below(50); usleep(300))
		kill(pid, SIGUSR2);
	_exit(0);
}

const struct hostile_attack page_attacks[] = {
	{ "stores", 10, store_all },
	{ "looks", 10, look_at_all },
	{ "/proc/self/mem", 4, by_mem_file },
	{ "process_vm_readv", 4, by_process_vm },
	{ "ptrace", 2, by_ptrace },
	{ "children", 3, by_children },
	{ "vmsplice", 5, by_vmsplice },
	{ "registered buffers", 2, by_registered_buffers },
	{ "read and write", 5, by_copy },
	{ "its own initiator", 3, by_own_disk },
	{ "signals", 2, by_signals },
	{ NULL, 0, NULL },
};
