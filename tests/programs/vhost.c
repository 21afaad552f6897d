// SPDX-License-Identifier: MIT
/*
 * Plays the virtual machine to /dev/vhost-scsi: guest memory, virtqueues, eventfds, and the
 * requests that a virtio-scsi driver would send. Reads what the disk is, writes to all of
 * its first blocks in pieces of many sizes and alignments, reads them back, compares.
 *
 *	vhost WWPN		all of that
 *	vhost WWPN hold		only has the target open, until it is killed; says "held"
 *
 * Says "inquiry VENDOR PRODUCT", "capacity BLOCKS BLOCK-SIZE", "moved WRITES READS".
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "prng.h"

#define QUEUES		3	/* control, events, requests */
#define REQUESTS	2
#define QUEUE_SIZE	128u
#define SLOTS		4u	/* requests at once */
#define TARGET		1	/* vhost takes it for tpgt_1 */

/* The guest's memory, by its own addresses */
#define RING(n)		(0x10000u * (n))
#define HEADERS		0x80000u
#define PAYLOAD		0x100000u
#define PAYLOAD_MAX	0x80000u
#define MEMORY		(PAYLOAD + SLOTS * PAYLOAD_MAX)

/* What the device reads of a request, and what it writes */
struct headers {
	struct virtio_scsi_cmd_req request;
	struct virtio_scsi_cmd_resp response;
};

struct slot {
	uint32_t payload;	/* where in the guest's memory */
	uint32_t bytes;
	uint64_t block;
	bool write;
};

static uint8_t *memory;
static int device, kick, call;
static struct vring ring;
static uint16_t seen;		/* used entries before it were looked at */
static uint16_t next_descriptor;
static struct slot slots[SLOTS];
static struct prng prng = { .state = 42 };
static unsigned int nr_writes, nr_reads;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vhost: %s: %s\n", what, strerror(errno));
	exit(1);
}

/*
 * The machine
 */

static void set_memory(void)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = { .head.nregions = 1 };

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "memory");
	table.region.memory_size = MEMORY;
	table.region.userspace_addr = (uintptr_t)memory;
	must(!ioctl(device, VHOST_SET_MEM_TABLE, &table), "VHOST_SET_MEM_TABLE");
}

static void set_queue(unsigned int index)
{
	struct vhost_vring_state size = { .index = index, .num = QUEUE_SIZE };
	struct vhost_vring_state base = { .index = index, .num = 0 };
	struct vhost_vring_addr address = { .index = index };
	struct vhost_vring_file event = { .index = index };

	vring_init(&ring, QUEUE_SIZE, memory + RING(index), 4096);
	must(!ioctl(device, VHOST_SET_VRING_NUM, &size), "VHOST_SET_VRING_NUM");
	must(!ioctl(device, VHOST_SET_VRING_BASE, &base), "VHOST_SET_VRING_BASE");
	address.desc_user_addr = (uintptr_t)ring.desc;
	address.avail_user_addr = (uintptr_t)ring.avail;
	address.used_user_addr = (uintptr_t)ring.used;
	must(!ioctl(device, VHOST_SET_VRING_ADDR, &address), "VHOST_SET_VRING_ADDR");
	event.fd = call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(!ioctl(device, VHOST_SET_VRING_CALL, &event), "VHOST_SET_VRING_CALL");
	event.fd = kick = eventfd(0, EFD_CLOEXEC);
	must(!ioctl(device, VHOST_SET_VRING_KICK, &event), "VHOST_SET_VRING_KICK");
}

static void set_up(const char *wwpn)
{
	struct vhost_scsi_target target = {
		.abi_version = VHOST_SCSI_ABI_VERSION, .vhost_tpgt = TARGET,
	};
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	unsigned int i;

	device = open("/dev/vhost-scsi", O_RDWR | O_CLOEXEC);
	must(device >= 0, "/dev/vhost-scsi");
	must(!ioctl(device, VHOST_SET_OWNER), "VHOST_SET_OWNER");
	must(!ioctl(device, VHOST_SET_FEATURES, &features), "VHOST_SET_FEATURES");
	set_memory();
	/* The last one is the requests': ring, kick and call are its. */
	for (i = 0; i < QUEUES; i++)
		set_queue(i);
	strncpy(target.vhost_wwpn, wwpn, sizeof(target.vhost_wwpn) - 1);
	must(!ioctl(device, VHOST_SCSI_SET_ENDPOINT, &target), "VHOST_SCSI_SET_ENDPOINT");
}

/*
 * The driver
 */

static struct headers *headers_of(unsigned int slot)
{
	return (struct headers *)(memory + HEADERS + slot * 1024);
}

/* Add to the chain of descriptors that begins with the request. */
static void describe(uint32_t address, uint32_t bytes, bool device_writes, bool last)
{
	struct vring_desc *d = &ring.desc[next_descriptor];

	d->addr = htole64(address);
	d->len = htole32(bytes);
	d->flags = htole16((device_writes ? VRING_DESC_F_WRITE : 0) |
			   (last ? 0 : VRING_DESC_F_NEXT));
	next_descriptor = (next_descriptor + 1) % QUEUE_SIZE;
	d->next = htole16(next_descriptor);
}

/* In up to four pieces, of any length: it is all the same to the device. */
static void describe_payload(uint32_t address, uint32_t bytes, bool device_writes, bool last)
{
	unsigned int pieces = 1 + prng_below(&prng, 4);

	while (--pieces && bytes > 8192) {
		uint32_t n = 4096 + prng_below(&prng, bytes / 2);

		describe(address, n, device_writes, false);
		address += n;
		bytes -= n;
	}
	describe(address, bytes, device_writes, last);
}

static void send(unsigned int slot, const uint8_t *cdb, size_t cdb_len)
{
	struct headers *headers = headers_of(slot);
	uint32_t at = HEADERS + slot * 1024;
	const struct slot *s = &slots[slot];
	uint16_t index = le16toh(ring.avail->idx), first = next_descriptor;
	uint64_t one = 1;

	memset(headers, 0, sizeof(*headers));
	headers->response.response = 0xff;
	headers->request.lun[0] = 1;
	headers->request.lun[1] = TARGET;
	headers->request.lun[2] = 0x40;
	headers->request.tag = slot;
	memcpy(headers->request.cdb, cdb, cdb_len);

	describe(at + offsetof(struct headers, request), sizeof(headers->request), false, false);
	if (s->bytes && s->write)
		describe_payload(s->payload, s->bytes, false, false);
	describe(at + offsetof(struct headers, response), sizeof(headers->response), true,
		 !s->bytes || s->write);
	if (s->bytes && !s->write)
		describe_payload(s->payload, s->bytes, true, true);

	ring.avail->ring[index % QUEUE_SIZE] = htole16(first);
	__atomic_store_n(&ring.avail->idx, htole16((uint16_t)(index + 1)), __ATOMIC_SEQ_CST);
	must(write(kick, &one, sizeof(one)) == sizeof(one), "kick");
}

static void wait_for_used(unsigned int n)
{
	struct pollfd fd = { .fd = call, .events = POLLIN };
	uint16_t end = (uint16_t)(seen + n);
	uint64_t count;

	while (le16toh(__atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE)) != end) {
		errno = ETIMEDOUT;
		must(poll(&fd, 1, 60000) == 1, "no answer");
		if (read(call, &count, sizeof(count)) < 0)
			must(errno == EAGAIN, "call");
	}
	seen = end;
}

static uint8_t status_of(unsigned int slot)
{
	const struct virtio_scsi_cmd_resp *response = &headers_of(slot)->response;

	if (response->response != VIRTIO_SCSI_S_OK) {
		fprintf(stderr, "vhost: response %u\n", response->response);
		exit(1);
	}
	return response->status;
}

static void must_be_good(unsigned int slot)
{
	uint8_t status = status_of(slot);
	const uint8_t *sense = headers_of(slot)->response.sense;

	if (!status)
		return;
	fprintf(stderr, "vhost: CDB 0x%02x: status 0x%02x, sense 0x%x 0x%02x 0x%02x\n",
		headers_of(slot)->request.cdb[0], status, sense[2] & 15, sense[12], sense[13]);
	exit(1);
}

/* One that brings a little to slot 0 */
static const uint8_t *ask(const uint8_t *cdb, size_t cdb_len, uint32_t bytes)
{
	slots[0] = (struct slot){ .payload = PAYLOAD, .bytes = bytes };
	send(0, cdb, cdb_len);
	wait_for_used(1);
	must_be_good(0);
	return memory + PAYLOAD;
}

/*
 * What is done
 */

static void say_what_it_is(void)
{
	static const uint8_t test_unit_ready[6], inquiry[6] = { 0x12, 0, 0, 0, 36 };
	static const uint8_t read_capacity[10] = { 0x25 };
	const uint8_t *p;

	/* The first one may be told that the disk is new. */
	slots[0] = (struct slot){ .bytes = 0 };
	send(0, test_unit_ready, sizeof(test_unit_ready));
	wait_for_used(1);
	status_of(0);
	p = ask(inquiry, sizeof(inquiry), 36);
	printf("inquiry %.4s %.3s\n", p + 8, p + 16);
	p = ask(read_capacity, sizeof(read_capacity), 8);
	printf("capacity %u %u\n", (p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]) + 1,
	       p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7]);
}

static void move(unsigned int slot, uint64_t block, uint32_t bytes, uint32_t shift, bool writes)
{
	struct slot *s = &slots[slot];
	uint32_t blocks = bytes / 512;
	uint8_t cdb[10] = {
		writes ? 0x2a : 0x28, 0, (uint8_t)(block >> 24), (uint8_t)(block >> 16),
		(uint8_t)(block >> 8), (uint8_t)block, 0, (uint8_t)(blocks >> 8), (uint8_t)blocks,
	};

	*s = (struct slot){
		.payload = PAYLOAD + slot * PAYLOAD_MAX + shift,
		.bytes = bytes, .block = block, .write = writes,
	};
	send(slot, cdb, sizeof(cdb));
	nr_writes += writes;
	nr_reads += !writes;
}

static uint8_t pattern(uint64_t block, uint32_t i)
{
	return (uint8_t)((block + i / 512) * 7 + i % 512 * 3 + (i % 512 >> 8));
}

/* All slots at once, each its own blocks: write, clear the memory, read, compare. */
static void move_all(const uint32_t *bytes, const uint32_t *shift)
{
	unsigned int i;
	uint32_t j;

	for (i = 0; i < SLOTS; i++) {
		uint8_t *p = memory + PAYLOAD + i * PAYLOAD_MAX + shift[i];

		for (j = 0; j < bytes[i]; j++)
			p[j] = pattern(i * 1024, j);
		move(i, i * 1024, bytes[i], shift[i], true);
	}
	wait_for_used(SLOTS);
	memset(memory + PAYLOAD, 0, SLOTS * PAYLOAD_MAX);
	for (i = 0; i < SLOTS; i++) {
		must_be_good(i);
		/* With another alignment than it was written from */
		move(i, i * 1024, bytes[i], shift[(i + 1) % SLOTS], false);
	}
	wait_for_used(SLOTS);
	for (i = 0; i < SLOTS; i++) {
		must_be_good(i);
		for (j = 0; j < PAYLOAD_MAX; j++) {
			uint32_t k = j - shift[(i + 1) % SLOTS];
			uint8_t expected = k < bytes[i] ? pattern(i * 1024, k) : 0;
			uint8_t got = memory[PAYLOAD + i * PAYLOAD_MAX + j];

			if (got == expected)
				continue;
			fprintf(stderr, "vhost: %u bytes, shifted by %u: byte %d: expected 0x%02x, got 0x%02x\n",
				bytes[i], shift[(i + 1) % SLOTS], (int)k, expected, got);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	static const uint32_t large[SLOTS] = { 262144, 262144, 262144, 262144 };
	static const uint32_t mixed[SLOTS] = { 512, 4096, 66048, 131072 };
	static const uint32_t aligned[SLOTS], shifted[SLOTS] = { 512, 1536, 3, 2048 };
	struct vhost_scsi_target target = { .vhost_tpgt = TARGET };

	if (argc != 2 && !(argc == 3 && !strcmp(argv[2], "hold"))) {
		fprintf(stderr, "vhost: wrong arguments; the source's head has them\n");
		return 2;
	}
	set_up(argv[1]);
	if (argc == 3) {
		printf("held\n");
		fflush(stdout);
		pause();
	}
	say_what_it_is();
	move_all(large, aligned);
	move_all(large, shifted);
	move_all(mixed, aligned);
	move_all(mixed, shifted);
	strncpy(target.vhost_wwpn, argv[1], sizeof(target.vhost_wwpn) - 1);
	must(!ioctl(device, VHOST_SCSI_CLEAR_ENDPOINT, &target), "VHOST_SCSI_CLEAR_ENDPOINT");
	printf("moved %u %u\n", nr_writes, nr_reads);
	return 0;
}
