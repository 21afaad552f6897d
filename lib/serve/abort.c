// SPDX-License-Identifier: MIT
/*
 * Commands that their initiator has aborted. The kernel tells their ids by an entry of the ring
 * (struct zcmu_tmr_entry). Nobody waits for such a command any more, but each is answered all the
 * same. A command that hasn't asked the store yet doesn't ask it any more. If it has asked, the
 * store is told by its callback cancel.
 *
 * This is only for stores that have cancel. They have queues, so a request is asked and answered in
 * the thread of its queue. The store is told in that thread, too, while the request is under way.
 * The leader, who reads the ring, only marks the command and wakes that thread.
 */
#include "serve/disk.h"

static struct zcmu_cmd **bucket_of(struct zcmu_disk *disk, uint16_t id)
{
	return &disk->aborts.by_id[id % ZCMU_ABORT_BUCKETS];
}

/* No thread runs yet, and no command is under way. */
void zcmu_abort_begin(struct zcmu_disk *disk)
{
	disk->aborts.is_on = disk->store->ops->cancel;
}

/* The command was just taken off the ring. Entries that abort it come later. */
void zcmu_abort_note_taken(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	struct zcmu_cmd **bucket = bucket_of(disk, cmd->req.id);

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	cmd->next_of_ids = *bucket;
	*bucket = cmd;
	pthread_mutex_unlock(&disk->aborts.lock);
}

/* The command is about to be answered. Right after that its id may belong to another command. */
void zcmu_abort_forget(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	struct zcmu_cmd **link = bucket_of(disk, cmd->req.id);

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	while (*link && *link != cmd)
		link = &(*link)->next_of_ids;
	if (*link)
		*link = cmd->next_of_ids;
	pthread_mutex_unlock(&disk->aborts.lock);
}

/* The command wants to ask the store for something. Return: false if nobody waits for that. */
bool zcmu_abort_lets_ask(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;
	bool lets;

	if (!disk->aborts.is_on)
		return true;
	pthread_mutex_lock(&disk->aborts.lock);
	lets = !cmd->is_aborted;
	if (lets)
		cmd->asks_in = cmd->thread;
	pthread_mutex_unlock(&disk->aborts.lock);
	return lets;
}

/* The store has answered, or has handed the request to the kernel. */
void zcmu_abort_note_answer(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	cmd->asks_in = NULL;
	pthread_mutex_unlock(&disk->aborts.lock);
}

/* The store is to be told, in that thread. The lock is held. */
static void have_told(struct zcmu_cmd *cmd)
{
	cmd->is_to_be_told = true;
	cmd->asks_in->has_aborted = true;
	zcmu_signal_fd(cmd->asks_in->wake_fd);
}

/*
 * The kernel was to do the request, and the store gets it back, in the thread of its queue. It is
 * told now of an abort that has come meanwhile.
 */
void zcmu_abort_note_return(struct zcmu_cmd *cmd)
{
	struct zcmu_disk *disk = cmd->disk;

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	cmd->asks_in = cmd->thread;
	if (cmd->is_aborted && !cmd->was_told)
		have_told(cmd);
	pthread_mutex_unlock(&disk->aborts.lock);
}

/*
 * The ring says that a command was aborted. Runs in the leader. The command may be answered
 * already.
 */
void zcmu_abort_note(struct zcmu_hring *ring, uint16_t id)
{
	struct zcmu_disk *disk = (struct zcmu_disk *)((char *)ring -
						      offsetof(struct zcmu_disk, ring));
	struct zcmu_cmd *cmd;

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	cmd = *bucket_of(disk, id);
	while (cmd && cmd->req.id != id)
		cmd = cmd->next_of_ids;
	if (cmd && !cmd->is_aborted) {
		cmd->is_aborted = true;
		/* The command has something under way, so it isn't over. */
		if (cmd->asks_in)
			have_told(cmd);
	}
	pthread_mutex_unlock(&disk->aborts.lock);
}

/*
 * A command that has asked in this thread and that the store doesn't know is aborted. The lock is
 * held.
 */
static struct zcmu_cmd *find_to_tell(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	struct zcmu_cmd *cmd;
	unsigned int i;

	for (i = 0; i < ZCMU_ABORT_BUCKETS; i++) {
		for (cmd = disk->aborts.by_id[i]; cmd; cmd = cmd->next_of_ids) {
			if (cmd->is_to_be_told && cmd->asks_in == thread)
				return cmd;
		}
	}
	return NULL;
}

/*
 * Runs in the thread itself, not inside of a callback. Only this thread takes answers to requests
 * that were asked in it. So a request that is found is under way until the store is called.
 */
void zcmu_abort_tell(struct zcmu_thread *thread)
{
	struct zcmu_disk *disk = thread->disk;
	struct zcmu_cmd *cmd;

	if (!disk->aborts.is_on)
		return;
	pthread_mutex_lock(&disk->aborts.lock);
	while (thread->has_aborted) {
		cmd = find_to_tell(thread);
		if (!cmd) {
			thread->has_aborted = false;
			break;
		}
		cmd->is_to_be_told = false;
		cmd->was_told = true;
		pthread_mutex_unlock(&disk->aborts.lock);
		/* The store may make requests of its own. */
		thread->unsubmitted = true;
		zcmu_store_cancel(disk->store, &cmd->io);
		pthread_mutex_lock(&disk->aborts.lock);
	}
	pthread_mutex_unlock(&disk->aborts.lock);
}
