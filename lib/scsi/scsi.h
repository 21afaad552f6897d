/* SPDX-License-Identifier: MIT */
/*
 * SCSI commands. Each function interprets one, from its CDB to zcmu_cmd_finish(). They are grouped
 * by the file that has them. The opcodes are in opcodes.c's table.
 */
#ifndef ZCMU_SCSI_H
#define ZCMU_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/disk.h"

/* Bytes of the longest mode page, SBC-3's caching page */
#define ZCMU_MAX_MODE_PAGE	20

/* Block descriptors in one UNMAP; VPD page B0 reports it. */
#define ZCMU_MAX_UNMAP_DESCRIPTORS	256

/* Blocks in one COMPARE AND WRITE: VPD page B0 has one byte for it. */
#define ZCMU_MAX_COMPARE_BLOCKS	255

/* opcodes.c */
void zcmu_scsi_execute(struct zcmu_cmd *cmd);
void zcmu_scsi_report_opcodes(struct zcmu_cmd *cmd);

/* range.c */
uint32_t zcmu_scsi_flags_field(const uint8_t *cdb);
uint64_t zcmu_scsi_lba(const uint8_t *cdb);
uint32_t zcmu_scsi_blocks_field(const uint8_t *cdb);
bool zcmu_scsi_range(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length);
bool zcmu_scsi_wants_protection(const uint8_t *cdb);
bool zcmu_scsi_wants_fua(const uint8_t *cdb);
bool zcmu_scsi_transfer(struct zcmu_cmd *cmd, unsigned int times, uint64_t *offset,
			uint64_t *length);
bool zcmu_scsi_transfer_in(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length);
bool zcmu_scsi_transfer_out(struct zcmu_cmd *cmd, uint64_t *offset, uint64_t *length);

/* inquiry.c */
void zcmu_scsi_inquiry(struct zcmu_cmd *cmd);
uint32_t zcmu_scsi_designators(const struct zcmu_disk *disk, uint8_t *p);

/* mode.c */
void zcmu_scsi_mode_sense6(struct zcmu_cmd *cmd);
void zcmu_scsi_mode_sense10(struct zcmu_cmd *cmd);
bool zcmu_scsi_senses_descriptors(const struct zcmu_disk *disk, uint64_t capacity);
uint32_t zcmu_scsi_mode_page(const struct zcmu_disk *disk, uint8_t code, uint8_t *p);

/* mode_select.c */
void zcmu_scsi_mode_select6(struct zcmu_cmd *cmd);
void zcmu_scsi_mode_select10(struct zcmu_cmd *cmd);

/* device.c */
void zcmu_scsi_test_unit_ready(struct zcmu_cmd *cmd);
void zcmu_scsi_request_sense(struct zcmu_cmd *cmd);
void zcmu_scsi_start_stop(struct zcmu_cmd *cmd);
void zcmu_scsi_send_diagnostic(struct zcmu_cmd *cmd);
void zcmu_scsi_prevent_allow(struct zcmu_cmd *cmd);
void zcmu_scsi_read_defects(struct zcmu_cmd *cmd);
void zcmu_scsi_report_tmfs(struct zcmu_cmd *cmd);
void zcmu_scsi_log_sense(struct zcmu_cmd *cmd);

/* block.c */
void zcmu_scsi_read_capacity10(struct zcmu_cmd *cmd);
void zcmu_scsi_read_capacity16(struct zcmu_cmd *cmd);
void zcmu_scsi_read(struct zcmu_cmd *cmd);
void zcmu_scsi_write(struct zcmu_cmd *cmd);
void zcmu_scsi_prefetch(struct zcmu_cmd *cmd);
bool zcmu_scsi_has_cache(const struct zcmu_disk *disk);
void zcmu_scsi_synchronize_cache(struct zcmu_cmd *cmd);
void zcmu_scsi_start_flush(struct zcmu_cmd *cmd);

/* verify.c */
void zcmu_scsi_verify(struct zcmu_cmd *cmd);
void zcmu_scsi_write_and_verify(struct zcmu_cmd *cmd);

/* atomic.c */
uint32_t zcmu_scsi_max_compare(const struct zcmu_disk *disk);
void zcmu_scsi_compare_and_write(struct zcmu_cmd *cmd);
void zcmu_scsi_orwrite(struct zcmu_cmd *cmd);

/* thin.c */
void zcmu_scsi_unmap(struct zcmu_cmd *cmd);
void zcmu_scsi_write_same(struct zcmu_cmd *cmd);

/* map.c */
void zcmu_scsi_get_lba_status(struct zcmu_cmd *cmd);

/* copy.c */
void zcmu_scsi_extended_copy(struct zcmu_cmd *cmd);
void zcmu_scsi_copy_parameters(struct zcmu_cmd *cmd);
uint32_t zcmu_scsi_copy_page(const struct zcmu_disk *disk, uint8_t *p);

#endif /* ZCMU_SCSI_H */
