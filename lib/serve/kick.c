// SPDX-License-Identifier: MIT
/*
 * Answers on their way: they are put on the ring, and the kernel is told of many by one kick. Which
 * thread does what is serve.c's; how the ring is written is hring.c's.
 */
#include <errno.h>

#include "scsi/scsi.h"

/*
 * This many answers, or bytes, wait for each other, so that one kick and one take-back serve them
 * all.
 */
#define KICK_AFTER_ANSWERS	32
#define KICK_AFTER_BYTES	(1u << 20)

/*
 * Tell the kernel that the tail has moved. If another thread is kicking, that thread does it once
 * more: answers put during a kick share the next one.
 */
static void kick(struct zcmu_disk *disk)
{
	int expected;

	if (atomic_exchange(&disk->kicking, 2))
		return;
	do {
		atomic_store(&disk->kicking, 1);
		atomic_fetch_add_explicit(&disk->counts.kicks, 1, memory_order_relaxed);
		disk->kick(disk);
		expected = 1;
	} while (!atomic_compare_exchange_strong(&disk->kicking, &expected, 0));
}

/* Kick for what the thread has put on the ring, or made room for there. Only it may call this. */
void zcmu_serve_kick(struct zcmu_thread *thread)
{
	if (!thread->unkicked && !zcmu_hring_room_made(&thread->disk->ring))
		return;
	thread->unkicked = 0;
	thread->unkicked_bytes = 0;
	thread->has_handed_over = false;
	kick(thread->disk);
}

/* Have enough answers piled up to tell the initiator? */
static bool should_kick(const struct zcmu_thread *thread)
{
	return thread->unkicked >= KICK_AFTER_ANSWERS || thread->unkicked_bytes >= KICK_AFTER_BYTES;
}

void zcmu_serve_kick_if_due(struct zcmu_thread *thread)
{
	if (should_kick(thread))
		zcmu_serve_kick(thread);
}

/*
 * One command less. The leader waits for the last one, and takes the disk away then. Or it waits
 * for any one, to take another.
 */
void zcmu_serve_leave(struct zcmu_disk *disk, unsigned int epoch)
{
	bool is_last = zcmu_epoch_leave(disk, epoch) && atomic_load(&disk->stopping);

	if (is_last || disk->store->max_in_flight)
		zcmu_signal_fd(disk->threads[0].wake_fd);
}

/*
 * Put an answer on the ring. @bytes: of its payload. In a thread of the disk the kick is sent when
 * the thread has finished its current work; in other threads it is sent now.
 */
void zcmu_serve_put_answer(struct zcmu_disk *disk, const struct zcmu_hanswer *answer,
			   uint64_t bytes, unsigned int epoch)
{
	struct zcmu_thread *thread = zcmu_serve_current(disk);

	zcmu_hring_answer(&disk->ring, answer);
	if (thread) {
		thread->unkicked++;
		thread->unkicked_bytes += bytes;
		zcmu_serve_leave(disk, epoch);
		return;
	}
	kick(disk);
	/*
	 * Nobody joins a thread of the store. The disk stays until the thread has released the
	 * lock.
	 */
	pthread_mutex_lock(&disk->end_lock);
	zcmu_serve_leave(disk, epoch);
	pthread_mutex_unlock(&disk->end_lock);
}

/*
 * Put an answer on the ring that has the kernel move the payload: the command isn't over yet, and
 * may be when this returns. A kick follows as after zcmu_serve_put_answer(). Return: 0, or
 * -EOPNOTSUPP if there is no place for it.
 */
int zcmu_serve_hand_over(struct zcmu_disk *disk, const struct zcmu_hanswer *answer,
			 uint64_t bytes)
{
	struct zcmu_thread *thread = zcmu_serve_current(disk);
	bool is_put;

	/* A foreign thread must be through with the disk before that may end. */
	if (!thread)
		pthread_mutex_lock(&disk->end_lock);
	is_put = zcmu_hring_answer(&disk->ring, answer);
	if (is_put && !thread)
		kick(disk);
	if (!thread)
		pthread_mutex_unlock(&disk->end_lock);
	if (is_put && thread) {
		thread->has_handed_over = true;
		thread->unkicked++;
		thread->unkicked_bytes += bytes;
	}
	return is_put ? 0 : -EOPNOTSUPP;
}
