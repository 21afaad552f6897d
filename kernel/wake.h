/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When the handler is woken. See wake.c.
 */
#ifndef ZCMU_WAKE_H
#define ZCMU_WAKE_H

#include <linux/types.h>
#include <target/target_core_base.h>

#include "defer.h"

struct zcmu_device;

void zcmu_wake_start(struct zcmu_device *device);
void zcmu_wake_count(struct zcmu_device *device);
void zcmu_wake(struct zcmu_device *device);
void zcmu_wake_now(struct zcmu_device *device);
void zcmu_wake_note_empty(struct zcmu_device *device);

struct se_dev_plug *zcmu_plug(struct se_device *se_dev);
void zcmu_unplug(struct se_dev_plug *plug);
void zcmu_plug_end(struct zcmu_device *device);

#endif /* ZCMU_WAKE_H */
