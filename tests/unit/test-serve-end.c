// SPDX-License-Identifier: MIT
/*
 * The end of serving, and a store that answers the last command from a thread of its own: nobody
 * joins that thread, so the disk has to stay until it has let go of it. Two functions of the
 * program are replaced by the linker (see meson.build), to hold that thread in between.
 */
#include "server.h"

#include "zcmu.h"

static struct server *_Atomic watched;
static pthread_t stranger;
static sem_t goes_on;		/* serving has ended, or the leader waits for the stranger */
static atomic_bool is_held, waits, has_ended, ended_too_early;

bool __real_zcmu_epoch_leave(struct zcmu_disk *disk, unsigned int epoch);
bool __wrap_zcmu_epoch_leave(struct zcmu_disk *disk, unsigned int epoch);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

/* The last command has left, and the one it leaves from still has to tell the leader. */
bool __wrap_zcmu_epoch_leave(struct zcmu_disk *disk, unsigned int epoch)
{
	bool was_last = __real_zcmu_epoch_leave(disk, epoch);
	struct server *s = watched;

	if (s && disk == s->disk && pthread_equal(pthread_self(), stranger)) {
		atomic_store(&is_held, true);
		/* Somebody else may wake the leader: a command that comes, say. */
		zcmu_signal_fd(disk->threads[0].wake_fd);
		sem_wait(&goes_on);
		atomic_store(&ended_too_early, atomic_load(&has_ended));
	}
	return was_last;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	struct server *s = watched;

	if (!s || mutex != &s->disk->end_lock || !atomic_load(&is_held))
		return __real_pthread_mutex_lock(mutex);
	if (!pthread_mutex_trylock(mutex))
		return 0;
	if (!atomic_exchange(&waits, true))
		sem_post(&goes_on);
	return __real_pthread_mutex_lock(mutex);
}

static void *answer(void *argument)
{
	struct server *s = argument;

	scripted_answer(&s->script, 0, 0);
	return NULL;
}

static void a_disk_stays_until_the_store_s_thread_has_let_go_of_it(void **state)
{
	struct server *s = *state;
	int id;

	/* No flush: then nothing else is waited for. */
	s->script.ops.flush = NULL;
	s->script.hold = true;
	sem_init(&goes_on, 0, 0);
	server_start(s, 1);
	id = put_read(s, 0, 1);
	assert_true(scripted_wait(&s->script, 1));
	zcmu_disk_stop(s->disk);
	__real_pthread_mutex_lock(&s->script.lock);
	watched = s;
	assert_int_equal(pthread_create(&stranger, NULL, answer, s), 0);
	pthread_mutex_unlock(&s->script.lock);
	assert_int_equal(server_join(s), 0);
	atomic_store(&has_ended, true);
	sem_post(&goes_on);
	pthread_join(stranger, NULL);
	watched = NULL;
	if (atomic_load(&ended_too_early))
		fail_msg("expected serving to end after the store's thread was done with the disk, got it before");
	expect_answer(s, id);
	sem_destroy(&goes_on);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVER_TEST(a_disk_stays_until_the_store_s_thread_has_let_go_of_it),
	};

	return cmocka_run_group_tests_name("serve-end", tests, NULL, NULL);
}
