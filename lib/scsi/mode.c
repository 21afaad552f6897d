// SPDX-License-Identifier: MIT
/*
 * MODE SENSE: the caching page, the control page, and the headers in front of them. Nothing can be
 * changed: mode_select.c.
 */
#include <string.h>

#include "scsi/scsi.h"

/* Page control, SPC-4 6.13.1 */
enum {
	PC_CURRENT,
	PC_CHANGEABLE,
	PC_DEFAULT,
	PC_SAVED,
};

#define ALL_PAGES	0x3f
#define ALL_SUBPAGES	0xff

/* Is there a cache whose data a power failure would lose? A store with a flush has one. */
bool zcmu_scsi_has_cache(const struct zcmu_disk *disk)
{
	return zcmu_store_can(disk->store, ZCMU_IO_FLUSH);
}

/* Caching page, SBC-3 6.5.5 */
static uint32_t page_caching(const struct zcmu_disk *disk, bool changeable, uint8_t *p)
{
	memset(p, 0, 20);
	p[0] = 0x08;
	p[1] = 18;
	if (!changeable && zcmu_scsi_has_cache(disk))
		p[2] |= 0x04;		/* WCE */
	return 20;
}

/*
 * Is sense data in descriptor format? Yes, if the disk has blocks whose numbers fit only there. The
 * kernel does the same for the errors that it finds itself. @capacity: bytes
 */
bool zcmu_scsi_senses_descriptors(const struct zcmu_disk *disk, uint64_t capacity)
{
	return capacity / disk->store->block_size > 1ull << 32;
}

/* Control page, SPC-4 7.5.8 */
static uint32_t page_control(const struct zcmu_disk *disk, bool changeable, uint8_t *p)
{
	uint64_t capacity = __atomic_load_n(&disk->store->size, __ATOMIC_SEQ_CST);

	memset(p, 0, 12);
	p[0] = 0x0a;
	p[1] = 10;
	if (!changeable) {
		p[2] |= 0x02;		/* GLTSD: log parameters are not saved */
		if (zcmu_scsi_senses_descriptors(disk, capacity))
			p[2] |= 0x04;	/* D_SENSE */
		p[3] |= 0x10;		/* commands may be reordered */
		zcmu_put16(p + 8, 0xffff);	/* busy timeout: no limit */
	}
	return 12;
}

static const struct {
	uint8_t code;
	uint32_t (*fill)(const struct zcmu_disk *disk, bool changeable, uint8_t *p);
} pages[] = {
	{ 0x08, page_caching },
	{ 0x0a, page_control },
};

#define NR_PAGES	(sizeof(pages) / sizeof(pages[0]))

/*
 * The current values of a page, at most ZCMU_MAX_MODE_PAGE bytes. Return: their number; 0: no such
 * page
 */
uint32_t zcmu_scsi_mode_page(const struct zcmu_disk *disk, uint8_t code, uint8_t *p)
{
	size_t i;

	for (i = 0; i < NR_PAGES; i++) {
		if (pages[i].code == code)
			return pages[i].fill(disk, false, p);
	}
	return 0;
}

/* Return: bytes of the requested pages; 0 if there are none. */
static uint32_t put_pages(struct zcmu_cmd *cmd, uint8_t *p)
{
	const uint8_t *cdb = cmd->req.cdb;
	bool changeable = cdb[2] >> 6 == PC_CHANGEABLE;
	uint8_t code = cdb[2] & 0x3f;
	uint32_t len = 0;
	size_t i;

	for (i = 0; i < NR_PAGES; i++) {
		if (code == ALL_PAGES || code == pages[i].code)
			len += pages[i].fill(cmd->disk, changeable, p + len);
	}
	return len;
}

/* Device-specific parameter, SBC-3 6.5.1 */
static uint8_t device_specific(const struct zcmu_disk *disk)
{
	uint8_t value = 0;

	/* DPOFUA: both are honoured, if only because there is no cache. */
	if (zcmu_store_fua(disk->store) != ZCMU_CAN_NONE)
		value |= 0x10;
	if (!zcmu_store_can(disk->store, ZCMU_IO_WRITE))
		value |= 0x80;		/* WP */
	return value;
}

/* Short LBA block descriptor, SBC-3 6.5.2.2 */
static uint32_t put_short_descriptor(const struct zcmu_cmd *cmd, uint8_t *p)
{
	const struct zcmu_store *store = cmd->disk->store;
	uint64_t blocks = cmd->capacity / store->block_size;

	zcmu_put32(p, blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks);
	zcmu_put32(p + 4, store->block_size);	/* byte 4 is reserved: a block is < 16 MiB */
	return 8;
}

/* Long LBA block descriptor, SBC-3 6.5.2.3 */
static uint32_t put_long_descriptor(const struct zcmu_cmd *cmd, uint8_t *p)
{
	const struct zcmu_store *store = cmd->disk->store;

	zcmu_put64(p, cmd->capacity / store->block_size);
	zcmu_put32(p + 8, 0);
	zcmu_put32(p + 12, store->block_size);
	return 16;
}

/* Checks that both commands share. Return: false if the command was finished. */
static bool is_answerable(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;

	if (cdb[2] >> 6 == PC_SAVED) {
		zcmu_cmd_finish(cmd, ZCMU_SAVING_NOT_SUPPORTED);
		return false;
	}
	if (cdb[3] && cdb[3] != ALL_SUBPAGES) {
		zcmu_cmd_bad_field(cmd, 3);
		return false;
	}
	return true;
}

void zcmu_scsi_mode_sense6(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	uint8_t data[64] = { 0 };
	uint32_t len = 4, pages_len;

	if (!is_answerable(cmd))
		return;
	data[2] = device_specific(cmd->disk);
	if (!(cdb[1] & 0x08)) {			/* DBD */
		data[3] = (uint8_t)put_short_descriptor(cmd, data + len);
		len += data[3];
	}
	pages_len = put_pages(cmd, data + len);
	if (!pages_len) {
		zcmu_cmd_bad_field(cmd, 2);
		return;
	}
	len += pages_len;
	data[0] = (uint8_t)(len - 1);
	zcmu_cmd_reply(cmd, data, len, cdb[4]);
}

void zcmu_scsi_mode_sense10(struct zcmu_cmd *cmd)
{
	const uint8_t *cdb = cmd->req.cdb;
	bool long_lba = cdb[1] & 0x10;		/* LLBAA */
	uint8_t data[64] = { 0 };
	uint32_t len = 8, pages_len;

	if (!is_answerable(cmd))
		return;
	data[3] = device_specific(cmd->disk);
	if (!(cdb[1] & 0x08)) {			/* DBD */
		uint32_t n = long_lba ? put_long_descriptor(cmd, data + len) :
					put_short_descriptor(cmd, data + len);

		data[4] = long_lba;
		zcmu_put16(data + 6, (uint16_t)n);
		len += n;
	}
	pages_len = put_pages(cmd, data + len);
	if (!pages_len) {
		zcmu_cmd_bad_field(cmd, 2);
		return;
	}
	len += pages_len;
	zcmu_put16(data, (uint16_t)(len - 2));
	zcmu_cmd_reply(cmd, data, len, zcmu_get16(cdb + 7));
}
