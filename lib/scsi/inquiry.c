// SPDX-License-Identifier: MIT
/* INQUIRY: the disk's identity, and the vital product data pages. */
#include <stdio.h>
#include <string.h>

#include "scsi/scsi.h"

#define VENDOR		"ZCMU    "
#define DIRECT_ACCESS	0x00	/* peripheral device type, SPC-4 6.4.2 */
#define PROTOCOL_ISCSI	0x05	/* protocol identifier, SPC-4 7.6.1 */

static uint32_t put_string(uint8_t *to, const char *from, uint32_t size)
{
	uint32_t len = (uint32_t)strnlen(from, size);

	memcpy(to, from, len);
	return len;
}

/* A field of fixed size, filled up with blanks (SPC-4 4.3.1). */
static void put_padded(uint8_t *to, const char *from, uint32_t size)
{
	memset(to, ' ', size);
	put_string(to, from, size);
}

/* Copies within the disk. A disk that can't be written to has none. */
static bool can_copy(const struct zcmu_disk *disk)
{
	return zcmu_store_can(disk->store, ZCMU_IO_WRITE);
}

/*
 * Has somebody put the command's port into a group of its own? Then there are states to be asked
 * for, which the target core tells. Every other port is in group 0, and nobody gives that a state.
 */
static bool has_states(const struct zcmu_hreq *req)
{
	return req->has_port && req->port.has_port_group && req->port.port_group;
}

/* Standard INQUIRY data, SPC-4 6.4.2 */
static void standard(struct zcmu_cmd *cmd, uint32_t allocation)
{
	uint8_t data[96] = { 0 };

	data[0] = DIRECT_ACCESS;
	data[2] = 0x06;			/* SPC-4 */
	data[3] = 0x12;			/* HISUP, response data format 2 */
	data[4] = sizeof(data) - 5;	/* additional length */
	if (can_copy(cmd->disk))
		data[5] = 0x08;		/* 3PC: EXTENDED COPY */
	if (has_states(&cmd->req))
		data[5] |= 0x10;	/* TPGS: implicit asymmetric access */
	data[7] = 0x02;			/* CMDQUE */
	memcpy(data + 8, VENDOR, 8);
	put_padded(data + 16, cmd->disk->product, 16);
	put_padded(data + 32, zcmu_version(), 4);
	zcmu_put16(data + 58, 0x00a0);	/* SAM-5 */
	zcmu_put16(data + 60, 0x0460);	/* SPC-4 */
	zcmu_put16(data + 62, 0x04c0);	/* SBC-3 */
	zcmu_cmd_reply(cmd, data, sizeof(data), allocation);
}

/* Pages. Each function fills in what follows the four-byte header, and returns its length. */

static bool is_thin(const struct zcmu_disk *disk)
{
	return zcmu_store_unmaps(disk->store);
}

static uint32_t page_serial(const struct zcmu_disk *disk, uint8_t *p)
{
	return put_string(p, disk->serial, sizeof(disk->serial));
}

/* FNV-1a: the same serial always gives the same number. */
static uint64_t hash(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 1099511628211u;
	return h;
}

/* Device identification, SPC-4 7.8.6: by vendor and serial, and by a locally assigned NAA. */
uint32_t zcmu_scsi_designators(const struct zcmu_disk *disk, uint8_t *p)
{
	uint8_t *start = p;
	uint32_t len;

	p[0] = 0x02;			/* ASCII */
	p[1] = 0x01;			/* logical unit, T10 vendor ID based */
	memcpy(p + 4, VENDOR, 8);
	len = 8 + put_string(p + 12, disk->serial, sizeof(disk->serial));
	p[3] = (uint8_t)len;
	p += 4 + len;

	p[0] = 0x01;			/* binary */
	p[1] = 0x03;			/* logical unit, NAA */
	p[3] = 8;
	zcmu_put64(p + 4, (uint64_t)0x3 << 60 | hash(disk->serial) >> 4);
	return (uint32_t)(p + 12 - start);
}

/*
 * The header of a target port's designator (SPC-4 7.8.6.1), with PIV. Return: the place behind it.
 */
static uint8_t *put_port_head(uint8_t *p, const struct zcmu_port *port, uint8_t code_set,
			      uint8_t type, uint8_t len)
{
	p[0] = (uint8_t)(port->protocol << 4) | code_set;
	p[1] = 0x90 | type;
	p[3] = len;
	return p + 4;
}

/* SPC-4 7.8.6.11: a name ends with at least one 0, and its length is a multiple of four. */
static uint32_t name_room(const char *name)
{
	return ((uint32_t)strlen(name) & ~3u) + 4;
}

/* Designators of the port that the command came in by, if the kernel has told it. */
static uint32_t port_designators(const struct zcmu_hreq *req, uint8_t *p)
{
	const struct zcmu_port *port = &req->port;
	uint8_t *start = p;

	if (!req->has_port)
		return 0;
	if (port->relative_port) {
		p = put_port_head(p, port, 0x01, 0x04, 4);
		zcmu_put16(p + 2, port->relative_port);
		p += 4;
	}
	if (port->has_port_group) {
		p = put_port_head(p, port, 0x01, 0x05, 4);
		zcmu_put16(p + 2, port->port_group);
		p += 4;
	}
	/*
	 * The port's designator, and the target device's: the same name without the portal group.
	 */
	if (port->protocol == PROTOCOL_ISCSI && port->name[0]) {
		char name[sizeof(port->name) + sizeof(",t,0x0000")];

		snprintf(name, sizeof(name), "%s,t,0x%04x", port->name, port->portal_group);
		p = put_port_head(p, port, 0x03, 0x08, (uint8_t)name_room(name));
		p += (put_string(p, name, sizeof(name)) & ~3u) + 4;
		p = put_port_head(p, port, 0x03, 0x08, (uint8_t)name_room(port->name));
		p[-3] = 0xa0 | 0x08;
		p += (put_string(p, port->name, sizeof(port->name)) & ~3u) + 4;
	}
	return (uint32_t)(p - start);
}

/* Extended INQUIRY data, SPC-4 7.8.7 */
static uint32_t page_extended(const struct zcmu_disk *disk, uint8_t *p)
{
	/* p[0] is byte 4 of the page. Queue tags: only SIMPSUP. */
	p[1] = 0x01;
	if (zcmu_scsi_has_cache(disk))
		p[2] = 0x01;			/* V_SUP */
	return 0x3c;
}

/* A limit of the store in blocks, for a field of four bytes; 0: none. */
static uint32_t limit(const struct zcmu_store *store, enum zcmu_io_op op)
{
	uint64_t blocks = zcmu_store_max(store, op) / store->block_size;

	return blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX;
}

/* The limit of a READ or WRITE: the kernel's, unless the store's is lower. */
static uint32_t max_transfer(const struct zcmu_disk *disk)
{
	uint32_t blocks = limit(disk->store, ZCMU_IO_WRITE);

	return blocks && (!disk->max_blocks || blocks < disk->max_blocks) ? blocks :
	       disk->max_blocks;
}

/* SBC-3 6.6.4: COMPARE AND WRITE's limit is not above a transfer's. */
static uint8_t max_compare(const struct zcmu_disk *disk)
{
	uint32_t blocks = max_transfer(disk);

	return blocks && blocks < zcmu_scsi_max_compare(disk) ? (uint8_t)blocks :
	       zcmu_scsi_max_compare(disk);
}

/* UNMAP's limits are those of the request that it becomes, see zcmu_scsi_unmap(). */
static void put_unmap_limits(const struct zcmu_store *store, uint8_t *p)
{
	bool native = zcmu_store_can(store, ZCMU_IO_TRIM);
	uint32_t blocks = limit(store, native ? ZCMU_IO_TRIM : ZCMU_IO_ZERO);
	uint32_t granularity = store->trim_granularity / store->block_size;

	zcmu_put32(p + 16, blocks ? blocks : UINT32_MAX);	/* no limit per command */
	zcmu_put32(p + 20, ZCMU_MAX_UNMAP_DESCRIPTORS);
	zcmu_put32(p + 24, granularity ? granularity : 1);
	if (store->trim_alignment)			/* UGAVALID */
		zcmu_put32(p + 28, 1u << 31 | store->trim_alignment / store->block_size);
}

/* Blocks that the length of a transfer should be a multiple of */
static uint16_t granularity(const struct zcmu_store *store)
{
	uint32_t bytes = store->min_io_size ? store->min_io_size : store->physical_block_size;
	uint32_t blocks = bytes / store->block_size;

	return blocks < UINT16_MAX ? (uint16_t)blocks : UINT16_MAX;
}

/* Block limits, SBC-3 6.6.4 */
static uint32_t page_block_limits(const struct zcmu_disk *disk, uint8_t *p)
{
	const struct zcmu_store *store = disk->store;

	/* p[0] is byte 4 of the page. WSNZ is 0: a WRITE SAME of 0 blocks goes to the end. */
	if (zcmu_store_can(store, ZCMU_IO_WRITE))
		p[1] = max_compare(disk);
	zcmu_put16(p + 2, granularity(store));
	zcmu_put32(p + 4, max_transfer(disk));
	zcmu_put32(p + 8, store->optimal_io_size / store->block_size);
	if (zcmu_store_unmaps(store))
		put_unmap_limits(store, p);
	/* Maximum WRITE SAME length: 0 is no limit. Atomic writes: 0 is none. */
	if (zcmu_store_can(store, ZCMU_IO_ZERO))
		zcmu_put64(p + 32, limit(store, ZCMU_IO_ZERO));
	return 0x3c;
}

/* Block device characteristics, SBC-3 6.6.5 */
static uint32_t page_characteristics(const struct zcmu_disk *disk, uint8_t *p)
{
	/* 0 means "not reported": a rotating disk reports nothing more. */
	zcmu_put16(p, disk->store->rotational ? 0 : 1);
	return 0x3c;
}

/* Logical block provisioning, SBC-3 6.6.6 */
static uint32_t page_provisioning(const struct zcmu_disk *disk, uint8_t *p)
{
	const struct zcmu_store *store = disk->store;

	/* This page says that UNMAP is supported: LBPU. */
	p[1] |= 0x80;
	/*
	 * LBPWS, LBPWS10: WRITE SAME with UNMAP gives space back; without them it would write.
	 * LBPRZ
	 */
	if (zcmu_store_trims_to_zeroes(store))
		p[1] |= 0x64;
	p[2] = 0x02;			/* thin */
	return 4;
}

static uint32_t page_list(const struct zcmu_disk *disk, uint8_t *p);

static const struct page {
	uint8_t code;
	uint32_t (*fill)(const struct zcmu_disk *disk, uint8_t *p);
	bool (*is_there)(const struct zcmu_disk *disk);	/* NULL: always */
} pages[] = {
	{ 0x00, page_list, NULL },
	{ 0x80, page_serial, NULL },
	{ 0x83, zcmu_scsi_designators, NULL },
	{ 0x86, page_extended, NULL },
	{ 0x8f, zcmu_scsi_copy_page, can_copy },
	{ 0xb0, page_block_limits, NULL },
	{ 0xb1, page_characteristics, NULL },
	{ 0xb2, page_provisioning, is_thin },
};

#define NR_PAGES	(sizeof(pages) / sizeof(pages[0]))

static bool has_page(const struct zcmu_disk *disk, const struct page *page)
{
	return !page->is_there || page->is_there(disk);
}

static uint32_t page_list(const struct zcmu_disk *disk, uint8_t *p)
{
	uint32_t len = 0;
	size_t i;

	for (i = 0; i < NR_PAGES; i++) {
		if (has_page(disk, &pages[i]))
			p[len++] = pages[i].code;
	}
	return len;
}

void zcmu_scsi_inquiry(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint16_t allocation = zcmu_get16(cdb + 3);
	uint8_t data[1024] = { 0 };
	uint32_t len;
	size_t i;

	if (!(cdb[1] & 0x01)) {			/* EVPD */
		if (cdb[2])
			zcmu_cmd_bad_field(cmd, 2);
		else
			standard(cmd, allocation);
		return;
	}
	for (i = 0; i < NR_PAGES; i++) {
		if (pages[i].code != cdb[2] || !has_page(cmd->disk, &pages[i]))
			continue;
		len = pages[i].fill(cmd->disk, data + 4);
		if (pages[i].fill == zcmu_scsi_designators)
			len += port_designators(&cmd->req, data + 4 + len);
		data[0] = DIRECT_ACCESS;
		data[1] = cdb[2];
		zcmu_put16(data + 2, (uint16_t)len);
		zcmu_cmd_reply(cmd, data, 4 + len, allocation);
		return;
	}
	zcmu_cmd_bad_field(cmd, 2);
}
