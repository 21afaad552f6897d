// SPDX-License-Identifier: MIT
/*
 * To be preloaded into zcmu serve --user: what somebody would try who has taken over the
 * store's process. Each attempt is reported as a message of the store's: "late: open a
 * disk: EPERM", or DONE if it has worked.
 *
 *	early	when the process makes its io_uring, before its system calls are filtered:
 *		so the other layers must refuse it
 *	late	when it is resized, in the middle of serving
 *
 * TAKEN_OVER_DISK is a disk that everybody may open, TAKEN_OVER_PID a process of the same
 * user: permissions alone protect neither.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool in_sandbox;
static unsigned int rings;

static long call(long result)
{
	return result < 0 ? -errno : result;
}

static const char *other_disk(void)
{
	return getenv("TAKEN_OVER_DISK");
}

static int other_pid(void)
{
	return atoi(getenv("TAKEN_OVER_PID"));
}

/* arm64 has no calls without a folder. */
static long open_path(const char *path)
{
#ifdef SYS_open
	return call(syscall(SYS_open, path, O_RDONLY));
#else
	return call(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
#endif
}

static long make_node(void)
{
#ifdef SYS_mknod
	return call(syscall(SYS_mknod, "/sda", S_IFBLK | 0600, 0x800));
#else
	return call(syscall(SYS_mknodat, AT_FDCWD, "/sda", S_IFBLK | 0600, 0x800));
#endif
}

static long open_disk(void) { return open_path(other_disk()); }
static long open_shadow(void) { return open_path("/etc/shadow"); }
static long open_parent(void)
{
	return call(syscall(SYS_openat, AT_FDCWD, "../../../../etc/passwd", O_RDONLY));
}
static long list_run(void)
{
	return call(syscall(SYS_openat, AT_FDCWD, "/run", O_RDONLY | O_DIRECTORY));
}
static long create_file(void)
{
	return call(syscall(SYS_openat, AT_FDCWD, "/file", O_RDWR | O_CREAT, 0600));
}
static long read_proc(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", other_pid());
	return open_path(path);
}

/* io_uring does system calls that no filter sees. */
static long open_by_uring(void)
{
	int (*init)(unsigned int entries, struct io_uring *ring, unsigned int flags) =
		dlsym(RTLD_NEXT, "io_uring_queue_init");
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	long result = init(4, &ring, 0);

	if (result)
		return result;
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, other_disk(), O_RDONLY, 0);
	io_uring_submit(&ring);
	result = io_uring_wait_cqe(&ring, &cqe);
	if (!result)
		result = cqe->res;
	io_uring_queue_exit(&ring);
	return result;
}

/* Without a network there may be a socket, but nobody to talk to. */
static long connect_to_host(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(3260) };
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	long result;

	if (fd < 0)
		return -errno;
	inet_pton(AF_INET, "10.0.2.2", &address.sin_addr);
	result = call(syscall(SYS_connect, fd, &address, sizeof(address)));
	close(fd);
	return result;
}

static long connect_to_keeper(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "/run/zcmu/.disk.control" };
	int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
	long result;

	if (fd < 0)
		return -errno;
	result = call(syscall(SYS_connect, fd, &address, sizeof(address)));
	close(fd);
	return result;
}

static long execute(void)
{
	char *const argv[] = { (char *)"sh", NULL };

	return call(syscall(SYS_execve, "/bin/sh", argv, argv + 1));
}
static long execute_memory(void)
{
	char *const argv[] = { (char *)"x", NULL };
	int fd = (int)syscall(SYS_memfd_create, "x", 0);
	long result;

	if (fd < 0)
		return -errno;
	(void)!write(fd, "#!/bin/sh\n", 10);
	result = call(syscall(SYS_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH));
	close(fd);
	return result;
}
static long trace(void) { return call(syscall(SYS_ptrace, PTRACE_ATTACH, other_pid(), 0, 0)); }
static long peek(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)environ, 1 };

	return call(syscall(SYS_process_vm_readv, other_pid(), &to, 1, &from, 1, 0));
}
static long kill_other(void) { return call(syscall(SYS_kill, other_pid(), SIGKILL)); }
static long kill_all(void) { return call(syscall(SYS_kill, -1, SIGKILL)); }
static long mount_proc(void) { return call(syscall(SYS_mount, "proc", "/", "proc", 0, NULL)); }
static long change_root(void) { return call(syscall(SYS_chroot, "/")); }
static long become_root(void) { return call(syscall(SYS_setuid, 0)); }
static long take_time(void)
{
	struct timespec epoch = { 0, 0 };

	return call(syscall(SYS_clock_settime, CLOCK_REALTIME, &epoch));
}
static long load_module(void) { return call(syscall(SYS_init_module, "", 0, "")); }
static long user_namespace(void) { return call(syscall(SYS_unshare, CLONE_NEWUSER)); }
static long fork_child(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		syscall(SYS_exit_group, 0);
	return call(pid);
}
static long memory_for_code(void)
{
	return call(syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static long bpf(void) { return call(syscall(SYS_bpf, 0, NULL, 0)); }
static long keys(void) { return call(syscall(SYS_keyctl, 0, -3, 0)); }

static const struct {
	const char *what;
	long (*attempt)(void);
	bool filter_only;	/* is harmless, or refused by the filter alone */
} attempts[] = {
	{ "open a disk", open_disk, false },
	{ "open a disk by io_uring", open_by_uring, false },
	{ "open /etc/shadow", open_shadow, false },
	{ "open a file above the root", open_parent, false },
	{ "list a folder", list_run, false },
	{ "create a file", create_file, false },
	{ "make a device node", make_node, false },
	{ "read a process's environment", read_proc, false },
	{ "connect to another machine", connect_to_host, false },
	{ "connect to the keeper", connect_to_keeper, false },
	{ "run a shell", execute, false },
	{ "run a file in memory", execute_memory, false },
	{ "trace a process", trace, false },
	{ "read a process's memory", peek, false },
	{ "kill a process", kill_other, false },
	{ "kill all processes", kill_all, false },
	{ "mount /proc", mount_proc, false },
	{ "change the root", change_root, false },
	{ "become root", become_root, false },
	{ "set the clock", take_time, false },
	{ "load a module", load_module, false },
	{ "make a user namespace", user_namespace, true },
	{ "fork", fork_child, true },
	{ "get memory for code", memory_for_code, true },
	{ "use bpf()", bpf, true },
	{ "look at keys", keys, true },
};

static void try_all(const char *when, bool is_filtered)
{
	void (*say)(const char *format, ...) = dlsym(RTLD_DEFAULT, "zcmu_warning");
	size_t i;
	long result;

	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (attempts[i].filter_only && !is_filtered)
			continue;
		result = attempts[i].attempt();
		say("%s: %s: %s", when, attempts[i].what,
		    result < 0 ? strerrorname_np((int)-result) : "DONE");
	}
}

/* The library declares it with other names for its arguments; that is all the same. */
int io_uring_queue_init(unsigned int entries, struct io_uring *ring, unsigned int flags)
{
	int (*next)(unsigned int, struct io_uring *, unsigned int) =
		dlsym(RTLD_NEXT, "io_uring_queue_init");

	/* The first time is the trial before it is locked in, the second the one after that. */
	if (++rings == 2) {
		try_all("early", false);
		in_sandbox = true;
	}
	return next(entries, ring, flags);
}

int ftruncate(int fd, off_t size)
{
	int (*next)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");

	if (in_sandbox)
		try_all("late", true);
	return next(fd, size);
}
