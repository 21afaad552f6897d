/* SPDX-License-Identifier: MIT */
/* The built-in stores; each has a folder below stores/. */
#ifndef ZCMU_STORES_H
#define ZCMU_STORES_H

#include "zcmu-store.h"

extern const struct zcmu_store_ops zcmu_file_store;
extern const struct zcmu_store_ops zcmu_ram_store;
extern const struct zcmu_store_ops zcmu_null_store;

#endif /* ZCMU_STORES_H */
