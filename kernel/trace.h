/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracepoint for each hop of a command on its way (the table in README.md), in
 * the order in which they fire. "minor" is N of /dev/uioN, "id" the command's id
 * on the ring.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zcmu

#if !defined(ZCMU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ZCMU_TRACE_H

#include <linux/tracepoint.h>
#include "zcmu_kernel.h"

TRACE_EVENT(zcmu_submit,
	TP_PROTO(const struct zcmu_device *device, const struct se_cmd *se_cmd),
	TP_ARGS(device, se_cmd),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u64, tag)
		__field(u32, bytes)
		__field(u8, opcode)
		__field(u8, direction)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->tag = se_cmd->tag;
		__entry->bytes = se_cmd->data_length;
		__entry->opcode = se_cmd->t_task_cdb[0];
		__entry->direction = se_cmd->data_direction;
	),
	TP_printk("minor=%d tag=%llu opcode=0x%02x bytes=%u direction=%s",
		  __entry->minor, __entry->tag, __entry->opcode, __entry->bytes,
		  __print_symbolic(__entry->direction,
				   { DMA_TO_DEVICE, "write" }, { DMA_FROM_DEVICE, "read" },
				   { DMA_NONE, "none" }, { DMA_BIDIRECTIONAL, "both" }))
);

TRACE_EVENT(zcmu_decide,
	TP_PROTO(const struct zcmu_device *device, u16 id, u32 bytes, bool lent),
	TP_ARGS(device, id, bytes, lent),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, bytes)
		__field(u16, id)
		__field(bool, lent)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->bytes = bytes;
		__entry->id = id;
		__entry->lent = lent;
	),
	TP_printk("minor=%d id=%u bytes=%u %s", __entry->minor, __entry->id, __entry->bytes,
		  __entry->lent ? "lend" : "copy")
);

TRACE_EVENT(zcmu_queue,
	TP_PROTO(const struct zcmu_device *device, u16 id, u32 offset, u32 len, bool lent),
	TP_ARGS(device, id, offset, len, lent),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, offset)
		__field(u32, len)
		__field(u16, id)
		__field(bool, lent)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->offset = offset;
		__entry->len = len;
		__entry->id = id;
		__entry->lent = lent;
	),
	TP_printk("minor=%d id=%u entry=%u+%u %s", __entry->minor, __entry->id,
		  __entry->offset, __entry->len, __entry->lent ? "lent" : "copied")
);

TRACE_EVENT(zcmu_fault,
	TP_PROTO(const struct zcmu_device *device, u16 id, u32 page, u32 ptes),
	TP_ARGS(device, id, page, ptes),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, page)
		__field(u32, ptes)
		__field(u16, id)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->page = page;
		__entry->ptes = ptes;
		__entry->id = id;
	),
	TP_printk("minor=%d id=%u page=%u ptes=%u", __entry->minor, __entry->id,
		  __entry->page, __entry->ptes)
);

TRACE_EVENT(zcmu_answer,
	TP_PROTO(const struct zcmu_device *device, u16 id, u8 status, u8 uflags),
	TP_ARGS(device, id, status, uflags),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(u8, status)
		__field(u8, uflags)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->status = status;
		__entry->uflags = uflags;
	),
	TP_printk("minor=%d id=%u status=0x%02x uflags=0x%x", __entry->minor, __entry->id,
		  __entry->status, __entry->uflags)
);

TRACE_EVENT(zcmu_second_try,
	TP_PROTO(const struct zcmu_device *device, u16 id, u8 status),
	TP_ARGS(device, id, status),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(u8, status)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->status = status;
	),
	TP_printk("minor=%d id=%u status=0x%02x", __entry->minor, __entry->id, __entry->status)
);

TRACE_EVENT(zcmu_take_back,
	TP_PROTO(const struct zcmu_device *device, u32 page, u32 pages, u32 commands),
	TP_ARGS(device, page, pages, commands),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u32, page)
		__field(u32, pages)
		__field(u32, commands)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->page = page;
		__entry->pages = pages;
		__entry->commands = commands;
	),
	TP_printk("minor=%d page=%u pages=%u commands=%u", __entry->minor, __entry->page,
		  __entry->pages, __entry->commands)
);

TRACE_EVENT(zcmu_revoke,
	TP_PROTO(const struct zcmu_device *device, u16 id, int ret),
	TP_ARGS(device, id, ret),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->ret = ret;
	),
	TP_printk("minor=%d id=%u ret=%d", __entry->minor, __entry->id, __entry->ret)
);

/* The handler wants a payload to be moved; ret: 0, or why that doesn't even begin */
TRACE_EVENT(zcmu_transfer,
	TP_PROTO(const struct zcmu_device *device, u16 id, u8 pieces, int ret),
	TP_ARGS(device, id, pieces, ret),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(u8, pieces)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->pieces = pieces;
		__entry->ret = ret;
	),
	TP_printk("minor=%d id=%u pieces=%u ret=%d", __entry->minor, __entry->id,
		  __entry->pieces, __entry->ret)
);

/* It is over; whether the handler is told */
TRACE_EVENT(zcmu_moved,
	TP_PROTO(const struct zcmu_device *device, u16 id, u32 bytes, int ret),
	TP_ARGS(device, id, bytes, ret),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(u32, bytes)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->bytes = bytes;
		__entry->ret = ret;
	),
	TP_printk("minor=%d id=%u bytes=%u ret=%d", __entry->minor, __entry->id,
		  __entry->bytes, __entry->ret)
);

TRACE_EVENT(zcmu_complete,
	TP_PROTO(const struct zcmu_device *device, u16 id, u8 status),
	TP_ARGS(device, id, status),
	TP_STRUCT__entry(
		__field(int, minor)
		__field(u16, id)
		__field(u8, status)
	),
	TP_fast_assign(
		__entry->minor = device->minor;
		__entry->id = id;
		__entry->status = status;
	),
	TP_printk("minor=%d id=%u status=0x%02x", __entry->minor, __entry->id, __entry->status)
);

#endif /* ZCMU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
