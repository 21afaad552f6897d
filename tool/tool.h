/* SPDX-License-Identifier: MIT */
/*
 * The zcmu command's insides, grouped by file. Functions that return int return 0 or
 * a negative errno and have told what went wrong, unless their comment says "quiet".
 * Subcommands return an exit status.
 */
#ifndef ZCMU_TOOL_H
#define ZCMU_TOOL_H

#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "zcmu.h"

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

#define TARGET		"/sys/kernel/config/target"
#define RUN_DIR		"/run/zcmu"
#define ISCSI		TARGET "/iscsi"
#define NAME_MAX_LEN	64		/* of a disk; other people's backstores may be longer */
#define ISCSI_NAME_MAX	223

/* main.c */
struct subcommand {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*main)(int argc, char **argv);
};

extern const struct subcommand subcommands[];

/* standard.c: descriptors 0, 1 and 2 */
int standard_open(void);
bool standard_was_closed(int fd);	/* when the program was started */
void standard_give_up(int fd);
int standard_end(int status);		/* an exit status, for one */
void standard_lack(int err);		/* something could not be printed */
void standard_divert(void);		/* from here on 1 is for nobody's results */
FILE *standard_output(void);		/* for ours */
void standard_close_output(void);

/* signals.c */
void signals_heeded(sigset_t *set);	/* that end something: not those that were ignored */
void signals_catch(void (*function)(int number));
void signals_want_children(void);
bool signals_hang_up(void);
bool signals_end(int signal_fd, bool hang_up_ends);

/* the subcommands, one file each */
int serve_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);
int resize_main(int argc, char **argv);
int copy_main(int argc, char **argv);
int list_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int stop_main(int argc, char **argv);
int upgrade_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int tune_main(int argc, char **argv);
int bench_main(int argc, char **argv);

/* option.c: the command line: numbers, and what is wrong with it */
void usage_error(const char *subcommand, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool option_parse(const char *text, unsigned int min, unsigned int max,
		  unsigned int *ret);	/* quiet */
void option_begin(char **argv);
void option_wrong(const char *subcommand, int said);
int option_number(const char *subcommand, const char *option, const char *text, unsigned int min,
		  unsigned int max, unsigned int *ret);

/* attribute.c: small files of configfs and sysfs */
int attribute_read(char *value, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));	/* quiet; the first line without its end */
int attribute_write(const char *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int attribute_write_secret(const char *value, const char *format, ...)
	__attribute__((format(printf, 2, 3)));	/* which no message may contain */
bool attribute_exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* backstore.c: the disk in the target core */
struct backstore {
	unsigned int hba;
	char name[NAME_MAX + 1];
	char config[256];		/* dev_config: "zcmu/..." if it is ours */
	uint64_t size;			/* bytes */
	int uio;			/* N of /dev/uioN, or -1 */
};

bool backstore_name_is_valid(const char *name);
int backstore_find(const char *name, struct backstore *ret);	/* -ENOENT: quiet, there is none */
int backstore_find_wanted(const char *name, struct backstore *ret);
int backstore_list(struct backstore **ret, size_t *count);
bool backstore_is_served(const struct backstore *backstore);	/* root knows for sure */
const char *backstore_state(const struct backstore *backstore);
bool backstore_is_ours(const struct backstore *backstore);
int backstore_create(const char *name, const struct zcmu_store *store, const char *spec,
		     const char *serial, unsigned int time_out, struct backstore *ret);
int backstore_enable(struct backstore *backstore);
int backstore_remove(const struct backstore *backstore);
int backstore_open_uio(const struct backstore *backstore);	/* a descriptor */
int backstore_open_disk(const struct backstore *backstore, struct zcmu_disk **ret);
void backstore_make_config(const char *spec, char *config, size_t size);
void backstore_path(const struct backstore *backstore, char *path, size_t size);

/* serve/serial.c: of a disk; those that are returned have SERIAL_SIZE bytes */
#define SERIAL_SIZE	64

bool serial_is_valid(const char *serial);
int serial_find(const char *name, const char *spec, char *serial);	/* quiet; -ENOENT: none */
int serial_keep(const char *name, const char *spec, const char *serial);	/* quiet */
int serial_get(const char *name, const char *spec, bool is_lasting, char *serial);
void serial_of_machine(const char *name, const char *spec, char *serial);

/* serve/disk_name.c: the name of a disk that is given none. @name: NAME_MAX_LEN + 1 bytes */
void disk_name_make(const char *spec, char *name);
void disk_name_find(const char *spec, const char *absolute, const char *serial,
		    char *name);	/* or none */

/* loopback.c: the disk as a local SCSI disk */
struct loopback {
	char wwn[64];			/* naa.... */
	char device[32];		/* "/dev/sda", or empty */
};

int loopback_attach(const struct backstore *backstore, struct loopback *ret);
int loopback_scan(struct loopback *loopback);	/* its target is there, but no disk of it */
int loopback_device(const char *target, unsigned int tpg, unsigned int lun, char *device,
		    size_t size);	/* quiet */
int loopback_find(const struct backstore *backstore, struct loopback *ret);	/* quiet */
int loopback_detach(const struct loopback *loopback);
bool loopback_is_in_use(const struct loopback *loopback);

/* exports.c: where it is exported, by whom ever */
struct export {
	char fabric[32];		/* its folder: "loopback", "iscsi", "vhost" */
	char target[NAME_MAX + 1];	/* WWN, IQN */
	unsigned int tpg;
	unsigned int lun;
	char device[32];		/* loopback: "/dev/sda"; or empty */
};

struct exports {
	struct export *entries;
	size_t count;
};

int exports_find(const struct backstore *backstore, struct exports *ret);
const char *exports_device(const struct exports *exports);	/* NULL: no local disk */
void exports_free(struct exports *exports);
const char *export_text(const struct export *export, char *text, size_t size);
struct json_object *exports_to_json(const struct exports *exports);

/* iscsi/iscsi.c: targets of the iSCSI fabric */
struct iscsi_portal {
	char name[64];			/* "1.2.3.4:3260", "[::1]:3260" */
	sa_family_t family;
	unsigned char address[16];
	uint16_t port;
};

struct iscsi_wish {
	const char *target;
	const struct iscsi_portal *portals;
	size_t portal_count;
	const char *const *initiators;
	size_t initiator_count;
	const char *user;		/* CHAP; NULL: none */
	const char *password;
	bool open_to_all;
};

bool iscsi_name_is_valid(const char *name, bool is_initiator);
int iscsi_portal_parse(const char *text, struct iscsi_portal *ret);	/* quiet */
bool iscsi_portal_is_local(const struct iscsi_portal *portal);
bool iscsi_portal_is_taken(const struct iscsi_portal *portal);
int iscsi_mark(const char *target);
bool iscsi_is_ours(const char *target);
bool iscsi_is_blank(const char *target);
bool iscsi_export_is_ours(const struct export *export);
int iscsi_lock(void);
bool iscsi_find_session(const struct export *export, char *initiator, size_t size);

/* iscsi/attach.c */
const char *attach_target(const char *subcommand, const char *text);

/* iscsi/make.c */
int iscsi_attach(const struct backstore *backstore, const struct iscsi_wish *wish,
		 unsigned int *lun);

/* iscsi/remove.c; @target NULL: of every target that zcmu attach has made */
bool iscsi_is_leftover(const char *target);
int iscsi_detach(const struct backstore *backstore, const char *target);

/* runfile.c: who has a disk's name */
struct runfile {
	int fd;				/* locked */
	char name[NAME_MAX_LEN + 1];
};

void runfile_say_served(const char *name);
int runfile_create(const char *name, struct runfile *ret);
int runfile_write_pid(const struct runfile *runfile);
int runfile_inherit(const char *name, int fd, struct runfile *ret);
bool runfile_is_ours(const struct runfile *runfile);
void runfile_remove(struct runfile *runfile);
bool runfile_is_held(const char *name);	/* by any process */
pid_t runfile_pid(const char *name);	/* for people: see control_server_pidfd(); 0: none */
int runfile_wait_until_gone(const char *name, int seconds);	/* quiet; -ETIMEDOUT */

/* control.c: asking the process that serves a disk */
#define CONTROL_MAX	4096		/* bytes of a request, and of an answer */
#define CONTROL_WORDS	8

struct control {
	int fd;				/* poll()ed for reading */
	int asker;			/* who is told how it has ended; or -1 */
	char path[128];
};

/* A request that control_conclude() answers */
#define CONTROL_LATER	1

/* Carries out a request; what it says goes back to who has asked. 0: it is done. */
typedef int (*control_function)(char **words, size_t count, void *argument);

int control_open(const char *name, struct control *ret);
void control_inherit(const char *name, int fd, struct control *ret);
int control_own(const struct control *control);
void control_close(struct control *control, bool is_ours);
void control_handle(struct control *control, control_function function, void *argument);
bool control_takes(const char *message);	/* is it for who has asked? */
void control_gather(void);	/* from here on what is said is for control_conclude(), too */
void control_conclude(struct control *control, bool is_ours, int err);
int control_ask(const char *name, const char *request);
int control_stop(const char *name, int seconds);
int control_ask_for(const char *name, const char *request, char *said, size_t size);
bool control_is_served(const char *name);
int control_find_server(const char *name, pid_t *pid);	/* quiet; -ESRCH, -EACCES */
int control_server_pidfd(const char *name, pid_t *pid);	/* quiet; -ESRCH; -EXDEV: no pid here */

/* serve/resize.c */
typedef int (*resize_function)(void *argument, uint64_t size);

int resize_serve(resize_function function, void *argument, uint64_t old_size,
		 const struct backstore *backstore, const char *device, char **words, size_t count);

/* serve/takeover.c: a disk that goes on with another process */
bool takeover_is_mode(const char *text);	/* of attrib/recover */
bool takeover_is_orphan(const struct backstore *backstore);
bool takeover_is_left_of(const struct backstore *backstore, const char *spec, const char *serial);
int takeover_check_store(const struct backstore *backstore, uint32_t flags, const char *spec,
			 const char *serial);
int takeover_check(const struct backstore *backstore, const struct zcmu_store *store);
int takeover_note(const struct backstore *backstore, const struct zcmu_store *store,
		  const char *identity);
int takeover_note_identity(const struct backstore *backstore, const char *identity);
int takeover_check_identity(const struct backstore *backstore, const char *identity);
int takeover_set_recover(const struct backstore *backstore, const char *mode);

/* serve/handover.c: the process that is to go on with a disk, seen by the one that has it */
struct heir {
	const char *name;
	const char *program;
	int argc;			/* of "zcmu serve" as it was called here */
	char **argv;
	int runfile_fd;
	int control_fd;
	int lifeline_fd;		/* or -1 */
	bool has_own;			/* it has the store in a process of its own */

	pid_t pid;
	int socket;
	char version[32];
};

int heir_start(struct heir *heir);
int heir_succeed(struct heir *heir);
void heir_dismiss(struct heir *heir);
int heir_make_lifeline(int *read_end);	/* quiet */
void heir_pass_signals(pid_t pid);	/* that have come too late for us */
int heir_wait(const char *name);	/* an exit status */

/* and the other way round: --hand-over */
struct handover {
	int socket;
	int runfile_fd;
	int control_fd;
	int lifeline_fd;		/* or -1 */
};

int handover_parse(const char *text, struct handover *ret);	/* quiet */
void handover_log(int level, const char *message, void *argument);
int handover_wait(const struct handover *handover);		/* quiet */
int handover_end(struct handover *handover);			/* quiet */

/* serve/reservations.c */
int reservations_restore(const struct backstore *backstore);

/* serve/stop.c: take a disk out of everything, though nobody serves it any more */
int stop_detach(const struct backstore *backstore);

/* module.c: the kernel's side of it all */
enum module_kind {
	MODULE_NONE,
	MODULE_STOCK,
	MODULE_OURS,
};

enum module_kind module_loaded(void);
int module_prepare(void);
int module_load(const char *name);	/* quiet */
int run_program(const char *const argv[]);	/* quiet; its exit status */

/* memory.c */
void memory_lock(void);

/* counters.c: attrib/counters */
struct counter {
	char name[32];
	uint64_t value;
};

#define COUNTERS_MAX	48

int counters_read(const struct backstore *backstore, struct counter *counters,
		  size_t *count);	/* -EOPNOTSUPP, quiet: the stock module has none */
uint64_t counters_get(const struct counter *counters, size_t count, const char *name);

/* created.c: a store's file that goes if its command fails */
struct created {
	const char *spec;		/* NULL: there is nothing to be removed */
	char identity[ZCMU_STORE_IDENTITY_MAX];	/* of the file that was opened */
};

void created_begin(struct created *created, const char *spec, bool may_create);
void created_opened(struct created *created, const struct zcmu_store *store);
void created_undo(const struct created *created);
void created_hint_at_size(const char *spec, const struct zcmu_store_options *options, int err);

/* contents.c: whether what a store holds outlives the process that has it open */
int contents_check_outlive(const char *name, uint32_t flags);	/* ZCMU_STORE_..., the store's */

/* format.c */
const char *format_size(uint64_t bytes, char *text, size_t size);
unsigned int format_columns(int fd);	/* of a terminal; 0: it is a file, of any width */
#define JSON_VERSION	1	/* of what programs read: raised when a key changes its meaning */

/* json.c: what is NULL for want of memory makes print_json() fail */
struct json_object *json_document(void);	/* an object, with the version */
struct json_object *json_members(void);
struct json_object *json_list(void);
struct json_object *json_uint64(uint64_t number);
struct json_object *json_int64(int64_t number);
struct json_object *json_double(double number);
struct json_object *json_boolean(bool value);
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *list, struct json_object *value);
struct json_object *json_text(const char *text);	/* of any bytes */
void print_json(struct json_object *object);	/* and frees it */
void print_json_line(struct json_object *object);	/* likewise, on one line, at once */

#endif /* ZCMU_TOOL_H */
