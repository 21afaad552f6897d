/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * How a test drives zcmu_test_fabric.ko, through /dev/zcmu_test_fabric.
 *
 * A file has one command, or one task management function, at a time, and memory of its
 * own, adjacent pages: the first mmap() makes it, and sees what the target sees. The
 * scatter lists of a command are parts of that memory. SUBMIT returns when the target has
 * the command, WAIT when the target has answered. Closing the file waits for nothing; the
 * memory stays until the target is through with it.
 *
 * HOLD keeps everybody from unmapping pages of a file of another name, until the file that it
 * was asked of is closed; IS_AWAITED: is somebody waiting for that?
 *
 * There is one target port with one LUN or more, made in configfs, and two initiators.
 */
#ifndef ZCMU_TEST_FABRIC_H
#define ZCMU_TEST_FABRIC_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ZCMU_TEST_CDB_MAX	264
#define ZCMU_TEST_SENSE_MAX	96
#define ZCMU_TEST_NEXUSES	2

enum zcmu_test_direction {
	ZCMU_TEST_NONE,
	ZCMU_TEST_OUT,		/* to the disk */
	ZCMU_TEST_IN,
	ZCMU_TEST_BIDI,		/* segments is Data-Out, bidi_segments Data-In */
};

enum zcmu_test_attribute {
	ZCMU_TEST_SIMPLE,
	ZCMU_TEST_ORDERED,
	ZCMU_TEST_HEAD,
};

struct zcmu_test_segment {
	__u32 offset;		/* bytes into the file's memory */
	__u32 length;
};

struct zcmu_test_request {
	__u8 direction;		/* enum zcmu_test_direction */
	__u8 attribute;
	__u8 nexus;		/* which initiator */
	__u8 tmr;		/* not 0: a task management function, by the core's number */
	__u32 lun;
	__u64 tag;		/* the command's, or of the one to abort */
	__u32 data_length;	/* what the initiator says; at most what the list has */
	__u32 far;		/* offsets count from the memory's first page: beyond a page, too */
	__u32 nr_segments;
	__u32 nr_bidi_segments;
	__u64 segments;		/* struct zcmu_test_segment * */
	__u64 bidi_segments;
	__u8 cdb[ZCMU_TEST_CDB_MAX];
};

enum zcmu_test_outcome {
	ZCMU_TEST_STATUS,	/* the command was answered */
	ZCMU_TEST_ABORTED,	/* it will never be: it was aborted */
	ZCMU_TEST_TMR,		/* the task management function was answered */
};

struct zcmu_test_answer {
	__u32 wait_ms;		/* to WAIT: how long at most */
	__u8 outcome;		/* enum zcmu_test_outcome */
	__u8 status;		/* SCSI status; of a function, the target core's response */
	__u8 overflow;		/* the residual counts what the buffer had no room for */
	__u8 pad;
	__u32 residual;
	__u32 data_length;	/* what the target made of it */
	__u8 sense[ZCMU_TEST_SENSE_MAX];
};

#define ZCMU_TEST_SUBMIT	_IOW('Z', 1, struct zcmu_test_request)
#define ZCMU_TEST_WAIT		_IOWR('Z', 2, struct zcmu_test_answer)	/* or ETIMEDOUT */


struct zcmu_test_name {
	char name[64];
};

#define ZCMU_TEST_HOLD		_IOW('Z', 3, struct zcmu_test_name)
#define ZCMU_TEST_IS_AWAITED	_IO('Z', 4)	/* 0 or 1 */

#endif /* ZCMU_TEST_FABRIC_H */
