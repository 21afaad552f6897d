// SPDX-License-Identifier: GPL-2.0-only
/* Sets the module up: caches, workqueue, root device, backend. No logic. */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "device.h"
#include "zcmu_kernel.h"

struct workqueue_struct *zcmu_wq;
struct kmem_cache *zcmu_cmd_cache;
struct device *zcmu_root_device;

static int attach_hba(struct se_hba *hba, u32 host_id)
{
	struct zcmu_hba *zcmu_hba = kzalloc(sizeof(*zcmu_hba), GFP_KERNEL);

	if (!zcmu_hba)
		return -ENOMEM;
	zcmu_hba->host_id = host_id;
	hba->hba_ptr = zcmu_hba;
	return 0;
}

static void detach_hba(struct se_hba *hba)
{
	kfree(hba->hba_ptr);
	hba->hba_ptr = NULL;
}

static struct target_backend_ops backend = {
	.name = "user",
	.owner = THIS_MODULE,
	.transport_flags_default = TRANSPORT_FLAG_PASSTHROUGH,
	.transport_flags_changeable = TRANSPORT_FLAG_PASSTHROUGH_PGR |
				      TRANSPORT_FLAG_PASSTHROUGH_ALUA,
	.attach_hba = attach_hba,
	.detach_hba = detach_hba,
	.alloc_device = zcmu_device_alloc,
	.configure_device = zcmu_device_configure,
	.destroy_device = zcmu_device_destroy,
	.free_device = zcmu_device_free,
	.plug_device = zcmu_plug,
	.unplug_device = zcmu_unplug,
	.set_configfs_dev_params = zcmu_control_store,
	.show_configfs_dev_params = zcmu_info_show,
	.parse_cdb = zcmu_parse_cdb,
	.tmr_notify = zcmu_tmr_notify,
	.get_device_type = sbc_get_device_type,
	.get_blocks = zcmu_device_blocks,
	.tb_dev_action_attrs = zcmu_action_attrs,
};

static bool lends;
module_param(lends, bool, 0444);
MODULE_PARM_DESC(lends, "to read: N if payloads are never lent, because the kernel checks page tables");

static int __init zcmu_init(void)
{
	int ret = -ENOMEM;

	/* The value given is ignored: the parameter is read by zcmu doctor. */
	lends = zcmu_fault_can_lend();
	if (!lends)
		pr_warn("every payload is copied: the kernel was booted with page_table_check\n");

	zcmu_reclaim_start();
	zcmu_wq = alloc_workqueue("zcmu", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!zcmu_wq)
		return ret;

	zcmu_cmd_cache = KMEM_CACHE(zcmu_cmd, 0);
	if (!zcmu_cmd_cache)
		goto destroy_wq;

	ret = zcmu_defer_init();
	if (ret)
		goto destroy_cache;

	/* Handlers look for this name. Stock has the same, so only one of the two can be loaded. */
	zcmu_root_device = root_device_register("tcm_user");
	if (IS_ERR(zcmu_root_device)) {
		ret = PTR_ERR(zcmu_root_device);
		goto exit_wake;
	}

	backend.tb_dev_attrib_attrs = zcmu_attrib_attrs_create();
	if (!backend.tb_dev_attrib_attrs) {
		ret = -ENOMEM;
		goto unregister_root;
	}

	ret = zcmu_netlink_register();
	if (ret)
		goto free_attribs;

	ret = transport_backend_register(&backend);
	if (ret)
		goto unregister_netlink;
	return 0;

unregister_netlink:
	zcmu_netlink_unregister();
free_attribs:
	kfree(backend.tb_dev_attrib_attrs);
unregister_root:
	root_device_unregister(zcmu_root_device);
exit_wake:
	zcmu_defer_exit();
destroy_cache:
	kmem_cache_destroy(zcmu_cmd_cache);
destroy_wq:
	destroy_workqueue(zcmu_wq);
	return ret;
}

static void __exit zcmu_exit(void)
{
	target_backend_unregister(&backend);
	zcmu_netlink_unregister();
	kfree(backend.tb_dev_attrib_attrs);
	root_device_unregister(zcmu_root_device);
	/* Devices are freed after a grace period, by a function of ours. */
	rcu_barrier();
	zcmu_reclaim_stop();
	zcmu_defer_exit();
	kmem_cache_destroy(zcmu_cmd_cache);
	destroy_workqueue(zcmu_wq);
}

module_init(zcmu_init);
module_exit(zcmu_exit);

MODULE_DESCRIPTION("TCMU backend that lends the pages of a request to user space (zcmu)");
MODULE_AUTHOR("The zcmu authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(ZCMU_VERSION);
