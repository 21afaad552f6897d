/* SPDX-License-Identifier: MIT */
/*
 * An initiator at the tests' own SCSI transport (tests/fabric): memory, scatter lists of
 * all shapes in it, one command at a time. What is sent is the caller's.
 */
#ifndef FABRIC_IO_H
#define FABRIC_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "zcmu-test-fabric.h"

#define FABRIC_PAGE	((uint32_t)sysconf(_SC_PAGESIZE))

/* What the memory is full of where nobody has put anything. */
#define FABRIC_PATTERN	0xa5
/* What the initiator puts over Data-Out as soon as it is its own again. */
#define FABRIC_REUSED	0xee

struct fabric_list {
	struct zcmu_test_segment *segments;
	uint32_t nr;
	uint32_t bytes;
	uint32_t end;		/* bytes of the memory that it reaches to */
};

struct fabric {
	int fd;
	uint8_t *memory;
	size_t bytes;
	struct fabric_list out, in;
};

/* Die with a message if there is no such device, memory, shape... */
void fabric_open(struct fabric *fabric, size_t bytes);
void fabric_close(struct fabric *fabric);

/*
 * Lay @bytes out, from @start of the memory on:
 *
 *	one		one segment
 *	shifted		one segment that begins and ends within a page
 *	pages		a page each, in reverse order
 *	straddle	5000 bytes each, across a page's end
 *	sectors		512 bytes each, with gaps
 *	bytes		one byte each, with gaps
 *	OFFSET+LENGTH,...	as said
 */
void fabric_shape(struct fabric_list *list, const char *shape, uint32_t bytes, uint32_t start);
/* Where to lay out what shall have a page between it and what ends at @end. */
uint32_t fabric_page_behind(uint32_t end);
void fabric_list_free(struct fabric_list *list);

/* With the pattern, as far as the lists reach and a page beyond. */
void fabric_fill(struct fabric *fabric);
void fabric_put(struct fabric *fabric, const struct fabric_list *list, const uint8_t *data);
void fabric_put_byte(struct fabric *fabric, const struct fabric_list *list, uint8_t byte);
void fabric_get(const struct fabric *fabric, const struct fabric_list *list, uint8_t *data);

/* The lists, and what direction and data_length follow from them, are put into @request. */
void fabric_ask(const struct fabric *fabric, struct zcmu_test_request *request);
void fabric_submit(struct fabric *fabric, const struct zcmu_test_request *request);
/* Return: whether there is an answer within @ms. */
bool fabric_wait(struct fabric *fabric, struct zcmu_test_answer *answer, uint32_t ms);

/* How many bytes that belong to neither list are not what they were? */
size_t fabric_outside(const struct fabric *fabric);

#endif /* FABRIC_IO_H */
