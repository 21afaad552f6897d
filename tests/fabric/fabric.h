/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module's files share. port.c is the target port, which configfs makes and
 * removes; command.c are its commands, which come from user space; hold.c stops others.
 */
#ifndef FABRIC_H
#define FABRIC_H

#include <target/target_core_base.h>
#include <target/target_core_fabric.h>

#include "compat.h"
#include "zcmu-test-fabric.h"

/* port.c: an initiator's session, which stays until fabric_port_put(); or NULL */
struct se_session *fabric_port_get(unsigned int nexus);
void fabric_port_put(void);

/* command.c */
int fabric_device_register(void);
void fabric_device_unregister(void);
int fabric_write_pending(struct se_cmd *se_cmd);
int fabric_queue_status(struct se_cmd *se_cmd);
void fabric_queue_tm_rsp(struct se_cmd *se_cmd);
void fabric_aborted_task(struct se_cmd *se_cmd);
int fabric_check_stop_free(struct se_cmd *se_cmd);
void fabric_release_cmd(struct se_cmd *se_cmd);

/* hold.c */
struct hold;
struct hold *hold_begin(const char *name);
bool hold_is_awaited(struct hold *hold);
void hold_end(struct hold *hold);

#endif /* FABRIC_H */
