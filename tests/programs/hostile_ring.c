// SPDX-License-Identifier: MIT
/*
 * Attacks on mailbox and ring: answers of all kinds, right and wrong, doubled and in any
 * order; tails where none can be; garbage in every field. Plain good answers are among
 * them, or there would be nothing to attack.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "hostile.h"

struct answer {
	uint16_t id;
	uint8_t status, uflags;
	uint32_t read_len;
	bool has_sense;
	bool keeps_place;	/* the tail doesn't move */
	const struct zcmu_transfer *transfer;
};

/* The tail passes what needs no answer. Return: the place for an answer, or NULL. */
static const struct hostile_place *next_place(void)
{
	unsigned int i;

	for (i = 0; i < hostile.nr_places && !hostile.places[i].is_cmd; i++)
		;
	if (!i)
		return hostile.nr_places ? &hostile.places[0] : NULL;
	memmove(hostile.places, hostile.places + i,
		(hostile.nr_places - i) * sizeof(hostile.places[0]));
	hostile.nr_places -= i;
	return hostile.nr_places ? &hostile.places[0] : NULL;
}

static void store_tail(uint32_t tail)
{
	__atomic_store_n(&hostile_mailbox()->cmd_tail, tail, __ATOMIC_RELEASE);
}

static void garbage_sense(uint8_t *sense)
{
	size_t i;

	for (i = 0; i < ZCMU_SENSE_SIZE; i++)
		sense[i] = (uint8_t)below(256);
	/* What isn't sense data at all keeps the SCSI layer busy for long: seldom. */
	if (!one_in(64))
		sense[0] = one_in(2) ? 0x70 : 0x72;
	/* Nor shall it repeat commands for ever. */
	if (one_in(2))
		sense[one_in(2) ? 1 : 2] = 3 + (uint8_t)below(3);
}

static void put(const struct answer *a)
{
	const struct hostile_place *place = next_place();
	struct zcmu_cmd_entry *entry;

	if (!place)
		return;
	entry = (void *)(hostile.maps[0] + hostile.ring_off + place->at);
	entry->hdr.cmd_id = a->id;
	entry->hdr.uflags = a->uflags;
	entry->rsp.scsi_status = a->status;
	entry->rsp.read_len = a->read_len;
	if (a->has_sense)
		garbage_sense(entry->rsp.sense);
	if (a->transfer)
		entry->transfer = *a->transfer;
	if (a->keeps_place)
		return;
	hostile.tail = (place->at + place->len) % hostile.ring_size;
	hostile.nr_places--;
	memmove(hostile.places, hostile.places + 1,
		hostile.nr_places * sizeof(hostile.places[0]));
	store_tail(hostile.tail);
}

/* The oldest that we have, or one that comes later. */
static struct answer take_cmd(bool any)
{
	unsigned int i = any && hostile.nr_cmds ? below(hostile.nr_cmds) : 0;
	struct answer a = { .id = hostile.cmds[i].id };

	if (hostile.nr_cmds) {
		hostile.nr_cmds--;
		memmove(hostile.cmds + i, hostile.cmds + i + 1,
			(hostile.nr_cmds - i) * sizeof(hostile.cmds[0]));
	}
	return a;
}

static void good(void)
{
	struct answer a = take_cmd(false);

	put(&a);
	hostile_kick();
}

static void many_good(void)
{
	unsigned int n = 1 + below(32);

	while (n-- && hostile.nr_cmds) {
		struct answer a = take_cmd(true);

		put(&a);
	}
	hostile_kick();
}

/* Fill a READ, read a WRITE, and answer. */
static void honest(void)
{
	const struct hostile_cmd *cmd = &hostile.cmds[0];
	unsigned int i;

	if (hostile.nr_cmds) {
		for (i = 0; i < cmd->nr; i++)
			touch_all(hostile.maps[0] + cmd->iov[i].base, cmd->iov[i].len);
	}
	good();
}

static void any_status(void)
{
	struct answer a = take_cmd(true);

	a.status = (uint8_t)below(256);
	/* With BUSY and such the SCSI layer tries again for minutes. */
	if (one_in(2))
		a.status = 2;
	a.has_sense = one_in(2);
	a.uflags = (uint8_t)below(256) & (one_in(4) ? 0xff : ~ZCMU_UFLAG_KEEP_BUF);
	put(&a);
	hostile_kick();
}

static void any_length(void)
{
	static const uint32_t lengths[] = { 0, 1, 511, 513, 4096, 0x7fffffff, 0xffffffff };
	struct answer a = take_cmd(true);

	a.uflags = ZCMU_UFLAG_READ_LEN;
	a.read_len = lengths[below(7)];
	if (one_in(4)) {
		a.status = 2;
		a.has_sense = true;
	}
	put(&a);
	hostile_kick();
}

static void keep(void)
{
	struct answer a = take_cmd(true);

	a.uflags = ZCMU_UFLAG_KEEP_BUF;
	put(&a);
	hostile_kick();
}

/* The same command in two places at once, with and without a kick between them. */
static void twice(void)
{
	struct answer a = take_cmd(true);

	if (one_in(2))
		a.uflags = ZCMU_UFLAG_KEEP_BUF;
	put(&a);
	if (one_in(2))
		hostile_kick();
	put(&a);
	hostile_kick();
}

static void wrong_id(void)
{
	struct answer a = { .id = (uint16_t)(one_in(2) ? below(256) : below(65536)) };

	put(&a);
	hostile_kick();
}

static void tail(void)
{
	uint32_t head = hostile_mailbox()->cmd_head, value;

	switch (below(6)) {
	case 0:
		value = (uint32_t)prng_next(&hostile.prng);
		break;
	case 1:
		value = hostile.ring_size - below(2) * 8;
		break;
	case 2:
		value = head + 8 * (1 + below(64));
		break;
	case 3:
		value = hostile.tail + 8 * below(32);
		break;
	case 4:
		value = hostile.tail + below(200);
		break;
	default:
		value = head;
		break;
	}
	store_tail(value);
	hostile_kick();
}

/* What is wrong for any length, offset, count or id; or for most of them. */
static uint64_t garbage(void)
{
	static const uint64_t extremes[] = {
		0, 1, 7, 0x7fffffffffffffff, 0xffffffff, 0x7fffffff00000000, 0xfffffff8,
		0x80000000, 0x100000000, 0xffffffff00000000 >> 1,
	};

	if (one_in(3))
		return extremes[below(sizeof(extremes) / sizeof(extremes[0]))];
	return prng_next(&hostile.prng) >> 1;
}

/* Files to move payloads to and from: one in the page cache, one that ends early, one past it. */
static int a_file(void)
{
	static int files[3] = { -1, -1, -1 };
	static const int flags[3] = { 0, 0, O_DIRECT };
	unsigned int which = below(3);
	char path[32];

	snprintf(path, sizeof(path), "moved.%u", which);
	if (files[which] < 0)
		files[which] = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags[which], 0600);
	if (files[which] >= 0 && which != 1 && ftruncate(files[which], 64 << 20))
		return -1;
	return files[which];
}

/* How long is the payload of a command that we have? */
static uint32_t payload_of(const struct hostile_cmd *cmd)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < cmd->nr; i++)
		bytes += cmd->iov[i].len;
	return (uint32_t)bytes;
}

/* By a socket, in place of files; a READ has no header, if it is to be carried out. */
static void to_stream(struct zcmu_transfer *t, uint32_t payload)
{
	unsigned int i;

	*t = (struct zcmu_transfer){ .flags = t->flags | ZCMU_TRANSFER_TELL, .nr_pieces = 1 };
	t->stream = (struct zcmu_piece){ .fd = hostile_stream(), .len = payload };
	if (t->flags & ZCMU_TRANSFER_WRITE || one_in(8))
		t->header_bytes = (uint8_t)below(ZCMU_MAX_HEADER + 4);
	for (i = 0; i < t->header_bytes && i < ZCMU_MAX_HEADER; i++)
		t->header[i] = (uint8_t)below(256);
}

/* Have a payload moved, mostly as it should be; or with garbage in all that is said of it. */
static void transfer(void)
{
	struct zcmu_transfer t = { .flags = (uint8_t)below(4), .nr_pieces = 1 + (uint8_t)below(5) };
	const uint32_t payload = hostile.nr_cmds ? payload_of(&hostile.cmds[0]) : 0;
	struct answer a = take_cmd(false);
	uint32_t left = payload, i;

	for (i = 0; i < t.nr_pieces; i++) {
		struct zcmu_piece *piece = &t.pieces[i];

		piece->fd = one_in(16) ? (int)below(64) - 1 : a_file();
		piece->len = i == t.nr_pieces - 1u ? left : left / t.nr_pieces / 512 * 512;
		piece->offset = below(1u << 26) / 512 * 512;
		t.piece_flags[i] = (uint8_t)below(4);
		left -= piece->len;
	}
	if (one_in(3))
		to_stream(&t, payload);
	for (i = 0; one_in(4) && i < 4; i++)
		((uint64_t *)&t)[below(sizeof(t) / 8)] = garbage();
	a.transfer = &t;
	a.uflags = ZCMU_UFLAG_TRANSFER | (one_in(32) ? (uint8_t)below(256) : 0);
	put(&a);
	if (one_in(64))
		put(&a);
	hostile_kick();
}

static void garbage_entry(void)
{
	struct answer a = { .keeps_place = true };
	unsigned int i, words = 1 + below(16);
	uint8_t *entry;

	if (!hostile.nr_places)
		return;
	put(&a);
	if (!hostile.nr_places)
		return;
	entry = hostile.maps[0] + hostile.ring_off + hostile.places[below(hostile.nr_places)].at;
	for (i = 0; i < words; i++)
		touch_store(entry + below(14) * 8, garbage());
	if (one_in(4))
		hostile_kick();
}

static void garbage_mailbox(void)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		/* The tail has attacks of its own. */
		if (i * 8 == offsetof(struct zcmu_mailbox, cmd_tail))
			continue;
		touch_store(hostile.maps[0] + i * 8, garbage());
	}
	/* The kernel never reads the head, but we do, and it may take long to write it anew. */
	hostile_mailbox()->cmd_head = hostile.taken;
	hostile_kick();
}

const struct hostile_attack ring_attacks[] = {
	{ "good", 30, good },
	{ "many good answers", 30, many_good },
	{ "honest", 30, honest },
	{ "any status", 8, any_status },
	{ "any length", 8, any_length },
	{ "keep", 8, keep },
	{ "transfer", 30, transfer },
	{ "answer twice", 1, twice },
	{ "wrong id", 1, wrong_id },
	{ "tail", 2, tail },
	{ "garbage in an entry", 6, garbage_entry },
	{ "garbage in the mailbox", 2, garbage_mailbox },
	{ NULL, 0, NULL },
};
