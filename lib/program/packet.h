/* SPDX-License-Identifier: MIT */
/* Packets between two processes of ours, on a SOCK_SEQPACKET: a descriptor may come along. */
#ifndef ZCMU_PACKET_H
#define ZCMU_PACKET_H

#include <stddef.h>
#include <sys/types.h>

/* @passed: sent along, or -1; @flags: MSG_DONTWAIT, or 0. Quiet. Return: 0 or -errno */
int packet_send(int fd, const void *packet, size_t size, int passed, int flags);

/*
 * @passed: where the descriptor that came along goes, or -1; NULL: none is taken. Quiet.
 * Return: bytes, 0 if the other side has gone, or -errno
 */
ssize_t packet_receive(int fd, void *packet, size_t size, int *passed);

#endif /* ZCMU_PACKET_H */
