// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in a command's entry on the ring: header, iovecs, CDB (zcmu-abi.h). submit.c says when it
 * is put there, and ring.c where.
 */
#include <scsi/scsi_common.h>
#include <scsi/scsi_proto.h>
#include <target/target_core_fabric.h>

#include "zcmu_kernel.h"

static u32 iovec_count(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan)
{
	return cmd->lent ? plan->nr_runs : cmd->out.nr + cmd->in.nr;
}

/* Where the CDB begins: behind the iovecs, and behind the room that an answer needs. */
static u32 cdb_offset(u32 iovecs)
{
	return max_t(u32, offsetof(struct zcmu_cmd_entry, req.iov) +
			  iovecs * sizeof(struct zcmu_iovec),
		     sizeof(struct zcmu_cmd_entry));
}

static u32 cdb_room(const struct zcmu_cmd *cmd)
{
	return round_up(scsi_command_size(cmd->se_cmd->t_task_cdb), ZCMU_ENTRY_ALIGN);
}

/* Is the handler told the target port? The core's own commands have none. */
static bool tells_port(const struct se_cmd *se_cmd)
{
	return se_cmd->t_task_cdb[0] == INQUIRY && se_cmd->se_lun && se_cmd->se_lun->lun_tpg;
}

/* Bytes of the whole entry */
u32 zcmu_entry_length(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan)
{
	return cdb_offset(iovec_count(cmd, plan)) + cdb_room(cmd) +
	       (tells_port(cmd->se_cmd) ? sizeof(struct zcmu_port) : 0);
}

/* The command holds its LUN, which holds the target port. */
static void put_port(struct zcmu_port *port, struct se_lun *lun)
{
	struct se_portal_group *tpg = lun->lun_tpg;
	const struct target_core_fabric_ops *ops = tpg->se_tpg_tfo;
	const struct t10_alua_tg_pt_gp *group;
	const char *name = ops->tpg_get_wwn(tpg);

	port->relative_port = zcmu_relative_port(lun);
	port->portal_group = ops->tpg_get_tag(tpg);
	port->protocol = tpg->proto_id;
	if (name && strlen(name) < sizeof(port->name))
		strscpy(port->name, name, sizeof(port->name));
	rcu_read_lock();
	group = rcu_dereference(lun->lun_tg_pt_gp);
	if (group) {
		port->port_group = group->tg_pt_gp_id;
		port->has_port_group = 1;
	}
	rcu_read_unlock();
}

static void put_run_iovecs(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan,
			   struct zcmu_iovec *iov)
{
	u64 base = (u64)(cmd->device->window_pgoff +
			 cmd->loan.slot * ZCMU_SLOT_PAGES) << PAGE_SHIFT;
	u32 i;

	for (i = 0; i < plan->nr_runs; i++) {
		iov->base = base + ((u64)plan->runs[i].page << PAGE_SHIFT) + plan->runs[i].offset;
		iov->len = plan->runs[i].len;
		iov++;
	}
}

static struct zcmu_iovec *put_extent_iovecs(const struct zcmu_cmd *cmd,
					    const struct zcmu_extents *extents,
					    struct zcmu_iovec *iov)
{
	const struct zcmu_copy_area *area = &cmd->device->copy;
	u64 base = (u64)cmd->device->copy_pgoff << PAGE_SHIFT;
	u64 block = (u64)area->pages_per_block << PAGE_SHIFT;
	u64 left = extents->bytes;
	u32 i;

	for (i = 0; i < extents->nr; i++) {
		u64 len = min_t(u64, extents->list[i].count * block, left);

		iov->base = base + extents->list[i].first * block;
		iov->len = len;
		left -= len;
		iov++;
	}
	return iov;
}

/* Fill in a zeroed entry of @len bytes, @offset bytes into map 0. */
void zcmu_entry_fill(const struct zcmu_cmd *cmd, const struct zcmu_plan *plan,
		     struct zcmu_cmd_entry *entry, u32 offset, u32 len)
{
	u32 cdb = cdb_offset(iovec_count(cmd, plan));
	void *iov = (void *)entry + offsetof(struct zcmu_cmd_entry, req.iov);

	entry->hdr.len_op = len | ZCMU_OP_CMD;
	entry->hdr.cmd_id = cmd->id;
	if (cmd->lent) {
		entry->hdr.kflags = ZCMU_KFLAG_LENT;
		entry->req.iov_cnt = plan->nr_runs;
		put_run_iovecs(cmd, plan, iov);
	} else {
		entry->req.iov_cnt = cmd->out.nr;
		entry->req.iov_bidi_cnt = cmd->in.nr;
		iov = put_extent_iovecs(cmd, &cmd->out, iov);
		put_extent_iovecs(cmd, &cmd->in, iov);
	}
	entry->req.cdb_off = offset + cdb;
	memcpy((void *)entry + cdb, cmd->se_cmd->t_task_cdb,
	       scsi_command_size(cmd->se_cmd->t_task_cdb));
	if (tells_port(cmd->se_cmd)) {
		entry->req.port_off = entry->req.cdb_off + cdb_room(cmd);
		put_port((void *)entry + cdb + cdb_room(cmd), cmd->se_cmd->se_lun);
	}
}
