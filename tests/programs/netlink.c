// SPDX-License-Identifier: MIT
/*
 * The other end of the kernel's netlink family "TCM-USER", written with libnl as handlers
 * are. Knows nothing of rings and disks.
 *
 *	netlink watch		print what the kernel tells, an event a line
 *	netlink answer STATUS	the same, and answer each event with STATUS (0 or -errno)
 *	netlink silent		the same, promise answers and give none
 *	netlink reply COMMAND ID STATUS	answer an event that nobody may have sent
 *	netlink family		what the family says of itself
 *
 * An event is printed as "added tcm-user/99/disk/test minor 0 id 1 [size 4096]".
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/family.h>
#include <netlink/genl/genl.h>

/* The kernel's numbers: linux/target_core_user.h has them, but brings a struct iovec along. */
enum { ADDED = 1, REMOVED, RECONFIG, ADDED_DONE, REMOVED_DONE, RECONFIG_DONE, SET_FEATURES };
enum {
	A_DEVICE = 1,
	A_MINOR,
	A_DEV_CFG = 4,
	A_DEV_SIZE,
	A_WRITECACHE,
	A_CMD_STATUS,
	A_DEVICE_ID,
	A_SUPP_REPLY,
	A_COUNT
};

#define VERSION 2

static struct nl_sock *commands;
static int family;
static bool answering;
static int status;

static _Noreturn void die(const char *what, int err)
{
	fprintf(stderr, "netlink: %s: %s\n", what, nl_geterror(err));
	exit(1);
}

static struct nl_sock *connected(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	int err = sock ? genl_connect(sock) : -NLE_NOMEM;

	if (err)
		die("genl_connect", err);
	return sock;
}

static struct nl_msg *message(uint8_t command)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, command, VERSION))
		die("genlmsg_put", -NLE_NOMEM);
	return msg;
}

/* Return: what the kernel said to it; 0 or a negative libnl error. */
static int sent(struct nl_msg *msg)
{
	int err = nl_send_auto(commands, msg);

	nlmsg_free(msg);
	return err < 0 ? err : nl_wait_for_ack(commands);
}

static int reply(uint8_t command, uint32_t id, int result)
{
	struct nl_msg *msg = message(command);

	if (nla_put_u32(msg, A_DEVICE_ID, id) || nla_put_s32(msg, A_CMD_STATUS, result))
		die("nla_put", -NLE_NOMEM);
	return sent(msg);
}

static void promise_answers(void)
{
	struct nl_msg *msg = message(SET_FEATURES);
	int err;

	if (nla_put_u8(msg, A_SUPP_REPLY, 1))
		die("nla_put", -NLE_NOMEM);
	err = sent(msg);
	if (err)
		die("SET_FEATURES", err);
}

static int event(struct nl_msg *msg, void *unused)
{
	static const char *const names[] = { "?", "added", "removed", "reconfig" };
	struct genlmsghdr *header = genlmsg_hdr(nlmsg_hdr(msg));
	struct nlattr *attrs[A_COUNT];
	uint8_t command = header->cmd;
	int err;

	(void)unused;
	err = genlmsg_parse(nlmsg_hdr(msg), 0, attrs, A_COUNT - 1, NULL);
	if (err)
		die("genlmsg_parse", err);
	if (command > RECONFIG || !attrs[A_DEVICE] || !attrs[A_MINOR] || !attrs[A_DEVICE_ID]) {
		printf("strange: command %u\n", command);
		return NL_OK;
	}
	printf("%s %s minor %u id %u", names[command], nla_get_string(attrs[A_DEVICE]),
	       nla_get_u32(attrs[A_MINOR]), nla_get_u32(attrs[A_DEVICE_ID]));
	if (header->version != VERSION)
		printf(" version %u", header->version);
	if (attrs[A_DEV_CFG])
		printf(" config %s", nla_get_string(attrs[A_DEV_CFG]));
	if (attrs[A_DEV_SIZE])
		printf(" size %llu", (unsigned long long)nla_get_u64(attrs[A_DEV_SIZE]));
	if (attrs[A_WRITECACHE])
		printf(" writecache %u", nla_get_u8(attrs[A_WRITECACHE]));
	putchar('\n');
	if (answering) {
		err = reply(command + ADDED_DONE - ADDED, nla_get_u32(attrs[A_DEVICE_ID]), status);
		if (err)
			printf("the answer is refused: %s\n", nl_geterror(err));
	}
	return NL_OK;
}

static _Noreturn void watch(bool promise)
{
	struct nl_sock *events = connected();
	int group = genl_ctrl_resolve_grp(events, "TCM-USER", "config");
	int err = group < 0 ? group : nl_socket_add_membership(events, group);

	if (err)
		die("the group \"config\"", err);
	nl_socket_disable_seq_check(events);
	nl_socket_modify_cb(events, NL_CB_VALID, NL_CB_CUSTOM, event, NULL);
	if (promise)
		promise_answers();
	puts("ready");
	do {
		err = nl_recvmsgs_default(events);
	} while (err >= 0);
	die("nl_recvmsgs", err);
}

static int show_family(void)
{
	struct nl_cache *cache;
	struct genl_family *found;
	int err = genl_ctrl_alloc_cache(commands, &cache);

	if (err)
		die("genl_ctrl_alloc_cache", err);
	found = genl_ctrl_search_by_name(cache, "TCM-USER");
	if (!found)
		die("the family", -NLE_OBJ_NOTFOUND);
	printf("version %u header %u attributes %u\n", genl_family_get_version(found),
	       genl_family_get_hdrsize(found), genl_family_get_maxattr(found));
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	commands = connected();
	family = genl_ctrl_resolve(commands, "TCM-USER");
	if (family < 0)
		die("the family \"TCM-USER\"", family);
	if (!strcmp(mode, "family"))
		return show_family();
	if (!strcmp(mode, "watch"))
		watch(false);
	if (!strcmp(mode, "silent"))
		watch(true);
	if (!strcmp(mode, "answer") && argc == 3) {
		answering = true;
		status = atoi(argv[2]);
		watch(true);
	}
	if (!strcmp(mode, "reply") && argc == 5) {
		int err = reply((uint8_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), atoi(argv[4]));

		if (err)
			die("the answer is refused", err);
		return 0;
	}
	fprintf(stderr, "netlink: wrong arguments; the source's head has them\n");
	return 2;
}
