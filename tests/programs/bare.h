/* SPDX-License-Identifier: MIT */
/*
 * bare's parts: bare.c has the device and serves, bare_looks.c looks at a payload.
 */
#ifndef BARE_H
#define BARE_H

#include "serve/disk.h"

extern struct zcmu_disk bare_disk;
extern size_t bare_map_size;

/* bare.c */
void bare_must(bool ok, const char *what);
void bare_say_look(const char *when, const void *p);
int bare_open_uio(void);
uint8_t *bare_map_uio(void);
uint8_t *bare_elsewhere(uint8_t *map, const struct iovec *iov);

/* bare_looks.c */
void bare_reopen(const struct zcmu_io *io);
void bare_children(struct zcmu_io *io);
void bare_twice(struct zcmu_io *io);
void bare_moved(struct zcmu_io *io);
void bare_torn(struct zcmu_io *io);
void bare_hold(struct zcmu_io *io);
void bare_try_maps(void);

#endif /* BARE_H */
