// SPDX-License-Identifier: MIT
/*
 * Plays the kernel for the library, in plain memory. See fake-kernel.h.
 *
 * Map 0 is the mailbox, the ring (kernel/ring.c), and a data area (fake-payload.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fake-kernel.h"
#include "fake-payload.h"
#include "ring.h"

#define MAX_COMMANDS	65536

struct command {
	struct zcmu_span span;
	struct fake_payload payload;
	struct fake_answer answer;
	struct zcmu_transfer transfer;
	int next_moving;		/* its id; 0: none */
};

struct fake_kernel {
	struct zcmu_disk disk;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	uint8_t *map;
	size_t map_size;
	struct zcmu_ring ring;
	struct fake_area area;
	int wake_fd;
	struct command *commands[MAX_COMMANDS];	/* by id; notifications have one, too */
	int last_id;
	atomic_uint answers, kicks, moves;
	bool holds_moves;
	int moving, move_error;			/* the first that is moved; 0: none */
	char complaint[128];
};

static u32 round_up(u32 n, u32 to)
{
	return (n + to - 1) / to * to;
}

static void complain(struct fake_kernel *kernel, const char *what, unsigned int number)
{
	if (!kernel->complaint[0])
		snprintf(kernel->complaint, sizeof(kernel->complaint), "%s %u", what, number);
}

static int kick(struct zcmu_disk *disk)
{
	struct fake_kernel *kernel = (struct fake_kernel *)disk;

	atomic_fetch_add(&kernel->kicks, 1);
	fake_kernel_collect(kernel);
	return 0;
}

struct fake_kernel *fake_kernel_create(uint32_t ring_size, unsigned int data_slots)
{
	struct fake_kernel *kernel = calloc(1, sizeof(*kernel));
	u32 data_off = round_up(sizeof(struct zcmu_mailbox) + ring_size, FAKE_PAGE);

	kernel->map_size = data_off + (size_t)data_slots * ZCMU_SLOT_PAGES * FAKE_PAGE;
	kernel->map = aligned_alloc(FAKE_PAGE, kernel->map_size);
	memset(kernel->map, 0, data_off);
	fake_area_init(&kernel->area, kernel->map, data_off, data_slots);
	zcmu_ring_init(&kernel->ring, kernel->map, ring_size);
	kernel->ring.mailbox->flags = ZCMU_CAP_OOOC | ZCMU_CAP_READ_LEN | ZCMU_CAP_TMR |
				      ZCMU_CAP_KEEP_BUF | ZCMU_CAP_LEND | ZCMU_CAP_TRY_COPIED;
	pthread_mutex_init(&kernel->lock, NULL);
	pthread_cond_init(&kernel->answered, NULL);
	kernel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (zcmu_disk_init(&kernel->disk, kernel->map, kernel->map_size))
		abort();
	kernel->disk.kick = kick;
	kernel->disk.uio_fd = kernel->wake_fd;
	kernel->disk.name = strdup("disk");
	return kernel;
}

static void free_command(struct command *command)
{
	if (!command)
		return;
	free(command->answer.payload);
	fake_payload_deinit(&command->payload);
	free(command);
}

void fake_kernel_destroy(struct fake_kernel *kernel)
{
	int id;

	for (id = 0; id <= kernel->last_id; id++)
		free_command(kernel->commands[id]);
	free(kernel->disk.name);
	zcmu_disk_deinit(&kernel->disk);
	close(kernel->wake_fd);
	pthread_cond_destroy(&kernel->answered);
	pthread_mutex_destroy(&kernel->lock);
	fake_area_deinit(&kernel->area);
	free(kernel->map);
	free(kernel);
}

void *fake_kernel_map(struct fake_kernel *kernel, size_t *size)
{
	*size = kernel->map_size;
	return kernel->map;
}

struct zcmu_disk *fake_kernel_disk(struct fake_kernel *kernel)
{
	return &kernel->disk;
}

/*
 * Commands
 */

/* SPC-4 4.2.5.1; not the library's, which is to be tested. */
static u32 cdb_length(const uint8_t *cdb)
{
	if (cdb[0] == 0x7f)
		return 8u + cdb[7];
	if (cdb[0] < 0x20)
		return 6;
	if (cdb[0] < 0x60 || cdb[0] >= 0xc0)
		return 10;
	return cdb[0] >= 0x80 && cdb[0] < 0xa0 ? 16 : 12;
}

static void fill_entry(struct command *command, const struct fake_request *request,
		       struct zcmu_cmd_entry *entry, u32 offset, u32 cdb_off, int id)
{
	struct zcmu_iovec *iov = (void *)((uint8_t *)entry +
				 offsetof(struct zcmu_cmd_entry, req.iov));
	const struct fake_payload *payload = &command->payload;
	unsigned int i;

	entry->hdr.len_op = command->span.len | ZCMU_OP_CMD;
	entry->hdr.cmd_id = (u16)id;
	entry->hdr.kflags = request->lent ? ZCMU_KFLAG_LENT : 0;
	entry->req.iov_cnt = payload->nr_pieces;
	entry->req.cdb_off = offset + cdb_off;
	for (i = 0; i < payload->nr_pieces; i++)
		iov[i] = (struct zcmu_iovec){ payload->pieces[i].at, payload->pieces[i].len };
	memcpy((uint8_t *)entry + cdb_off, request->cdb, cdb_length(request->cdb));
	if (request->port) {
		u32 port_off = cdb_off + round_up(cdb_length(request->cdb), ZCMU_ENTRY_ALIGN);

		entry->req.port_off = offset + port_off;
		memcpy((uint8_t *)entry + port_off, request->port, sizeof(*request->port));
	}
	if (request->spoil)
		request->spoil(entry);
}

static void wake(struct fake_kernel *kernel)
{
	uint64_t one = 1;

	if (write(kernel->wake_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* A payload in one piece, or in those that are asked for. */
static bool place(struct fake_kernel *kernel, struct command *command,
		  const struct fake_request *request)
{
	const size_t *pieces = request->pieces ? request->pieces : &request->size;

	return !request->size || fake_payload_place(&command->payload, &kernel->area, pieces,
						    request->pieces ? request->nr_pieces : 1);
}

static int publish_command(struct fake_kernel *kernel, const struct fake_request *request)
{
	struct command *command = calloc(1, sizeof(*command));
	u32 cdb_off = sizeof(struct zcmu_cmd_entry), iov_end, len, offset;
	struct zcmu_cmd_entry *entry;
	int id = kernel->last_id + 1;

	if (id >= MAX_COMMANDS || !place(kernel, command, request))
		goto no_room;
	iov_end = offsetof(struct zcmu_cmd_entry, req.iov) +
		  command->payload.nr_pieces * (u32)sizeof(struct zcmu_iovec);
	if (cdb_off < iov_end)
		cdb_off = iov_end;
	len = cdb_off + round_up(cdb_length(request->cdb), ZCMU_ENTRY_ALIGN) +
	      (request->port ? (u32)sizeof(*request->port) : 0);
	if (!zcmu_ring_has_room(&kernel->ring, len))
		goto no_room;
	fake_payload_fill(&command->payload, &kernel->area, request->data);
	if (request->contradicts_cdb)
		fake_payload_give_up(&command->payload);
	command->span.is_cmd = true;
	entry = zcmu_ring_begin(&kernel->ring, &command->span, len, &offset);
	fill_entry(command, request, entry, offset, cdb_off, id);
	kernel->commands[id] = command;
	kernel->last_id = id;
	zcmu_ring_publish(&kernel->ring, &command->span);
	return id;
no_room:
	fake_payload_release(&command->payload, &kernel->area);
	free_command(command);
	return -ENOSPC;
}

int fake_kernel_put(struct fake_kernel *kernel, const struct fake_request *request)
{
	int id;

	pthread_mutex_lock(&kernel->lock);
	id = publish_command(kernel, request);
	pthread_mutex_unlock(&kernel->lock);
	if (id > 0)
		wake(kernel);
	return id;
}

int fake_kernel_notify(struct fake_kernel *kernel)
{
	return fake_kernel_abort(kernel, NULL, 0);
}

int fake_kernel_abort(struct fake_kernel *kernel, const int *ids, unsigned int nr)
{
	u32 len = round_up((u32)(sizeof(struct zcmu_tmr_entry) + nr * sizeof(u16)),
			   ZCMU_ENTRY_ALIGN);
	struct zcmu_tmr_entry *entry;
	struct command *command;
	unsigned int i;
	u32 offset;
	int id = -ENOSPC;

	pthread_mutex_lock(&kernel->lock);
	if (kernel->last_id + 1 < MAX_COMMANDS &&
	    zcmu_ring_has_room(&kernel->ring, len)) {
		command = calloc(1, sizeof(*command));
		entry = zcmu_ring_begin(&kernel->ring, &command->span, len, &offset);
		entry->hdr.len_op = len | ZCMU_OP_TMR;
		entry->tmr_type = ZCMU_TMR_LUN_RESET;
		entry->cmd_cnt = nr;
		for (i = 0; i < nr; i++)
			((u16 *)((u8 *)entry + offsetof(struct zcmu_tmr_entry, cmd_ids)))[i] =
				(u16)ids[i];
		id = ++kernel->last_id;
		kernel->commands[id] = command;
		zcmu_ring_publish(&kernel->ring, &command->span);
	}
	pthread_mutex_unlock(&kernel->lock);
	if (id > 0)
		wake(kernel);
	return id;
}

/*
 * Answers
 */

static void note_answer(struct fake_kernel *kernel, struct command *command, unsigned int id)
{
	struct fake_answer *to = &command->answer;
	const char *complaint;

	to->arrived = true;
	to->order = atomic_fetch_add(&kernel->answers, 1);
	to->size = command->payload.size;
	to->payload = malloc(to->size + 1);
	complaint = fake_payload_take(&command->payload, &kernel->area, to->payload);
	if (complaint)
		complain(kernel, complaint, id);
}

static void take_transfer(struct fake_kernel *kernel, struct command *command, int id,
			  const struct zcmu_transfer *transfer)
{
	command->transfer = *transfer;
	command->next_moving = kernel->moving;
	kernel->moving = id;
	kernel->ring.kept += (u32)sizeof(struct zcmu_cmd_entry);
	atomic_fetch_add(&kernel->moves, 1);
}

static void take_answer(struct fake_kernel *kernel, const struct zcmu_answer *from)
{
	struct command *command = kernel->commands[from->cmd_id];
	struct fake_answer *to;

	if (!command || !command->span.is_cmd || command->answer.arrived) {
		complain(kernel, "an answer to no command,", from->cmd_id);
		return;
	}
	zcmu_ring_swap_spans(from->span, &command->span);
	if (from->uflags & ZCMU_UFLAG_TRANSFER) {
		take_transfer(kernel, command, from->cmd_id, from->transfer);
		return;
	}
	to = &command->answer;
	to->status = from->scsi_status;
	to->uflags = from->uflags;
	to->read_len = from->read_len;
	memcpy(to->sense, from->sense, sizeof(to->sense));
	note_answer(kernel, command, from->cmd_id);
}

static void put_note(struct fake_kernel *kernel, int id)
{
	const struct zcmu_entry_hdr hdr = {
		.len_op = sizeof(hdr) | ZCMU_OP_MOVED, .cmd_id = (u16)id,
	};

	zcmu_ring_note(&kernel->ring, &hdr, sizeof(hdr));
	if (kernel->ring.mailbox->handler_flags & ZCMU_HANDLER_AWAITS_NOTES)
		wake(kernel);
}

static void put_back(struct fake_kernel *kernel, struct command *command, int id, int error)
{
	struct zcmu_cmd_entry *entry;
	u32 offset;

	entry = zcmu_ring_begin(&kernel->ring, &command->span, sizeof(*entry), &offset);
	entry->hdr.len_op = sizeof(*entry) | ZCMU_OP_CMD;
	entry->hdr.cmd_id = (u16)id;
	entry->hdr.kflags = ZCMU_KFLAG_MOVED;
	entry->req.moved_error = error;
	entry->req.moved_bytes = error ? 0 : command->payload.size;
	zcmu_ring_publish(&kernel->ring, &command->span);
	wake(kernel);
}

/* The lock is held. */
static void move(struct fake_kernel *kernel)
{
	struct command *command;
	int id, error;

	while (!kernel->holds_moves && (id = kernel->moving)) {
		command = kernel->commands[id];
		kernel->moving = command->next_moving;
		kernel->ring.kept -= (u32)sizeof(struct zcmu_cmd_entry);
		error = kernel->move_error ? kernel->move_error :
			fake_payload_move(&command->payload, &kernel->area, &command->transfer);
		if (error || command->transfer.flags & ZCMU_TRANSFER_TELL) {
			put_back(kernel, command, id, error);
			continue;
		}
		put_note(kernel, id);
		note_answer(kernel, command, (unsigned int)id);
	}
}

void fake_kernel_move(struct fake_kernel *kernel)
{
	kernel->ring.mailbox->flags |= ZCMU_CAP_TRANSFER;
	kernel->disk.ring.transfers = true;
}

void fake_kernel_hold_moves(struct fake_kernel *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->holds_moves = true;
	pthread_mutex_unlock(&kernel->lock);
}

void fake_kernel_let_moves_go(struct fake_kernel *kernel, int error)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->holds_moves = false;
	kernel->move_error = error;
	move(kernel);
	pthread_cond_broadcast(&kernel->answered);
	pthread_mutex_unlock(&kernel->lock);
}

unsigned int fake_kernel_collect(struct fake_kernel *kernel)
{
	struct zcmu_answer answer;
	unsigned int before;
	u32 bytes = 0;
	int ret;

	pthread_mutex_lock(&kernel->lock);
	before = atomic_load(&kernel->answers);
	if (zcmu_ring_answered(&kernel->ring, &bytes)) {
		complain(kernel, "an impossible tail,", kernel->ring.mailbox->cmd_tail);
		bytes = 0;
	}
	while ((ret = zcmu_ring_next_answer(&kernel->ring, &bytes, &answer)) > 0) {
		if (answer.span->is_cmd)
			take_answer(kernel, &answer);
	}
	if (ret)
		complain(kernel, "a tail inside an entry, at", kernel->ring.cleaned);
	move(kernel);
	pthread_cond_broadcast(&kernel->answered);
	before = atomic_load(&kernel->answers) - before;
	pthread_mutex_unlock(&kernel->lock);
	return before;
}

const struct fake_answer *fake_kernel_answer(struct fake_kernel *kernel, int id)
{
	return &kernel->commands[id]->answer;
}

bool fake_kernel_has_answered(struct fake_kernel *kernel, int id)
{
	bool came;

	pthread_mutex_lock(&kernel->lock);
	came = fake_kernel_answer(kernel, id)->arrived;
	pthread_mutex_unlock(&kernel->lock);
	return came;
}

unsigned int fake_patience = FAKE_PATIENCE_SECONDS;

/* Wait for @answer if there is one, else for @wanted of what is counted. */
static bool wait_for(struct fake_kernel *kernel, const struct fake_answer *answer,
		     atomic_uint *count, unsigned int wanted)
{
	struct timespec deadline;
	int err = 0;
	bool came;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += fake_patience;
	pthread_mutex_lock(&kernel->lock);
	while (!(came = answer ? answer->arrived : atomic_load(count) >= wanted) && !err)
		err = pthread_cond_timedwait(&kernel->answered, &kernel->lock, &deadline);
	pthread_mutex_unlock(&kernel->lock);
	return came;
}

bool fake_kernel_wait(struct fake_kernel *kernel, int id)
{
	return wait_for(kernel, fake_kernel_answer(kernel, id), NULL, 0);
}

bool fake_kernel_wait_for_answers(struct fake_kernel *kernel, unsigned int answers)
{
	return wait_for(kernel, NULL, &kernel->answers, answers);
}

bool fake_kernel_wait_for_moves(struct fake_kernel *kernel, unsigned int moves)
{
	return wait_for(kernel, NULL, &kernel->moves, moves);
}

unsigned int fake_kernel_moves(struct fake_kernel *kernel)
{
	return atomic_load(&kernel->moves);
}

unsigned int fake_kernel_answers(struct fake_kernel *kernel)
{
	return atomic_load(&kernel->answers);
}

unsigned int fake_kernel_kicks(struct fake_kernel *kernel)
{
	return atomic_load(&kernel->kicks);
}

const char *fake_kernel_complaint(struct fake_kernel *kernel)
{
	return kernel->complaint[0] ? kernel->complaint : NULL;
}
