// SPDX-License-Identifier: MIT
/*
 * Commands that wait for a thread, and threads that wait for a command. What a thread does with a
 * command is in serve.c.
 */
#include "serve/disk.h"

static void append(struct zcmu_disk *disk, struct zcmu_cmd *cmd)
{
	cmd->next = NULL;
	*disk->backlog_end = cmd;
	disk->backlog_end = &cmd->next;
	disk->backlog_len++;
}

static struct zcmu_cmd *pop(struct zcmu_disk *disk)
{
	struct zcmu_cmd *cmd = disk->backlog;

	if (cmd) {
		disk->backlog = cmd->next;
		if (!disk->backlog)
			disk->backlog_end = &disk->backlog;
		disk->backlog_len--;
	}
	return cmd;
}

/* work_lock is held. */
static void become_idle(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;

	thread->is_idle = true;
	thread->next_idle = disk->idle;
	disk->idle = thread;
	disk->nr_idle++;
}

/* There is work for the thread, or its queue woke it and it has found work. work_lock is held. */
static void become_busy(struct zcmu_thread *thread)
{
	struct zcmu_thread **link = &thread->disk->idle;

	while (*link != thread)
		link = &(*link)->next_idle;
	*link = thread->next_idle;
	thread->disk->nr_idle--;
	thread->is_idle = false;
}

/* A thread that was idle. NULL: there is none, or max_busy threads are busy already. */
static struct zcmu_thread *pop_idle(struct zcmu_disk *disk)
{
	struct zcmu_thread *thread = disk->idle;

	if (!thread || disk->nr_threads - disk->nr_idle >= disk->max_busy)
		return NULL;
	become_busy(thread);
	return thread;
}

/* Put a command where the next free thread finds it. */
void zcmu_backlog_add(struct zcmu_disk *disk, struct zcmu_cmd *cmd)
{
	pthread_mutex_lock(&disk->work_lock);
	append(disk, cmd);
	pthread_mutex_unlock(&disk->work_lock);
}

/* Wake as many idle threads as there are commands for them. */
void zcmu_backlog_wake(struct zcmu_disk *disk, unsigned int commands)
{
	struct zcmu_thread *helper;

	while (commands--) {
		pthread_mutex_lock(&disk->work_lock);
		helper = pop_idle(disk);
		pthread_mutex_unlock(&disk->work_lock);
		if (!helper)
			return;
		zcmu_signal_fd(helper->wake_fd);
	}
}

/*
 * The next command for a thread, and whether there are more. A worker that gets none is idle from
 * now on.
 */
struct zcmu_cmd *zcmu_backlog_find(struct zcmu_thread *thread, bool *more)
{
	struct zcmu_disk *disk = thread->disk;
	struct zcmu_cmd *cmd;

	pthread_mutex_lock(&disk->work_lock);
	cmd = pop(disk);
	*more = disk->backlog;
	if (cmd && thread->is_idle)
		become_busy(thread);
	else if (!cmd && !zcmu_thread_is_leader(thread) && !thread->is_idle)
		become_idle(thread);
	pthread_mutex_unlock(&disk->work_lock);
	return cmd;
}

/* For tests that have no loop as in serve.c: run everything now that is to go on later. */
void zcmu_backlog_run(struct zcmu_thread *leader)
{
	struct zcmu_cmd *cmd;
	bool more;

	while ((cmd = zcmu_backlog_find(leader, &more))) {
		cmd->thread = leader;
		cmd->go_on(cmd);
	}
}
