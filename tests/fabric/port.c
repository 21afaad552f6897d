// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target port of the tests' SCSI transport: one, made and removed in configfs
 * (target/zcmu_test/NAME/tpgt_1), open to its two initiators. They are logged in; log_out and
 * log_in, to which an initiator's number is written, end its session and begin another one.
 * Commands are command.c's.
 */
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "fabric.h"

struct port {
	struct se_wwn wwn;
	struct se_portal_group tpg;
	struct se_session *sessions[ZCMU_TEST_NEXUSES];
	char name[64];
};

/* Read by who submits a command; written by who makes or removes the port. */
static DECLARE_RWSEM(port_lock);
static struct port *the_port;

static struct port *port_of(struct se_portal_group *tpg)
{
	return container_of(tpg, struct port, tpg);
}

struct se_session *fabric_port_get(unsigned int nexus)
{
	struct se_session *session = NULL;

	down_read(&port_lock);
	if (the_port && nexus < ZCMU_TEST_NEXUSES)
		session = the_port->sessions[nexus];
	if (!session)
		up_read(&port_lock);
	return session;
}

void fabric_port_put(void)
{
	up_read(&port_lock);
}

static void remove_session(struct se_session *session)
{
	target_stop_session(session);
	target_wait_for_sess_cmds(session);
	target_remove_session(session);
}

static void remove_sessions(struct port *port)
{
	unsigned int i;

	for (i = 0; i < ZCMU_TEST_NEXUSES; i++) {
		if (port->sessions[i])
			remove_session(port->sessions[i]);
		port->sessions[i] = NULL;
	}
}

static int add_session(struct port *port, unsigned int nexus)
{
	struct se_session *session;
	char name[] = "zcmu-test-0";

	name[sizeof(name) - 2] += nexus;
	session = target_setup_session(&port->tpg, 0, 0, TARGET_PROT_NORMAL, name, NULL, NULL);
	if (IS_ERR(session))
		return PTR_ERR(session);
	port->sessions[nexus] = session;
	return 0;
}

static int add_sessions(struct port *port)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ZCMU_TEST_NEXUSES; i++) {
		ret = add_session(port, i);
		if (ret) {
			remove_sessions(port);
			return ret;
		}
	}
	return 0;
}

static ssize_t fabric_log_out_store(struct config_item *item, const char *page, size_t count)
{
	struct port *port = port_of(to_tpg(item));
	struct se_session *session = NULL;
	unsigned int nexus;
	int ret = kstrtouint(page, 0, &nexus);

	if (ret)
		return ret;
	down_write(&port_lock);
	if (nexus < ZCMU_TEST_NEXUSES)
		swap(session, port->sessions[nexus]);
	up_write(&port_lock);
	if (!session)
		return -ENODEV;
	remove_session(session);
	return count;
}
CONFIGFS_ATTR_WO(fabric_, log_out);

static ssize_t fabric_log_in_store(struct config_item *item, const char *page, size_t count)
{
	struct port *port = port_of(to_tpg(item));
	unsigned int nexus;
	int ret = kstrtouint(page, 0, &nexus);

	if (ret)
		return ret;
	down_write(&port_lock);
	if (nexus >= ZCMU_TEST_NEXUSES || port->sessions[nexus])
		ret = -EBUSY;
	else
		ret = add_session(port, nexus);
	up_write(&port_lock);
	return ret ?: count;
}
CONFIGFS_ATTR_WO(fabric_, log_in);

static struct configfs_attribute *tpg_attrs[] = {
	&fabric_attr_log_out,
	&fabric_attr_log_in,
	NULL
};

static struct se_wwn *make_wwn(struct target_fabric_configfs *tf, struct config_group *group,
			       const char *name)
{
	struct port *port = kzalloc(sizeof(*port), GFP_KERNEL);

	if (!port)
		return ERR_PTR(-ENOMEM);
	strscpy(port->name, name, sizeof(port->name));
	return &port->wwn;
}

static void drop_wwn(struct se_wwn *wwn)
{
	kfree(container_of(wwn, struct port, wwn));
}

static struct se_portal_group *make_tpg(struct se_wwn *wwn, const char *name)
{
	struct port *port = container_of(wwn, struct port, wwn);
	int ret;

	if (strcmp(name, "tpgt_1"))
		return ERR_PTR(-EINVAL);
	ret = core_tpg_register(wwn, &port->tpg, SCSI_PROTOCOL_SAS);
	if (ret)
		return ERR_PTR(ret);
	ret = add_sessions(port);
	if (ret)
		goto deregister;

	down_write(&port_lock);
	ret = the_port ? -EBUSY : 0;
	if (!ret)
		the_port = port;
	up_write(&port_lock);
	if (!ret)
		return &port->tpg;

	remove_sessions(port);
deregister:
	core_tpg_deregister(&port->tpg);
	return ERR_PTR(ret);
}

static void drop_tpg(struct se_portal_group *tpg)
{
	struct port *port = port_of(tpg);

	down_write(&port_lock);
	the_port = NULL;
	up_write(&port_lock);
	remove_sessions(port);
	core_tpg_deregister(tpg);
}

static char *get_wwn(struct se_portal_group *tpg)
{
	return port_of(tpg)->name;
}

static u16 get_tag(struct se_portal_group *tpg)
{
	return 1;
}

static u32 get_index(struct se_portal_group *tpg)
{
	return 1;
}

static int yes(struct se_portal_group *tpg)
{
	return 1;
}

static int no(struct se_portal_group *tpg)
{
	return 0;
}

static u32 session_index(struct se_session *session)
{
	return 1;
}

static void default_attributes(struct se_node_acl *acl)
{
}

static int cmd_state(struct se_cmd *se_cmd)
{
	return 0;
}

static const struct target_core_fabric_ops ops = {
	.module = THIS_MODULE,
	.fabric_name = "zcmu_test",
	.tpg_get_wwn = get_wwn,
	.tpg_get_tag = get_tag,
	.tpg_check_demo_mode = yes,
	/* Whoever logs in again is the same initiator, as if the port had a list of them. */
	.tpg_check_demo_mode_cache = yes,
	.tpg_check_demo_mode_write_protect = no,
	.tpg_check_prod_mode_write_protect = no,
	.tpg_get_inst_index = get_index,
	.sess_get_index = session_index,
	.set_default_node_attributes = default_attributes,
	.get_cmd_state = cmd_state,
	.fabric_make_wwn = make_wwn,
	.fabric_drop_wwn = drop_wwn,
	.fabric_make_tpg = make_tpg,
	.fabric_drop_tpg = drop_tpg,
	.write_pending = fabric_write_pending,
	.queue_data_in = fabric_queue_status,
	.queue_status = fabric_queue_status,
	.queue_tm_rsp = fabric_queue_tm_rsp,
	.aborted_task = fabric_aborted_task,
	.check_stop_free = fabric_check_stop_free,
	.release_cmd = fabric_release_cmd,
	.tfc_tpg_base_attrs = tpg_attrs,
	FABRIC_SUBMITS_DIRECTLY
};

static int __init fabric_init(void)
{
	int ret = target_register_template(&ops);

	if (ret)
		return ret;
	ret = fabric_device_register();
	if (ret)
		target_unregister_template(&ops);
	return ret;
}

static void __exit fabric_exit(void)
{
	fabric_device_unregister();
	target_unregister_template(&ops);
}

module_init(fabric_init);
module_exit(fabric_exit);

MODULE_DESCRIPTION("SCSI transport for the tests of zcmu");
MODULE_LICENSE("GPL");
