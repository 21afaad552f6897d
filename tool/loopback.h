/* SPDX-License-Identifier: MIT */
/* The disk as a local SCSI disk */
#ifndef ZCMU_TOOL_LOOPBACK_H
#define ZCMU_TOOL_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

struct backstore;

struct loopback {
	char wwn[64];			/* naa.... */
	char device[32];		/* "/dev/sda", or empty */
};

int loopback_attach(const struct backstore *backstore, struct loopback *ret);
int loopback_scan(struct loopback *loopback);	/* its target exists, but its disk doesn't */
int loopback_device(const char *target, unsigned int tpg, unsigned int lun, char *device,
		    size_t size);	/* quiet */
int loopback_find(const struct backstore *backstore, struct loopback *ret);	/* quiet */
int loopback_detach(const struct loopback *loopback);
bool loopback_is_in_use(const struct loopback *loopback);

#endif /* ZCMU_TOOL_LOOPBACK_H */
