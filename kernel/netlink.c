// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events by generic netlink, for daemons that look after many devices: a device was added, removed,
 * or is to be changed; and the daemon's reply, if it has said that it replies. zcmu itself needs
 * none of this.
 *
 * A reply is awaited for netlink_reply_time_out seconds at most, and a waiter can be killed: a
 * daemon that dies or never learnt of the device must not hang the process that creates or removes
 * it.
 */
#include <linux/completion.h>
#include <linux/module.h>
#include <net/genetlink.h>

#include "device.h"
#include "zcmu_kernel.h"

/* Somebody waits for a daemon's reply. Lives on the waiter's stack. */
struct request {
	struct list_head node;
	const struct zcmu_device *device;
	enum zcmu_genl_cmd cmd;
	int status;
	struct completion done;
};

static DEFINE_MUTEX(requests_lock);	/* the list, and whether a request is on it */
static LIST_HEAD(requests);
static u8 daemon_replies;		/* SET_FEATURES */
static bool blocked;
static unsigned int reply_time_out = 120;

module_param_named(netlink_reply_time_out, reply_time_out, uint, 0644);
MODULE_PARM_DESC(netlink_reply_time_out,
		 "Seconds to wait for a daemon's reply; 0: for ever, as stock does");

/*
 * What the daemon sends
 */

static struct request *find_request(u32 device_id)
{
	struct request *request;

	list_for_each_entry(request, &requests, node) {
		if (request->device->index == device_id)
			return request;
	}
	return NULL;
}

/* End a request. requests_lock is held. */
static void end_request(struct request *request, int status)
{
	lockdep_assert_held(&requests_lock);
	request->status = status;
	list_del_init(&request->node);
	complete(&request->done);
}

/*
 * A reply of the wrong kind ends the wait, too, as with stock: the daemon has lost track, and the
 * right reply may never come. (With stock the waiter doesn't learn of it.)
 */
static int take_reply(struct genl_info *info, enum zcmu_genl_cmd cmd)
{
	const struct nlattr *id = info->attrs[ZCMU_GENL_ATTR_DEVICE_ID];
	const struct nlattr *status = info->attrs[ZCMU_GENL_ATTR_CMD_STATUS];
	struct request *request;
	int ret = 0;

	if (!id || !status)
		return -EINVAL;
	mutex_lock(&requests_lock);
	request = find_request(nla_get_u32(id));
	if (!request) {
		ret = -ENODEV;
	} else if (request->cmd != cmd) {
		pr_err("%s: the daemon has replied to netlink event %d, and is asked for a reply to %d\n",
		       request->device->name, cmd, request->cmd);
		ret = -EINVAL;
		end_request(request, ret);
	} else {
		end_request(request, nla_get_s32(status));
	}
	mutex_unlock(&requests_lock);
	return ret;
}

static int added_done(struct sk_buff *skb, struct genl_info *info)
{
	return take_reply(info, ZCMU_GENL_ADDED_DEVICE);
}

static int removed_done(struct sk_buff *skb, struct genl_info *info)
{
	return take_reply(info, ZCMU_GENL_REMOVED_DEVICE);
}

static int reconfig_done(struct sk_buff *skb, struct genl_info *info)
{
	return take_reply(info, ZCMU_GENL_RECONFIG_DEVICE);
}

static int set_features(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *replies = info->attrs[ZCMU_GENL_ATTR_SUPP_KERN_CMD_REPLY];

	if (replies)
		WRITE_ONCE(daemon_replies, nla_get_u8(replies));
	return 0;
}

static const struct nla_policy policy[ZCMU_GENL_ATTR_COUNT] = {
	[ZCMU_GENL_ATTR_DEVICE]			= { .type = NLA_STRING },
	[ZCMU_GENL_ATTR_MINOR]			= { .type = NLA_U32 },
	[ZCMU_GENL_ATTR_CMD_STATUS]		= { .type = NLA_S32 },
	[ZCMU_GENL_ATTR_DEVICE_ID]		= { .type = NLA_U32 },
	[ZCMU_GENL_ATTR_SUPP_KERN_CMD_REPLY]	= { .type = NLA_U8 },
};

/* Daemons were written before netlink validated strictly. */
#define LAX	(GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP)

static const struct genl_small_ops ops[] = {
	{ .cmd = ZCMU_GENL_SET_FEATURES, .doit = set_features,
	  .flags = GENL_ADMIN_PERM, .validate = LAX },
	{ .cmd = ZCMU_GENL_ADDED_DEVICE_DONE, .doit = added_done,
	  .flags = GENL_ADMIN_PERM, .validate = LAX },
	{ .cmd = ZCMU_GENL_REMOVED_DEVICE_DONE, .doit = removed_done,
	  .flags = GENL_ADMIN_PERM, .validate = LAX },
	{ .cmd = ZCMU_GENL_RECONFIG_DEVICE_DONE, .doit = reconfig_done,
	  .flags = GENL_ADMIN_PERM, .validate = LAX },
};

static const struct genl_multicast_group groups[] = {
	{ .name = ZCMU_GENL_GROUP },
};

static struct genl_family family __ro_after_init = {
	.module = THIS_MODULE,
	.name = ZCMU_GENL_FAMILY,
	.version = ZCMU_GENL_VERSION,
	.maxattr = ZCMU_GENL_ATTR_COUNT - 1,
	.policy = policy,
	.netnsok = true,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.resv_start_op = ZCMU_GENL_SET_FEATURES + 1,
};

/*
 * What the kernel sends
 */

/* Must a reply be awaited for events of this device? */
static bool wants_reply(const struct zcmu_device *device)
{
	return READ_ONCE(daemon_replies) && READ_ONCE(device->nl_reply_supported) > 0;
}

/* "enable": what the daemon says, if there is one, unless nobody's reply is wanted. */
void zcmu_netlink_configure(struct zcmu_device *device)
{
	if (READ_ONCE(device->nl_reply_supported) >= 0)
		WRITE_ONCE(device->nl_reply_supported, READ_ONCE(daemon_replies));
}

/* The name changes with dev_config. */
static int put_name(struct sk_buff *skb, struct zcmu_device *device)
{
	int ret;

	mutex_lock(&device->config_lock);
	ret = nla_put_string(skb, ZCMU_GENL_ATTR_DEVICE, device->uio.name);
	mutex_unlock(&device->config_lock);
	return ret;
}

static struct sk_buff *make_event(struct zcmu_device *device, enum zcmu_genl_cmd cmd,
				  void **header)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!skb)
		return NULL;
	*header = genlmsg_put(skb, 0, 0, &family, 0, cmd);
	if (*header &&
	    !put_name(skb, device) &&
	    !nla_put_u32(skb, ZCMU_GENL_ATTR_MINOR, device->minor) &&
	    !nla_put_u32(skb, ZCMU_GENL_ATTR_DEVICE_ID, device->index))
		return skb;
	nlmsg_free(skb);
	return NULL;
}

/* Announce that a reply is awaited, before anybody can send it. */
static int begin_request(struct request *request)
{
	int ret = 0;

	init_completion(&request->done);
	INIT_LIST_HEAD(&request->node);
	mutex_lock(&requests_lock);
	if (blocked)
		ret = -EAGAIN;
	else if (find_request(request->device->index))
		ret = -EBUSY;
	else
		list_add_tail(&request->node, &requests);
	mutex_unlock(&requests_lock);
	return ret;
}

/* Nobody finds the request when this returns. Return: whether it had been ended. */
static bool cancel_request(struct request *request)
{
	bool ended;

	mutex_lock(&requests_lock);
	ended = list_empty(&request->node);
	list_del_init(&request->node);
	mutex_unlock(&requests_lock);
	return ended;
}

static int await_reply(struct request *request)
{
	unsigned int seconds = READ_ONCE(reply_time_out);
	unsigned long patience = seconds ? (unsigned long)seconds * HZ : MAX_SCHEDULE_TIMEOUT;
	long left = wait_for_completion_killable_timeout(&request->done, patience);

	if (left > 0 || cancel_request(request))
		return request->status;
	if (left < 0)
		return -EINTR;
	pr_warn("%s: no reply to a netlink event in %u s (is the daemon gone?); see netlink_reply_time_out\n",
		request->device->name, seconds);
	return -ETIMEDOUT;
}

/*
 * Send an event, and await the reply if there is to be one. Return: 0; the status
 * that the daemon sent; -EAGAIN if netlink is blocked; or another errno.
 */
static int send_event(const struct zcmu_device *device, enum zcmu_genl_cmd cmd,
		      struct sk_buff *skb, void *header)
{
	struct request request = { .device = device, .cmd = cmd };
	bool waits = wants_reply(device);
	int ret = waits ? begin_request(&request) : 0;

	if (ret) {
		pr_warn("%s: netlink event %d was not sent: %s\n", device->name, cmd,
			ret == -EAGAIN ? "netlink is blocked" : "another is under way");
		nlmsg_free(skb);
		return ret;
	}
	genlmsg_end(skb, header);
	ret = genlmsg_multicast_allns(&family, skb, 0, 0);
	if (!waits)
		/* Nobody listens: that is nobody's fault. */
		return ret == -ESRCH ? 0 : ret;
	/* A daemon that is about to start looks for new devices itself, and replies. */
	if (!ret || (ret == -ESRCH && cmd == ZCMU_GENL_ADDED_DEVICE))
		return await_reply(&request);
	cancel_request(&request);
	return ret;
}

static int send_plain(struct zcmu_device *device, enum zcmu_genl_cmd cmd)
{
	void *header;
	struct sk_buff *skb = make_event(device, cmd, &header);

	return skb ? send_event(device, cmd, skb, header) : -ENOMEM;
}

int zcmu_netlink_added(struct zcmu_device *device)
{
	return send_plain(device, ZCMU_GENL_ADDED_DEVICE);
}

/* It goes, whatever the daemon says. */
void zcmu_netlink_removed(struct zcmu_device *device)
{
	send_plain(device, ZCMU_GENL_REMOVED_DEVICE);
}

/*
 * Ask the daemon whether it can have it so. @put: whether the attribute that says what
 * found room in the event. Return: 0 if the change may be made.
 */
static int send_reconfig(const struct zcmu_device *device, struct sk_buff *skb, void *header,
			 int put)
{
	if (put) {
		nlmsg_free(skb);
		return put;
	}
	return send_event(device, ZCMU_GENL_RECONFIG_DEVICE, skb, header);
}

int zcmu_netlink_reconfig_size(struct zcmu_device *device, u64 bytes)
{
	void *header;
	struct sk_buff *skb = make_event(device, ZCMU_GENL_RECONFIG_DEVICE, &header);

	if (!skb)
		return -ENOMEM;
	return send_reconfig(device, skb, header,
			     nla_put_u64_64bit(skb, ZCMU_GENL_ATTR_DEV_SIZE, bytes,
					       ZCMU_GENL_ATTR_PAD));
}

int zcmu_netlink_reconfig_config(struct zcmu_device *device, const char *config)
{
	void *header;
	struct sk_buff *skb = make_event(device, ZCMU_GENL_RECONFIG_DEVICE, &header);

	if (!skb)
		return -ENOMEM;
	return send_reconfig(device, skb, header,
			     nla_put_string(skb, ZCMU_GENL_ATTR_DEV_CFG, config));
}

int zcmu_netlink_reconfig_cache(struct zcmu_device *device, u8 value)
{
	void *header;
	struct sk_buff *skb = make_event(device, ZCMU_GENL_RECONFIG_DEVICE, &header);

	if (!skb)
		return -ENOMEM;
	return send_reconfig(device, skb, header, nla_put_u8(skb, ZCMU_GENL_ATTR_WRITECACHE,
						       value));
}

/*
 * block_netlink and reset_netlink: for a daemon that was restarted and has lost
 * track of what it was asked. First block, so that nothing new comes; then reset.
 */

static int block_show(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%s\n", blocked ? "blocked" : "unblocked");
}

static int block_store(const char *text, const struct kernel_param *param)
{
	u8 value;
	int ret = kstrtou8(text, 0, &value);

	if (ret)
		return ret;
	if (value > 1) {
		pr_err("block_netlink must be 0 or 1, not %u\n", value);
		return -EINVAL;
	}
	mutex_lock(&requests_lock);
	blocked = value;
	mutex_unlock(&requests_lock);
	return 0;
}

static const struct kernel_param_ops block_ops = { .set = block_store, .get = block_show };

module_param_cb(block_netlink, &block_ops, NULL, 0644);
MODULE_PARM_DESC(block_netlink, "1: send no netlink events that need a reply");

static int reset_store(const char *text, const struct kernel_param *param)
{
	struct request *request, *next;
	u8 value;
	int ret = kstrtou8(text, 0, &value);

	if (ret)
		return ret;
	if (value != 1) {
		pr_err("reset_netlink must be 1, not %u\n", value);
		return -EINVAL;
	}
	mutex_lock(&requests_lock);
	if (!blocked && !list_empty(&requests)) {
		pr_err("reset_netlink: write 1 to block_netlink first\n");
		ret = -EBUSY;
	}
	list_for_each_entry_safe(request, next, &requests, node) {
		if (!ret)
			end_request(request, -EINTR);
	}
	mutex_unlock(&requests_lock);
	return ret;
}

static const struct kernel_param_ops reset_ops = { .set = reset_store };

module_param_cb(reset_netlink, &reset_ops, NULL, 0200);
MODULE_PARM_DESC(reset_netlink, "1: fail the events that wait for a reply with EINTR");

int __init zcmu_netlink_register(void)
{
	return genl_register_family(&family);
}

void zcmu_netlink_unregister(void)
{
	genl_unregister_family(&family);
}
