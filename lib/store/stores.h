/* SPDX-License-Identifier: MIT */
/*
 * Where stores come from: the built-in ones, each with a folder below stores/, and
 * plug-ins.
 */
#ifndef ZCMU_STORES_H
#define ZCMU_STORES_H

#include "zcmu-store.h"

extern const struct zcmu_store_ops zcmu_file_store;
extern const struct zcmu_store_ops zcmu_ram_store;
extern const struct zcmu_store_ops zcmu_null_store;

/* Layers, which stand in front of other stores: stores/layers */
extern const struct zcmu_store_ops zcmu_cow_layer;
extern const struct zcmu_store_ops zcmu_fault_layer;
extern const struct zcmu_store_ops zcmu_limit_layer;
extern const struct zcmu_store_ops zcmu_log_layer;
extern const struct zcmu_store_ops zcmu_readonly_layer;

/*
 * layers/layer.c: a request that a layer passes on as it is stands for another one, the layer's
 * own. NULL: it is no such request.
 */
struct zcmu_io *zcmu_layer_upper(struct zcmu_io *io);
/* Does that layer want to see how it ends? */
bool zcmu_layer_watches(const struct zcmu_io *io);
/* It has ended, and nobody is to hear of that. */
void zcmu_layer_forget(struct zcmu_io *io);

/* sized.c */
int zcmu_ops_copy(struct zcmu_store_ops *to, const struct zcmu_store_ops *from, const char *where);

/* store.c */
bool zcmu_store_tells_identity_late(const char *spec);

/* options.c */
size_t zcmu_options_length(const char *text);
int zcmu_options_begin(const struct zcmu_store_ops *ops, void *options);
int zcmu_options_take(const struct zcmu_store_ops *ops, void *options, const char *where,
		      const char *text, size_t len);
void zcmu_options_end(const struct zcmu_store_ops *ops, void *options);

/* plugin.c */
int zcmu_plugin_find(const char *name, size_t len, const struct zcmu_store_ops **ret);
char **zcmu_plugin_names(void);
void zcmu_plugin_free_names(char **names);

#endif /* ZCMU_STORES_H */
