// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNIT ATTENTION, CAPACITY DATA HAS CHANGED: each initiator is told once, with its next command,
 * that the size of the disk has changed. The core has unit attentions of its own, but lets no
 * backend raise them.
 *
 * An initiator is known by its name and its session's identifier, as in a transport id (SPC-4
 * 7.6.4), not by the address of its session: a later session may have the same address. Names are
 * compared by the number that the core gives to one node ACL only.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "zcmu_kernel.h"

/* An initiator that was told. On device->attention.told; its lock. */
struct told {
	struct list_head node;
	u32 acl_index;
	u64 isid;
	u64 round;		/* of forget_dead(), the latest that has seen its session */
};

/* Does it come from an initiator? The core's own EXTENDED COPY caches no size. */
static bool is_initiators(const struct se_session *session)
{
	return session && session->se_node_acl && !list_empty(&session->sess_list);
}

static bool is_of(const struct told *told, const struct se_session *session)
{
	return told->acl_index == session->se_node_acl->acl_index &&
	       told->isid == session->sess_bin_isid;
}

/* attention->lock is held. */
static struct told *find_told(const struct zcmu_device *device, const struct se_session *session)
{
	struct told *told;

	lockdep_assert_held(&device->attention.lock);
	list_for_each_entry(told, &device->attention.told, node) {
		if (is_of(told, session))
			return told;
	}
	return NULL;
}

static void free_told(struct list_head *list)
{
	struct told *told, *next;

	list_for_each_entry_safe(told, next, list, node)
		kfree(told);
}

/* Nobody uses the device any more. */
void zcmu_attention_forget(struct zcmu_device *device)
{
	free_told(&device->attention.told);
}

/* Everybody is to be told anew. */
void zcmu_attention_raise(struct zcmu_device *device)
{
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&device->attention.lock, flags);
	list_splice_init(&device->attention.told, &list);
	WRITE_ONCE(device->attention.is_raised, true);
	spin_unlock_irqrestore(&device->attention.lock, flags);
	free_told(&list);
}

/* A session that is on its target port's list has its node ACL. */
static void note_live(struct zcmu_device *device, struct se_portal_group *tpg, u64 round)
{
	struct se_session *session;
	struct told *told;
	unsigned long flags;

	spin_lock_irqsave(&tpg->session_lock, flags);
	spin_lock(&device->attention.lock);
	list_for_each_entry(session, &tpg->tpg_sess_list, sess_list) {
		told = session->se_node_acl ? find_told(device, session) : NULL;
		if (told)
			told->round = max(told->round, round);
	}
	spin_unlock(&device->attention.lock);
	spin_unlock_irqrestore(&tpg->session_lock, flags);
}

/*
 * Forget initiators without a session. Nothing reports the end of a session, and initiators may
 * choose any name, so the list could grow without limit. An initiator that is forgotten and comes
 * back is told again, which is harmless.
 */
static void forget_dead(struct zcmu_device *device)
{
	struct se_device *se_dev = &device->se_dev;
	struct told *told, *next;
	struct se_lun *lun;
	unsigned long flags;
	LIST_HEAD(dead);
	u64 round;

	/* Several threads may do this at once, each with its own number. */
	spin_lock_irqsave(&device->attention.lock, flags);
	round = ++device->attention.round;
	spin_unlock_irqrestore(&device->attention.lock, flags);

	spin_lock(&se_dev->se_port_lock);
	list_for_each_entry(lun, &se_dev->dev_sep_list, lun_dev_link)
		note_live(device, lun->lun_tpg, round);
	spin_unlock(&se_dev->se_port_lock);

	spin_lock_irqsave(&device->attention.lock, flags);
	list_for_each_entry_safe(told, next, &device->attention.told, node) {
		if (told->round < round)
			list_move(&told->node, &dead);
	}
	spin_unlock_irqrestore(&device->attention.lock, flags);
	free_told(&dead);
}

/* Note that the session's initiator was told. Return: false if it had been, or no memory. */
static bool note_told(struct zcmu_device *device, const struct se_session *session)
{
	struct told *told = kmalloc(sizeof(*told), ZCMU_GFP_NOW);
	unsigned long flags;
	bool is_new;

	if (!told)
		return false;
	told->acl_index = session->se_node_acl->acl_index;
	told->isid = session->sess_bin_isid;
	spin_lock_irqsave(&device->attention.lock, flags);
	told->round = device->attention.round;
	is_new = !find_told(device, session);
	if (is_new)
		list_add(&told->node, &device->attention.told);
	spin_unlock_irqrestore(&device->attention.lock, flags);
	if (!is_new)
		kfree(told);
	return is_new;
}

static bool was_told(struct zcmu_device *device, const struct se_session *session)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&device->attention.lock, flags);
	was = find_told(device, session);
	spin_unlock_irqrestore(&device->attention.lock, flags);
	return was;
}

/* SPC-4 5.14: these are executed as if there were no unit attention. */
static bool ignores_attention(const struct se_cmd *se_cmd)
{
	switch (se_cmd->t_task_cdb[0]) {
	case INQUIRY:
	case REPORT_LUNS:
	case REQUEST_SENSE:
		return true;
	default:
		return false;
	}
}

/*
 * Must this command be answered with a unit attention? The answer clears it. Without memory to note
 * that, a later command gets it.
 */
bool zcmu_attention_due(struct zcmu_device *device, const struct se_cmd *se_cmd)
{
	const struct se_session *session = se_cmd->se_sess;

	if (likely(!READ_ONCE(device->attention.is_raised)) || ignores_attention(se_cmd) ||
	    !is_initiators(session) || was_told(device, session))
		return false;
	forget_dead(device);
	return note_told(device, session);
}

void zcmu_attention_answer(struct se_cmd *se_cmd)
{
	unsigned char sense[TRANSPORT_SENSE_BUFFER] = {
		[0] = 0x70,	/* fixed format, SPC-4 4.5.3 */
		[2] = UNIT_ATTENTION,
		[7] = 10,
		[12] = 0x2a,	/* CAPACITY DATA HAS CHANGED */
		[13] = 0x09,
	};

	transport_copy_sense_to_cmd(se_cmd, sense);
	target_complete_cmd(se_cmd, SAM_STAT_CHECK_CONDITION);
}
