// SPDX-License-Identifier: MIT
/*
 * What the process of a store can reach once it serves. There are several layers, and each alone
 * would prevent most attacks:
 *
 * 	namespaces	no network, no other process, no System V IPC, mounts of its own
 * 	root		an empty, read-only file system
 * 	Landlock	no path can be opened, whatever it leads to, if the kernel has it
 * 	seccomp		the system calls that serving needs, and no others
 *
 * The process has only its open descriptors (the store's file, the UIO device, the socket to its
 * keeper). Changing the user is in privileges.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine/sandbox.h"
#include "runfile.h"
#include "zcmu.h"

/*
 * Namespaces
 */

int sandbox_unshare(bool needs_network)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | (needs_network ? 0 : CLONE_NEWNET);
	int err;

	/* Private: mounts made here from now on are visible only here. */
	if (!unshare(flags) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0;
	err = -errno;
	zcmu_error("can't make namespaces for the store's process: %s", strerror(-err));
	return err;
}

/* The caller has one thread. */
int sandbox_take_pid_namespace(int *old)
{
	int err;

	*old = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (*old >= 0 && !unshare(CLONE_NEWPID))
		return 0;
	err = -errno;
	zcmu_error("can't make a PID namespace for the store's process: %s", strerror(-err));
	if (*old >= 0)
		close(*old);
	return err;
}

void sandbox_leave_pid_namespace(int old)
{
	if (setns(old, CLONE_NEWPID))
		zcmu_warning("programs that are to be started can't be: %s", strerror(errno));
	close(old);
}

/*
 * The root
 */

/* Runs in a separate process only for this: it has the view of @pid, as root. */
static int replace_root(int root, int namespace)
{
	if (setns(namespace, CLONE_NEWNS) || fchdir(root) || chroot("."))
		return -errno;
	if (mount("none", RUN_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=2,mode=555") || chdir(RUN_DIR))
		return -errno;
	/* This changes the root of every process with the same root, so that of @pid as well. */
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return -errno;
	return 0;
}

static int open_of(pid_t pid, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return open(path, flags | O_CLOEXEC);
}

/*
 * Give a process, and no other, an empty root. The process has a mount namespace of its own and no
 * privileges any more, so it can't do that itself.
 */
int sandbox_empty_root(pid_t pid)
{
	int root = open_of(pid, "root", O_PATH | O_DIRECTORY);
	int namespace = open_of(pid, "ns/mnt", O_RDONLY);
	int status, err = -EIO;
	pid_t helper = -1;

	if (root < 0 || namespace < 0) {
		err = -errno;
	} else {
		helper = fork();
		if (!helper)
			_exit(-replace_root(root, namespace));
		if (helper < 0)
			err = -errno;
		else if (waitpid(helper, &status, 0) == helper && WIFEXITED(status))
			err = -WEXITSTATUS(status);
	}
	if (root >= 0)
		close(root);
	if (namespace >= 0)
		close(namespace);
	if (err)
		zcmu_error("can't give the store's process a root of its own: %s", strerror(-err));
	return err;
}

/* Are no files visible any more? */
int sandbox_is_empty(void)
{
	const struct dirent *entry;
	int err = 0;
	DIR *dir;

	dir = chdir("/") ? NULL : opendir("/");
	if (!dir) {
		err = -errno;
	} else {
		while (!err && (entry = readdir(dir))) {
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				err = -ENOTEMPTY;
		}
		closedir(dir);
	}
	if (err)
		zcmu_error("the store's process still sees files: %s", strerror(-err));
	return err;
}

/*
 * Landlock
 */

/* All rights to files that version @abi knows; headers may be older than the kernel. */
static uint64_t all_rights(long abi)
{
	static const unsigned int rights[] = { 0, 13, 14, 15, 15, 16 };
	size_t last = sizeof(rights) / sizeof(rights[0]) - 1;

	return (1ULL << rights[(size_t)abi > last ? last : (size_t)abi]) - 1;
}

int sandbox_forbid_files(void)
{
	struct { uint64_t handled_access_fs; } attributes;
	long abi;
	int ruleset, err = 0;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi <= 0)	/* not built in, or off: the other layers must suffice */
		return 0;
	attributes.handled_access_fs = all_rights(abi);
	/* All rights are restricted, and no rule grants any. */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0)) {
		err = -errno;
		zcmu_error("can't forbid the store's process to open files (Landlock): %s",
			   strerror(-err));
	}
	if (ruleset >= 0)
		close(ruleset);
	return err;
}

/*
 * System calls
 */

/* The calls that serving a disk, resizing it and ending it need. */
static const int calls[] = {
	/* open descriptors: ring, store, keeper, wake-ups */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
	SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(close), SCMP_SYS(io_uring_enter),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	/* waiting */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	/* memory; see add_memory() for more */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock),
	SCMP_SYS(munlock), SCMP_SYS(membarrier),
	/* the process itself */
	/* Without these for a new thread, the C library ends the process. */
	SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(getrandom), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* More for a store that talks to other machines. Its root is empty as well. */
static const int network_calls[] = {
	SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(sendmmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(socketpair), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(epoll_create1),
	SCMP_SYS(fcntl),
	SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(sysinfo),
	SCMP_SYS(openat), SCMP_SYS(access),
};

/* More for a store whose program may die: the next connection comes from its starter. */
static const int program_calls[] = {
	SCMP_SYS(fcntl), SCMP_SYS(shutdown), SCMP_SYS(timerfd_settime),
};

static int add(scmp_filter_ctx filter, const int *list, size_t count)
{
	int err = 0;
	size_t i;

	for (i = 0; !err && i < count; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return err;
}

/* Memory, but no new code: nothing that can be written becomes executable. */
static int add_memory(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_code);

	return err ? err : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
						  &no_code);
}

/*
 * Threads, but no processes. clone3() has its flags in memory, where no filter sees them. So it
 * returns ENOSYS, as on old kernels, and the C library uses clone().
 */
static int add_threads(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);

	return err ? err : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/*
 * These address families reach other machines. Others lead to daemons of this machine (AF_UNIX, in
 * its abstract names), or into rarely used parts of the kernel.
 */
static int add_sockets(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp ipv4 = SCMP_A0(SCMP_CMP_EQ, AF_INET);
	struct scmp_arg_cmp ipv6 = SCMP_A0(SCMP_CMP_EQ, AF_INET6);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &ipv4);

	if (!err)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &ipv6);
	return err;
}

static int add_network(scmp_filter_ctx filter)
{
	int err = add(filter, network_calls, sizeof(network_calls) / sizeof(network_calls[0]));

	if (!err)
		err = add_sockets(filter);
	return err ? err : add_threads(filter);
}

/* Calls to a block device: its size, and discards. */
static int add_ioctl(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp size = SCMP_A1(SCMP_CMP_EQ, BLKGETSIZE64);
	struct scmp_arg_cmp discard = SCMP_A1(SCMP_CMP_EQ, BLKDISCARD);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &size);

	return err ? err : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
						  &discard);
}

/* To keep a descriptor that a store has, and ask how it was opened: a script's, for a transfer. */
static int add_fcntl(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp duplicate = SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC);
	struct scmp_arg_cmp flags = SCMP_A1(SCMP_CMP_EQ, F_GETFL);
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, &duplicate);

	return err ? err : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
						  &flags);
}

/*
 * A forbidden call fails with EPERM and doesn't kill the process: a C library that first tries
 * something harmless must not cost a disk. @store_flags: ZCMU_STORE_...; @all_threads: or only this
 * one
 */
int sandbox_forbid_calls(uint32_t store_flags, bool all_threads)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, all_threads);
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = add(filter, calls, sizeof(calls) / sizeof(calls[0]));
	if (!err && store_flags & ZCMU_STORE_NETWORK)
		err = add_network(filter);
	if (!err && store_flags & ZCMU_STORE_STARTS_PROGRAM)
		err = add(filter, program_calls, sizeof(program_calls) / sizeof(program_calls[0]));
	if (!err)
		err = add_memory(filter);
	if (!err)
		err = add_ioctl(filter);
	if (!err)
		err = add_fcntl(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	if (err)
		zcmu_error("can't forbid the store's process system calls (seccomp): %s",
			   strerror(-err));
	return err;
}
