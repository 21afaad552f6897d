// SPDX-License-Identifier: MIT
/*
 * zcmu-abi.h against the system's own <linux/target_core_user.h>: sizes, offsets and
 * numbers. A handler that was built with that header must find everything in place.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* It includes <linux/uio.h>, whose struct iovec clashes with the C library's. */
#define __LINUX_UIO_H
struct iovec {
	void *iov_base;
	size_t iov_len;
};
#include <linux/target_core_user.h>

#include "zcmu-abi.h"

#define assert_same_place(ours, our_member, theirs, their_member) do {			\
	assert_int_equal(offsetof(ours, our_member), offsetof(theirs, their_member));	\
	assert_int_equal(sizeof(((ours *)0)->our_member),				\
			 sizeof(((theirs *)0)->their_member));				\
} while (0)

static void the_mailbox_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_mailbox, version, struct tcmu_mailbox, version);
	assert_same_place(struct zcmu_mailbox, flags, struct tcmu_mailbox, flags);
	assert_same_place(struct zcmu_mailbox, cmdr_off, struct tcmu_mailbox, cmdr_off);
	assert_same_place(struct zcmu_mailbox, cmdr_size, struct tcmu_mailbox, cmdr_size);
	assert_same_place(struct zcmu_mailbox, cmd_head, struct tcmu_mailbox, cmd_head);
	assert_same_place(struct zcmu_mailbox, cmd_tail, struct tcmu_mailbox, cmd_tail);
	assert_int_equal(sizeof(struct zcmu_mailbox), sizeof(struct tcmu_mailbox));
}

static void the_version_is_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_MAILBOX_VERSION, TCMU_MAILBOX_VERSION);
}

static void the_capabilities_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_CAP_OOOC, TCMU_MAILBOX_FLAG_CAP_OOOC);
	assert_int_equal(ZCMU_CAP_READ_LEN, TCMU_MAILBOX_FLAG_CAP_READ_LEN);
	assert_int_equal(ZCMU_CAP_TMR, TCMU_MAILBOX_FLAG_CAP_TMR);
	assert_int_equal(ZCMU_CAP_KEEP_BUF, TCMU_MAILBOX_FLAG_CAP_KEEP_BUF);
}

static void the_capability_to_lend_is_none_of_theirs(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_CAP_LEND & (TCMU_MAILBOX_FLAG_CAP_OOOC |
					  TCMU_MAILBOX_FLAG_CAP_READ_LEN |
					  TCMU_MAILBOX_FLAG_CAP_TMR |
					  TCMU_MAILBOX_FLAG_CAP_KEEP_BUF), 0);
	/* It must fit into the mailbox's 16 bits of flags. */
	assert_int_equal((uint16_t)ZCMU_CAP_LEND, ZCMU_CAP_LEND);
}

static void an_entry_s_header_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_entry_hdr, len_op, struct tcmu_cmd_entry_hdr, len_op);
	assert_same_place(struct zcmu_entry_hdr, cmd_id, struct tcmu_cmd_entry_hdr, cmd_id);
	assert_same_place(struct zcmu_entry_hdr, kflags, struct tcmu_cmd_entry_hdr, kflags);
	assert_same_place(struct zcmu_entry_hdr, uflags, struct tcmu_cmd_entry_hdr, uflags);
	assert_int_equal(sizeof(struct zcmu_entry_hdr), sizeof(struct tcmu_cmd_entry_hdr));
}

static void length_and_op_are_told_apart_in_the_same_way(void **state)
{
	__u32 len_op = 0;

	(void)state;
	tcmu_hdr_set_op(&len_op, TCMU_OP_TMR);
	tcmu_hdr_set_len(&len_op, 1000);
	assert_int_equal(len_op & ZCMU_OP_MASK, ZCMU_OP_TMR);
	assert_int_equal(len_op & ~ZCMU_OP_MASK, 1000);
	assert_int_equal(ZCMU_OP_MASK, TCMU_OP_MASK);
	assert_int_equal(ZCMU_ENTRY_ALIGN, TCMU_OP_ALIGN_SIZE);
}

static void the_ops_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_OP_PAD, TCMU_OP_PAD);
	assert_int_equal(ZCMU_OP_CMD, TCMU_OP_CMD);
	assert_int_equal(ZCMU_OP_TMR, TCMU_OP_TMR);
}

static void the_answer_s_flags_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_UFLAG_UNKNOWN_OP, TCMU_UFLAG_UNKNOWN_OP);
	assert_int_equal(ZCMU_UFLAG_READ_LEN, TCMU_UFLAG_READ_LEN);
	assert_int_equal(ZCMU_UFLAG_KEEP_BUF, TCMU_UFLAG_KEEP_BUF);
}

static void the_request_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_cmd_entry, req.iov_cnt, struct tcmu_cmd_entry, req.iov_cnt);
	assert_same_place(struct zcmu_cmd_entry, req.iov_bidi_cnt,
			  struct tcmu_cmd_entry, req.iov_bidi_cnt);
	assert_same_place(struct zcmu_cmd_entry, req.iov_dif_cnt,
			  struct tcmu_cmd_entry, req.iov_dif_cnt);
	assert_same_place(struct zcmu_cmd_entry, req.cdb_off, struct tcmu_cmd_entry, req.cdb_off);
	assert_int_equal(offsetof(struct zcmu_cmd_entry, req.iov),
			 offsetof(struct tcmu_cmd_entry, req.iov));
}

static void an_iovec_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_iovec, base, struct iovec, iov_base);
	assert_same_place(struct zcmu_iovec, len, struct iovec, iov_len);
	assert_int_equal(sizeof(struct zcmu_iovec), sizeof(struct iovec));
}

static void the_answer_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_cmd_entry, rsp.scsi_status,
			  struct tcmu_cmd_entry, rsp.scsi_status);
	assert_same_place(struct zcmu_cmd_entry, rsp.read_len,
			  struct tcmu_cmd_entry, rsp.read_len);
	assert_same_place(struct zcmu_cmd_entry, rsp.sense,
			  struct tcmu_cmd_entry, rsp.sense_buffer);
	assert_int_equal(ZCMU_SENSE_SIZE, TCMU_SENSE_BUFFERSIZE);
}

static void the_shortest_command_entry_has_the_same_length(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct zcmu_cmd_entry), sizeof(struct tcmu_cmd_entry));
}

static void a_notification_is_the_same(void **state)
{
	(void)state;
	assert_same_place(struct zcmu_tmr_entry, hdr, struct tcmu_tmr_entry, hdr);
	assert_same_place(struct zcmu_tmr_entry, tmr_type, struct tcmu_tmr_entry, tmr_type);
	assert_same_place(struct zcmu_tmr_entry, cmd_cnt, struct tcmu_tmr_entry, cmd_cnt);
	assert_int_equal(offsetof(struct zcmu_tmr_entry, cmd_ids),
			 offsetof(struct tcmu_tmr_entry, cmd_ids));
	assert_int_equal(sizeof(struct zcmu_tmr_entry), sizeof(struct tcmu_tmr_entry));
}

static void the_functions_notified_of_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_TMR_UNKNOWN, TCMU_TMR_UNKNOWN);
	assert_int_equal(ZCMU_TMR_ABORT_TASK, TCMU_TMR_ABORT_TASK);
	assert_int_equal(ZCMU_TMR_ABORT_TASK_SET, TCMU_TMR_ABORT_TASK_SET);
	assert_int_equal(ZCMU_TMR_CLEAR_ACA, TCMU_TMR_CLEAR_ACA);
	assert_int_equal(ZCMU_TMR_CLEAR_TASK_SET, TCMU_TMR_CLEAR_TASK_SET);
	assert_int_equal(ZCMU_TMR_LUN_RESET, TCMU_TMR_LUN_RESET);
	assert_int_equal(ZCMU_TMR_TARGET_WARM_RESET, TCMU_TMR_TARGET_WARM_RESET);
	assert_int_equal(ZCMU_TMR_TARGET_COLD_RESET, TCMU_TMR_TARGET_COLD_RESET);
	assert_int_equal(ZCMU_TMR_LUN_RESET_PRO, TCMU_TMR_LUN_RESET_PRO);
}

static void the_netlink_commands_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_GENL_UNSPEC, TCMU_CMD_UNSPEC);
	assert_int_equal(ZCMU_GENL_ADDED_DEVICE, TCMU_CMD_ADDED_DEVICE);
	assert_int_equal(ZCMU_GENL_REMOVED_DEVICE, TCMU_CMD_REMOVED_DEVICE);
	assert_int_equal(ZCMU_GENL_RECONFIG_DEVICE, TCMU_CMD_RECONFIG_DEVICE);
	assert_int_equal(ZCMU_GENL_ADDED_DEVICE_DONE, TCMU_CMD_ADDED_DEVICE_DONE);
	assert_int_equal(ZCMU_GENL_REMOVED_DEVICE_DONE, TCMU_CMD_REMOVED_DEVICE_DONE);
	assert_int_equal(ZCMU_GENL_RECONFIG_DEVICE_DONE, TCMU_CMD_RECONFIG_DEVICE_DONE);
	assert_int_equal(ZCMU_GENL_SET_FEATURES, TCMU_CMD_SET_FEATURES);
}

static void the_netlink_attributes_are_the_same(void **state)
{
	(void)state;
	assert_int_equal(ZCMU_GENL_ATTR_DEVICE, TCMU_ATTR_DEVICE);
	assert_int_equal(ZCMU_GENL_ATTR_MINOR, TCMU_ATTR_MINOR);
	assert_int_equal(ZCMU_GENL_ATTR_PAD, TCMU_ATTR_PAD);
	assert_int_equal(ZCMU_GENL_ATTR_DEV_CFG, TCMU_ATTR_DEV_CFG);
	assert_int_equal(ZCMU_GENL_ATTR_DEV_SIZE, TCMU_ATTR_DEV_SIZE);
	assert_int_equal(ZCMU_GENL_ATTR_WRITECACHE, TCMU_ATTR_WRITECACHE);
	assert_int_equal(ZCMU_GENL_ATTR_CMD_STATUS, TCMU_ATTR_CMD_STATUS);
	assert_int_equal(ZCMU_GENL_ATTR_DEVICE_ID, TCMU_ATTR_DEVICE_ID);
	assert_int_equal(ZCMU_GENL_ATTR_SUPP_KERN_CMD_REPLY, TCMU_ATTR_SUPP_KERN_CMD_REPLY);
	assert_int_equal(ZCMU_GENL_ATTR_COUNT - 1, TCMU_ATTR_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mailbox_is_the_same),
		cmocka_unit_test(the_version_is_the_same),
		cmocka_unit_test(the_capabilities_are_the_same),
		cmocka_unit_test(the_capability_to_lend_is_none_of_theirs),
		cmocka_unit_test(an_entry_s_header_is_the_same),
		cmocka_unit_test(length_and_op_are_told_apart_in_the_same_way),
		cmocka_unit_test(the_ops_are_the_same),
		cmocka_unit_test(the_answer_s_flags_are_the_same),
		cmocka_unit_test(the_request_is_the_same),
		cmocka_unit_test(an_iovec_is_the_same),
		cmocka_unit_test(the_answer_is_the_same),
		cmocka_unit_test(the_shortest_command_entry_has_the_same_length),
		cmocka_unit_test(a_notification_is_the_same),
		cmocka_unit_test(the_functions_notified_of_are_the_same),
		cmocka_unit_test(the_netlink_commands_are_the_same),
		cmocka_unit_test(the_netlink_attributes_are_the_same),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
