// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of the tests' SCSI transport: /dev/zcmu_test_fabric, as zcmu-test-fabric.h
 * describes it. What is wrong with a command is the test's to choose: all that is checked
 * here is what no transport gets wrong, because it counts it itself.
 */
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fabric.h"

/* How large a piece of adjacent pages can be had. */
#define MAX_MEMORY	(4u << 20)
#define MAX_SEGMENTS	(128u << 10)

/* A file, and its command. */
struct command {
	struct kref kref;		/* the file's, and the target core's while it has se_cmd */
	struct mutex lock;		/* one ioctl or mmap at a time */
	void *memory;
	size_t bytes;
	struct sg_table segments;
	struct sg_table bidi_segments;
	struct se_cmd se_cmd;
	struct completion answered;	/* by the target; the answer is in the fields below */
	struct completion released;	/* the target core has no reference any more */
	bool was_submitted;
	struct hold *hold;
	u8 outcome;
	u8 status;
	u8 cdb[ZCMU_TEST_CDB_MAX];
	u8 sense[TRANSPORT_SENSE_BUFFER];
};

static struct command *command_of(struct se_cmd *se_cmd)
{
	return container_of(se_cmd, struct command, se_cmd);
}

static void command_free(struct kref *kref)
{
	struct command *command = container_of(kref, struct command, kref);

	sg_free_table(&command->segments);
	sg_free_table(&command->bidi_segments);
	if (command->memory)
		free_pages_exact(command->memory, command->bytes);
	kfree(command);
}

/*
 * What the target core calls
 */

static void answer(struct se_cmd *se_cmd, u8 outcome, u8 status)
{
	struct command *command = command_of(se_cmd);

	command->outcome = outcome;
	command->status = status;
	complete_all(&command->answered);
}

/* The bytes are there already. */
int fabric_write_pending(struct se_cmd *se_cmd)
{
	target_execute_cmd(se_cmd);
	return 0;
}

int fabric_queue_status(struct se_cmd *se_cmd)
{
	answer(se_cmd, ZCMU_TEST_STATUS, se_cmd->scsi_status);
	return 0;
}

void fabric_queue_tm_rsp(struct se_cmd *se_cmd)
{
	answer(se_cmd, ZCMU_TEST_TMR, se_cmd->se_tmr_req->response);
}

void fabric_aborted_task(struct se_cmd *se_cmd)
{
	answer(se_cmd, ZCMU_TEST_ABORTED, 0);
}

int fabric_check_stop_free(struct se_cmd *se_cmd)
{
	return transport_generic_free_cmd(se_cmd, 0);
}

void fabric_release_cmd(struct se_cmd *se_cmd)
{
	struct command *command = command_of(se_cmd);

	complete_all(&command->released);
	kref_put(&command->kref, command_free);
}

/*
 * What user space calls
 */

/* Make a scatter list of the file's memory. Return: its bytes, or a negative errno. */
static s64 make_list(struct command *command, struct sg_table *table, u64 user, u32 nr, bool far)
{
	struct zcmu_test_segment *segments;
	struct scatterlist *sg;
	s64 total = 0;
	unsigned int i;
	int ret;

	sg_free_table(table);
	memset(table, 0, sizeof(*table));
	if (!nr)
		return 0;
	if (nr > MAX_SEGMENTS)
		return -EINVAL;
	segments = vmemdup_user(u64_to_user_ptr(user), nr * sizeof(*segments));
	if (IS_ERR(segments))
		return PTR_ERR(segments);
	ret = sg_alloc_table(table, nr, GFP_KERNEL);
	if (ret)
		goto free;
	for_each_sgtable_sg(table, sg, i) {
		u32 offset = segments[i].offset;
		u32 length = segments[i].length;
		void *at = command->memory + offset;

		ret = -EINVAL;
		if (offset > command->bytes || length > command->bytes - offset)
			goto free;
		if (far)
			sg_set_page(sg, virt_to_page(command->memory), length, offset);
		else
			sg_set_page(sg, virt_to_page(at), length, offset_in_page(at));
		total += length;
	}
	ret = 0;
free:
	kvfree(segments);
	return ret ?: total;
}

static int task_attribute(u8 attribute)
{
	switch (attribute) {
	case ZCMU_TEST_ORDERED:
		return TCM_ORDERED_TAG;
	case ZCMU_TEST_HEAD:
		return TCM_HEAD_TAG;
	default:
		return TCM_SIMPLE_TAG;
	}
}

static enum dma_data_direction data_direction(u8 direction)
{
	switch (direction) {
	case ZCMU_TEST_OUT:
	case ZCMU_TEST_BIDI:
		return DMA_TO_DEVICE;
	case ZCMU_TEST_IN:
		return DMA_FROM_DEVICE;
	default:
		return DMA_NONE;
	}
}

/* The target core has the command when this returns 0, or has answered it already. */
static int submit_cdb(struct command *command, struct se_session *session,
		      const struct zcmu_test_request *request)
{
	struct se_cmd *se_cmd = &command->se_cmd;
	bool bidi = request->direction == ZCMU_TEST_BIDI;
	int ret;

	memcpy(command->cdb, request->cdb, sizeof(command->cdb));
	se_cmd->tag = request->tag;
	ret = target_init_cmd(se_cmd, session, command->sense, request->lun, request->data_length,
			      task_attribute(request->attribute),
			      data_direction(request->direction),
			      bidi ? TARGET_SCF_BIDI_OP : 0);
	if (ret)
		return ret;
	if (target_submit_prep(se_cmd, command->cdb,
			       command->segments.sgl, command->segments.nents,
			       command->bidi_segments.sgl, command->bidi_segments.nents,
			       NULL, 0, GFP_KERNEL))
		return 0;
	target_submit(se_cmd);
	return 0;
}

static int prepare(struct command *command, const struct zcmu_test_request *request)
{
	s64 bytes, bidi_bytes;

	/* The file's command before this one must be over and gone. */
	if (command->was_submitted && wait_for_completion_killable(&command->released))
		return -EINTR;
	command->was_submitted = false;
	bytes = make_list(command, &command->segments, request->segments, request->nr_segments,
			  request->far);
	if (bytes < 0)
		return bytes;
	bidi_bytes = make_list(command, &command->bidi_segments, request->bidi_segments,
			       request->nr_bidi_segments, request->far);
	if (bidi_bytes < 0)
		return bidi_bytes;
	if (request->data_length > bytes)
		return -EINVAL;
	reinit_completion(&command->answered);
	reinit_completion(&command->released);
	memset(&command->se_cmd, 0, sizeof(command->se_cmd));
	memset(command->sense, 0, sizeof(command->sense));
	return 0;
}

static int submit(struct command *command, const struct zcmu_test_request *request)
{
	struct se_session *session;
	int ret = prepare(command, request);

	if (ret)
		return ret;
	session = fabric_port_get(request->nexus);
	if (!session)
		return -ENODEV;
	kref_get(&command->kref);
	if (request->tmr)
		ret = target_submit_tmr(&command->se_cmd, session, command->sense, request->lun,
					NULL, request->tmr, GFP_KERNEL, request->tag, 0);
	else
		ret = submit_cdb(command, session, request);
	fabric_port_put();
	if (ret)
		kref_put(&command->kref, command_free);
	else
		command->was_submitted = true;
	return ret;
}

static int wait_for_answer(struct command *command, struct zcmu_test_answer *to)
{
	const struct se_cmd *se_cmd = &command->se_cmd;
	long left;

	BUILD_BUG_ON(TRANSPORT_SENSE_BUFFER != ZCMU_TEST_SENSE_MAX);

	if (!command->was_submitted)
		return -EINVAL;
	left = wait_for_completion_killable_timeout(&command->answered,
						    msecs_to_jiffies(to->wait_ms));
	if (left <= 0)
		return left ?: -ETIMEDOUT;
	to->outcome = command->outcome;
	to->status = command->status;
	to->overflow = !!(se_cmd->se_cmd_flags & SCF_OVERFLOW_BIT);
	to->residual = se_cmd->residual_count;
	to->data_length = se_cmd->data_length;
	memcpy(to->sense, command->sense, sizeof(to->sense));
	return 0;
}

static int hold(struct command *command, const void __user *user)
{
	struct zcmu_test_name name;
	struct hold *hold;

	if (copy_from_user(&name, user, sizeof(name)))
		return -EFAULT;
	name.name[sizeof(name.name) - 1] = '\0';
	if (command->hold)
		return -EBUSY;
	hold = hold_begin(name.name);
	if (IS_ERR(hold))
		return PTR_ERR(hold);
	command->hold = hold;
	return 0;
}

static long ioctl_locked(struct command *command, unsigned int number, void __user *user)
{
	struct zcmu_test_answer to;
	struct zcmu_test_request request;
	int ret;

	switch (number) {
	case ZCMU_TEST_SUBMIT:
		if (copy_from_user(&request, user, sizeof(request)))
			return -EFAULT;
		return submit(command, &request);
	case ZCMU_TEST_WAIT:
		if (copy_from_user(&to, user, sizeof(to)))
			return -EFAULT;
		ret = wait_for_answer(command, &to);
		if (!ret && copy_to_user(user, &to, sizeof(to)))
			ret = -EFAULT;
		return ret;
	case ZCMU_TEST_HOLD:
		return hold(command, user);
	case ZCMU_TEST_IS_AWAITED:
		return command->hold ? hold_is_awaited(command->hold) : -EINVAL;
	default:
		return -ENOTTY;
	}
}

static long device_ioctl(struct file *file, unsigned int number, unsigned long user)
{
	struct command *command = file->private_data;
	long ret;

	mutex_lock(&command->lock);
	ret = ioctl_locked(command, number, (void __user *)user);
	mutex_unlock(&command->lock);
	return ret;
}

static int mmap_locked(struct command *command, struct vm_area_struct *vma)
{
	size_t bytes = vma->vm_end - vma->vm_start;

	if (vma->vm_pgoff || bytes > MAX_MEMORY || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (!command->memory) {
		command->memory = alloc_pages_exact(bytes, GFP_KERNEL | __GFP_ZERO);
		if (!command->memory)
			return -ENOMEM;
		command->bytes = bytes;
	}
	if (bytes > command->bytes)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, virt_to_phys(command->memory) >> PAGE_SHIFT,
			       bytes, vma->vm_page_prot);
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct command *command = file->private_data;
	int ret;

	/* Nobody touches user memory under the lock but for SUBMIT's and WAIT's arguments. */
	if (!mutex_trylock(&command->lock))
		return -EBUSY;
	ret = mmap_locked(command, vma);
	mutex_unlock(&command->lock);
	return ret;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct command *command = kzalloc(sizeof(*command), GFP_KERNEL);

	if (!command)
		return -ENOMEM;
	kref_init(&command->kref);
	mutex_init(&command->lock);
	init_completion(&command->answered);
	init_completion(&command->released);
	file->private_data = command;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	struct command *command = file->private_data;

	hold_end(command->hold);
	kref_put(&command->kref, command_free);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.mmap = device_mmap,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "zcmu_test_fabric",
	.fops = &device_fops,
};

int fabric_device_register(void)
{
	return misc_register(&device);
}

void fabric_device_unregister(void)
{
	misc_deregister(&device);
}
