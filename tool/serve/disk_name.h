/* SPDX-License-Identifier: MIT */
/* The name of a disk that is given none. @name: NAME_MAX_LEN + 1 bytes */
#ifndef ZCMU_TOOL_SERVE_DISK_NAME_H
#define ZCMU_TOOL_SERVE_DISK_NAME_H

void disk_name_make(const char *spec, char *name);
void disk_name_find(const char *spec, const char *absolute, const char *serial,
		    char *name);	/* or none */

#endif /* ZCMU_TOOL_SERVE_DISK_NAME_H */
