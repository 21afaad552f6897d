// SPDX-License-Identifier: MIT
/* What a CDB is called, and where on the disk it is about: SPC-4 and SBC-3, for zcmu inflight. */
#include <stdio.h>
#include <string.h>

#include "look/cdb.h"

enum place {
	NOWHERE,
	IN_6,		/* 21 bits from byte 1 on */
	IN_10,		/* 4 bytes from byte 2 on, also in CDBs of 12 bytes */
	IN_16,		/* 8 bytes from byte 2 on */
};

static const struct {
	uint8_t opcode;
	uint8_t action;		/* service action, where ANY isn't */
	enum place place;
	const char *name;
} known[] = {
#define ANY 0xff
	{ 0x00, ANY, NOWHERE, "TEST UNIT READY" },
	{ 0x03, ANY, NOWHERE, "REQUEST SENSE" },
	{ 0x08, ANY, IN_6, "READ(6)" },
	{ 0x0a, ANY, IN_6, "WRITE(6)" },
	{ 0x12, ANY, NOWHERE, "INQUIRY" },
	{ 0x1a, ANY, NOWHERE, "MODE SENSE(6)" },
	{ 0x1b, ANY, NOWHERE, "START STOP UNIT" },
	{ 0x25, ANY, NOWHERE, "READ CAPACITY(10)" },
	{ 0x28, ANY, IN_10, "READ(10)" },
	{ 0x2a, ANY, IN_10, "WRITE(10)" },
	{ 0x2e, ANY, IN_10, "WRITE AND VERIFY(10)" },
	{ 0x2f, ANY, IN_10, "VERIFY(10)" },
	{ 0x35, ANY, IN_10, "SYNCHRONIZE CACHE(10)" },
	{ 0x41, ANY, IN_10, "WRITE SAME(10)" },
	{ 0x42, ANY, NOWHERE, "UNMAP" },
	{ 0x5a, ANY, NOWHERE, "MODE SENSE(10)" },
	{ 0x83, ANY, NOWHERE, "EXTENDED COPY" },
	{ 0x88, ANY, IN_16, "READ(16)" },
	{ 0x89, ANY, IN_16, "COMPARE AND WRITE" },
	{ 0x8a, ANY, IN_16, "WRITE(16)" },
	{ 0x8e, ANY, IN_16, "WRITE AND VERIFY(16)" },
	{ 0x8f, ANY, IN_16, "VERIFY(16)" },
	{ 0x91, ANY, IN_16, "SYNCHRONIZE CACHE(16)" },
	{ 0x93, ANY, IN_16, "WRITE SAME(16)" },
	{ 0x9c, ANY, IN_16, "WRITE ATOMIC(16)" },
	{ 0x9e, 0x10, NOWHERE, "READ CAPACITY(16)" },
	{ 0x9e, 0x12, IN_16, "GET LBA STATUS" },
	{ 0xa0, ANY, NOWHERE, "REPORT LUNS" },
	{ 0xa3, 0x0c, NOWHERE, "REPORT SUPPORTED OPCODES" },
	{ 0xa8, ANY, IN_10, "READ(12)" },
	{ 0xaa, ANY, IN_10, "WRITE(12)" },
	{ 0xae, ANY, IN_10, "WRITE AND VERIFY(12)" },
	{ 0xaf, ANY, IN_10, "VERIFY(12)" },
};

static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

size_t cdb_parse(const char *hex, uint8_t *cdb, size_t size)
{
	size_t n = 0;

	for (; hex[0] && n < size; hex += 2) {
		int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);

		if (low < 0)
			return 0;
		cdb[n++] = (uint8_t)(high << 4 | low);
	}
	return n;
}

/* NULL: it isn't known */
static const char *find(const uint8_t *cdb, size_t len, enum place *place)
{
	size_t i;

	*place = NOWHERE;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!len || known[i].opcode != cdb[0])
			continue;
		if (known[i].action != ANY && (len < 2 || known[i].action != (cdb[1] & 0x1f)))
			continue;
		*place = known[i].place;
		return known[i].name;
	}
	return NULL;
}

const char *cdb_name(const uint8_t *cdb, size_t len, char *text, size_t size)
{
	enum place place;
	const char *name = find(cdb, len, &place);

	if (name)
		snprintf(text, size, "%s", name);
	else if (len)
		snprintf(text, size, "opcode %02xh", cdb[0]);
	else
		snprintf(text, size, "-");
	return text;
}

static uint64_t big_endian(const uint8_t *bytes, size_t n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *bytes++;
	return value;
}

bool cdb_lba(const uint8_t *cdb, size_t len, uint64_t *lba)
{
	enum place place;

	find(cdb, len, &place);
	if (place == IN_6 && len >= 4)
		*lba = big_endian(cdb + 1, 3) & 0x1fffff;
	else if (place == IN_10 && len >= 6)
		*lba = big_endian(cdb + 2, 4);
	else if (place == IN_16 && len >= 10)
		*lba = big_endian(cdb + 2, 8);
	else
		return false;
	return true;
}
