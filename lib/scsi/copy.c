// SPDX-License-Identifier: MIT
/*
 * Copies whose data doesn't pass through the initiator: EXTENDED COPY (LID1), block to block within
 * this disk, and what RECEIVE COPY RESULTS and VPD page 8F report about it. Other disks can't be
 * reached from here.
 *
 * The command is answered when the copy is done. So there is never a copy to ask about, and no held
 * data.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define EXTENDED_COPY		0x83
#define RECEIVE_COPY_RESULTS	0x84
#define OPERATING_PARAMETERS	0x03	/* service action of the latter */

#define MAX_TARGETS		4u
#define MAX_SEGMENTS		16u
#define COPY_CHUNK		(1u << 20)	/* bytes at a time */

#define HEADER			16u
#define TARGET_LEN		32u
#define SEGMENT_LEN		28u
#define MAX_DESCRIPTORS_LEN	(MAX_TARGETS * TARGET_LEN + MAX_SEGMENTS * SEGMENT_LEN)
#define MAX_SEGMENT_BLOCKS	0xffffu

#define IDENTIFICATION		0xe4	/* target descriptor, SPC-4 6.4.5.2 */
#define BLOCK_TO_BLOCK		0x02	/* segment descriptor, SPC-4 6.4.6.4 */

struct segment {
	uint64_t from, to, length;	/* bytes */
};

struct copy {
	unsigned int nr;
	struct segment segments[MAX_SEGMENTS];
	struct zcmu_range ranges[2 * MAX_SEGMENTS];	/* that are read or written to */
	uint8_t data[COPY_CHUNK];
};

/*
 * The parameter list. All of it is checked before the first byte is copied.
 */

static enum zcmu_status bad_parameter(struct zcmu_cmd *cmd, uint32_t byte)
{
	cmd->field = byte;
	return ZCMU_INVALID_PARAMETER;
}

/* Is this one of the disk's own designators, as in VPD page 83? */
static bool is_this_disk(const struct zcmu_disk *disk, const uint8_t *target)
{
	uint8_t page[256];
	uint32_t len = zcmu_scsi_designators(disk, page), at;

	for (at = 0; at < len; at += 4u + page[at + 3]) {
		const uint8_t *designator = page + at;

		if ((target[4] & 0x0f) == (designator[0] & 0x0f) &&
		    (target[5] & 0x3f) == (designator[1] & 0x3f) &&
		    target[7] == designator[3] && target[7] <= 20 &&
		    !memcmp(target + 8, designator + 4, target[7]))
			return true;
	}
	return false;
}

/* @at: the target descriptor's place in the list. */
static enum zcmu_status check_target(struct zcmu_cmd *cmd, const uint8_t *list, uint32_t at)
{
	const uint8_t *target = list + at;

	if (target[0] != IDENTIFICATION) {
		cmd->field = at;
		return ZCMU_UNSUPPORTED_TARGET;
	}
	/* LU ID TYPE describes the LU IDENTIFIER field, which this descriptor doesn't have. */
	if (target[1] & 0x1f)			/* must be a direct access block device */
		return ZCMU_WRONG_COPY_TARGET;
	if (target[1] & 0x20 || !is_this_disk(cmd->disk, target))	/* NUL: no target at all */
		return ZCMU_COPY_TARGET_NOT_REACHABLE;
	if ((zcmu_get32(target + 28) & 0xffffff) != cmd->disk->store->block_size)
		return bad_parameter(cmd, at + 29);
	return ZCMU_OK;
}

/* Do segments before this one write to all of a range? */
static bool is_written_before(const struct copy *copy, unsigned int segment, uint64_t begin,
			      uint64_t end)
{
	unsigned int i = 0;

	while (begin < end && i < segment) {
		const struct segment *s = &copy->segments[i++];

		if (s->to <= begin && begin < s->to + s->length) {
			begin = s->to + s->length;
			i = 0;
		}
	}
	return begin >= end;
}

/*
 * Does the list, with this segment as its last one, give the same result when it is repeated after
 * any part of it was done? That happens: an initiator sends a command again that was answered BUSY,
 * and the next process repeats commands that a dead process had on its ring.
 *
 * It does if the second run reads what the first run has read. That is in doubt for bytes that a
 * segment reads, if the same or a later segment writes to them: they may have been written already.
 * But if an earlier segment writes to them, too, then it has restored them by the time they are
 * read. So a segment is refused if it writes to a byte that it or an earlier segment reads, unless
 * a segment before the reading one writes to that byte.
 */
static bool can_be_done_again(const struct copy *copy, const struct segment *last)
{
	const struct segment *s;

	for (s = copy->segments; s <= last; s++) {
		uint64_t begin = s->from > last->to ? s->from : last->to;
		uint64_t end = s->from + s->length < last->to + last->length ?
			       s->from + s->length : last->to + last->length;

		if (!is_written_before(copy, (unsigned int)(s - copy->segments), begin, end))
			return false;
	}
	return true;
}

/* @at: the segment descriptor's place in the list. */
static enum zcmu_status add_segment(struct zcmu_cmd *cmd, const uint8_t *list, uint32_t at,
				    unsigned int targets, struct copy *copy)
{
	const struct zcmu_store *store = cmd->disk->store;
	const uint8_t *descriptor = list + at;
	uint64_t capacity = cmd->capacity / store->block_size;
	uint64_t blocks = zcmu_get16(descriptor + 10);
	uint64_t from = zcmu_get64(descriptor + 12), to = zcmu_get64(descriptor + 20);

	if (zcmu_get16(descriptor + 4) >= targets || zcmu_get16(descriptor + 6) >= targets)
		return ZCMU_UNREACHABLE_COPY_TARGET;
	if (from > capacity || blocks > capacity - from ||
	    to > capacity || blocks > capacity - to)
		return ZCMU_COPY_ABORTED;
	/* Nothing is copied, or the copy changes nothing. */
	if (!blocks || from == to)
		return ZCMU_OK;
	copy->segments[copy->nr] = (struct segment){
		.from = from * store->block_size, .to = to * store->block_size,
		.length = blocks * store->block_size,
	};
	if (!can_be_done_again(copy, &copy->segments[copy->nr]))
		return bad_parameter(cmd, at + 20);
	copy->nr++;
	return ZCMU_OK;
}

static enum zcmu_status check_segments(struct zcmu_cmd *cmd, const uint8_t *list, uint32_t at,
				       uint32_t end, unsigned int targets, struct copy *copy)
{
	enum zcmu_status status;
	unsigned int nr;

	for (nr = 0; at < end; nr++, at += SEGMENT_LEN) {
		if (nr == MAX_SEGMENTS)
			return ZCMU_TOO_MANY_SEGMENTS;
		if (list[at] != BLOCK_TO_BLOCK) {
			cmd->field = at;
			return ZCMU_UNSUPPORTED_SEGMENT;
		}
		if (end - at < SEGMENT_LEN)
			return ZCMU_PARAMETER_LIST_LENGTH;
		if (zcmu_get16(list + at + 2) != SEGMENT_LEN - 4)
			return bad_parameter(cmd, at + 2);
		status = add_segment(cmd, list, at, targets, copy);
		if (status != ZCMU_OK)
			return status;
	}
	return ZCMU_OK;
}

/* @list: the initiator's data, @len bytes, at least the header. */
static enum zcmu_status parse(struct zcmu_cmd *cmd, const uint8_t *list, uint32_t len,
			      struct copy *copy)
{
	uint32_t targets_len = zcmu_get16(list + 2), segments_len = zcmu_get32(list + 8);
	uint32_t at;
	enum zcmu_status status;

	if ((list[1] >> 3 & 0x03) == 1)		/* LIST ID USAGE: reserved */
		return bad_parameter(cmd, 1);
	if (zcmu_get32(list + 12))
		return ZCMU_INLINE_DATA_TOO_LONG;
	if (segments_len > MAX_DESCRIPTORS_LEN ||
	    targets_len + segments_len > MAX_DESCRIPTORS_LEN ||
	    HEADER + targets_len + segments_len > len)
		return ZCMU_PARAMETER_LIST_LENGTH;
	if (targets_len % TARGET_LEN)
		return bad_parameter(cmd, 2);
	if (targets_len / TARGET_LEN > MAX_TARGETS)
		return ZCMU_TOO_MANY_TARGETS;
	for (at = HEADER; at < HEADER + targets_len; at += TARGET_LEN) {
		status = check_target(cmd, list, at);
		if (status != ZCMU_OK)
			return status;
	}
	return check_segments(cmd, list, at, at + segments_len, targets_len / TARGET_LEN, copy);
}

/*
 * Copying reads and writes a chunk, in turn. begin is the segment, offset is how much of it is
 * done, and left how much isn't.
 */

static void begin_segment(struct zcmu_cmd *cmd, unsigned int segment)
{
	const struct copy *copy = cmd->buffer;

	cmd->begin = segment;
	cmd->offset = 0;
	cmd->chunk = 0;
	cmd->left = segment < copy->nr ? copy->segments[segment].length : 0;
}

/* The chunk's place in the segment. Start at the end if the front would be overwritten. */
static uint64_t chunk_at(const struct zcmu_cmd *cmd, const struct segment *segment)
{
	bool backwards = segment->to > segment->from &&
			 segment->to - segment->from < segment->length;

	return backwards ? cmd->left - cmd->chunk : cmd->offset;
}

static bool copy_step(struct zcmu_cmd *cmd)
{
	struct copy *copy = cmd->buffer;
	const struct segment *segment = &copy->segments[cmd->begin];

	if (cmd->status != ZCMU_OK) {
		zcmu_cmd_finish(cmd, cmd->status == ZCMU_BUSY ? ZCMU_BUSY : ZCMU_COPY_FAILED);
		return false;
	}
	if (cmd->phase == 1) {
		cmd->phase = 0;
		zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_WRITE,
					  segment->to + chunk_at(cmd, segment), copy->data,
					  cmd->chunk, false);
		return true;
	}
	cmd->offset += cmd->chunk;
	cmd->left -= cmd->chunk;
	while (!cmd->left && cmd->begin < copy->nr)
		begin_segment(cmd, (unsigned int)cmd->begin + 1);
	if (cmd->begin == copy->nr) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return false;
	}
	segment = &copy->segments[cmd->begin];
	cmd->phase = 1;
	cmd->chunk = cmd->left < COPY_CHUNK ? (uint32_t)cmd->left : COPY_CHUNK;
	zcmu_cmd_ask_store_buffer(cmd, ZCMU_IO_READ, segment->from + chunk_at(cmd, segment),
				  copy->data, cmd->chunk, false);
	return true;
}

static void start_copy(struct zcmu_cmd *cmd)
{
	begin_segment(cmd, 0);
	zcmu_cmd_run_steps(cmd, copy_step);
}

static void lock_and_copy(struct zcmu_cmd *cmd, struct copy *copy)
{
	unsigned int i;

	for (i = 0; i < copy->nr; i++) {
		const struct segment *s = &copy->segments[i];

		copy->ranges[2 * i] = (struct zcmu_range){
			.begin = s->from, .end = s->from + s->length,
		};
		copy->ranges[2 * i + 1] = (struct zcmu_range){
			.begin = s->to, .end = s->to + s->length, .writes = true,
		};
	}
	if (copy->nr)
		zcmu_range_lock_all(cmd, copy->ranges, 2 * copy->nr, start_copy);
	else
		zcmu_cmd_finish(cmd, ZCMU_OK);
}

/* EXTENDED COPY (LID1), SPC-4 6.4 */
void zcmu_scsi_extended_copy(struct zcmu_cmd *cmd)
{
	uint32_t len = zcmu_get32(cmd->req.cdb + 10);
	uint8_t list[HEADER + MAX_DESCRIPTORS_LEN];
	enum zcmu_status status;
	struct copy *copy;

	if (!len) {
		zcmu_cmd_finish(cmd, ZCMU_OK);
		return;
	}
	if (len < HEADER || cmd->req.bytes < len) {
		zcmu_cmd_finish(cmd, ZCMU_PARAMETER_LIST_LENGTH);
		return;
	}
	copy = malloc(sizeof(*copy));
	if (!copy) {
		zcmu_cmd_finish(cmd, ZCMU_BUSY);
		return;
	}
	copy->nr = 0;
	cmd->buffer = copy;
	len = len < sizeof(list) ? len : sizeof(list);
	zcmu_iov_get(cmd->payload, cmd->req.iovcnt, 0, list, len);
	status = parse(cmd, list, len, copy);
	if (status == ZCMU_OK)
		lock_and_copy(cmd, copy);
	else
		zcmu_cmd_finish(cmd, status);
}

/* Reports about copies */

static uint8_t log2_of(uint32_t n)
{
	return (uint8_t)(31 - __builtin_clz(n));
}

/* RECEIVE COPY OPERATING PARAMETERS, SPC-4 6.22 */
void zcmu_scsi_copy_parameters(struct zcmu_cmd *cmd)
{
	uint32_t block_size = cmd->disk->store->block_size;
	uint8_t data[46] = { 0 };

	zcmu_put32(data, sizeof(data) - 4);
	data[4] = 0x01;				/* SNLID: list identifiers are ignored */
	zcmu_put16(data + 8, MAX_TARGETS);
	zcmu_put16(data + 10, MAX_SEGMENTS);
	zcmu_put32(data + 12, MAX_DESCRIPTORS_LEN);
	zcmu_put32(data + 16, MAX_SEGMENT_BLOCKS * block_size);
	data[37] = log2_of(block_size);		/* data segment granularity */
	data[43] = 2;				/* implemented descriptors */
	data[44] = BLOCK_TO_BLOCK;
	data[45] = IDENTIFICATION;
	zcmu_cmd_reply(cmd, data, sizeof(data), zcmu_get32(cmd->req.cdb + 10));
}

/* A descriptor of VPD page 8F: type, length. Return: its body. */
static uint8_t *put_descriptor(uint8_t **p, uint16_t type, uint16_t len)
{
	uint8_t *body = *p + 4;

	zcmu_put16(*p, type);
	zcmu_put16(*p + 2, len);
	*p = body + len;
	return body;
}

/* Third-party copy, SPC-4 7.8.17 */
uint32_t zcmu_scsi_copy_page(const struct zcmu_disk *disk, uint8_t *p)
{
	static const uint8_t commands[] = {
		6, EXTENDED_COPY, 1, 0x00, RECEIVE_COPY_RESULTS, 1, OPERATING_PARAMETERS,
	};
	static const uint8_t descriptors[] = { 2, BLOCK_TO_BLOCK, IDENTIFICATION };
	uint32_t block_size = disk->store->block_size;
	uint8_t *start = p, *body;

	memcpy(put_descriptor(&p, 0x0001, 8), commands, sizeof(commands));
	body = put_descriptor(&p, 0x0004, 28);		/* limits of the parameter list */
	zcmu_put16(body + 4, MAX_TARGETS);
	zcmu_put16(body + 6, MAX_SEGMENTS);
	zcmu_put32(body + 8, MAX_DESCRIPTORS_LEN);
	memcpy(put_descriptor(&p, 0x0008, 4), descriptors, sizeof(descriptors));
	body = put_descriptor(&p, 0x8001, 32);		/* general copy operations */
	zcmu_put32(body, 1);				/* concurrent copies: at least one */
	zcmu_put32(body + 8, MAX_SEGMENT_BLOCKS * block_size);
	body[12] = log2_of(block_size);
	return (uint32_t)(p - start);
}
