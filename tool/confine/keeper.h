/* SPDX-License-Identifier: MIT */
/*
 * zcmu serve --user: the process of the store, from the side of the process that has started it and
 * does the work that needs root. confined.c describes both.
 */
#ifndef ZCMU_TOOL_CONFINE_KEEPER_H
#define ZCMU_TOOL_CONFINE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "confine/confined.h"
#include "zcmu.h"

struct backstore;

struct keeper {
	struct confined_wish wish;
	pid_t pid;			/* 0: none */
	int fd;
	bool is_dead;			/* there was one, and it died */
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* of its store; or empty */
	bool is_volatile;			/* its store's data goes with the process */
};

int keeper_ask_flags(const struct confined_wish *wish, uint32_t *ret);	/* ZCMU_STORE_... */
int keeper_identify(const struct confined_wish *wish, char *text, size_t size);
bool keeper_has_child(const struct keeper *keeper);
int keeper_open(struct keeper *keeper, const struct confined_wish *wish, struct zcmu_store *shape);
int keeper_serve(struct keeper *keeper, const struct backstore *backstore, uint64_t size,
		 const char *serial);
int keeper_resize(struct keeper *keeper, uint64_t size);
bool keeper_listen(struct keeper *keeper);
int keeper_drain(struct keeper *keeper);
int keeper_stop(struct keeper *keeper, struct zcmu_statistics *statistics);

#endif /* ZCMU_TOOL_CONFINE_KEEPER_H */
