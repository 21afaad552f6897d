/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way back: answers of the handler, and the end of commands in any case.
 */
#ifndef ZCMU_COMPLETE_H
#define ZCMU_COMPLETE_H

#include <linux/list.h>
#include <linux/types.h>

struct zcmu_cmd;
struct zcmu_device;

/* finish.c */
void zcmu_cmd_unprepare(struct zcmu_cmd *cmd);
void zcmu_cmd_free(struct zcmu_cmd *cmd);
void zcmu_answer_waiting(struct list_head *list, u8 scsi_status);
void zcmu_drop(struct zcmu_device *device, struct list_head *batch);
void zcmu_answer_all(struct zcmu_device *device, struct list_head *batch, u8 scsi_status);

/* keep.c */
bool zcmu_is_to_be_kept(const struct zcmu_cmd *cmd);
void zcmu_keep(struct zcmu_cmd *cmd);
void zcmu_unkeep(struct zcmu_cmd *cmd);
int zcmu_keep_free(struct zcmu_device *device, u16 id);
void zcmu_keep_free_all(struct zcmu_device *device);

/* second_try.c */
void zcmu_second_try_decide(struct zcmu_cmd *cmd);
void zcmu_second_try_begin(struct zcmu_device *device, struct list_head *batch);

/* Who says that there are answers? */
enum zcmu_kick {
	ZCMU_NO_KICK,		/* nobody: they are looked for */
	ZCMU_HANDLER_GONE,	/* nobody ever: what is left of a handler */
	ZCMU_KICK_PLAIN,	/* a process, */
	ZCMU_KICK_MOVES,	/* which lends its descriptors to what it has answered */
};

/* complete.c */
void zcmu_complete_answers(struct zcmu_device *device, enum zcmu_kick kick);

#endif /* ZCMU_COMPLETE_H */
