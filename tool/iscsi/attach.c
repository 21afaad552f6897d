// SPDX-License-Identifier: MIT
/*
 * zcmu attach: exports a backstore over iSCSI. This file has the arguments; make.c makes the
 * target.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backstore.h"
#include "iscsi/iscsi.h"
#include "json.h"
#include "option.h"
#include "served.h"
#include "subcommand.h"
#include "zcmu.h"

#define MAX_PORTALS	16
#define MAX_INITIATORS	256

struct attach {
	const char *name;
	struct iscsi_portal portals[MAX_PORTALS];
	const char *initiators[MAX_INITIATORS];
	struct iscsi_wish wish;
	const char *password_file;
	const char *mutual_password_file;
	struct iscsi_credentials chap;
	bool json;
};

static void print_help(void)
{
	printf("usage: zcmu attach NAME iscsi:IQN [OPTION]...\n\n"
	       "Exports the disk NAME, or any backstore of type \"user\" that is enabled, as a LUN of\n"
	       "the iSCSI target IQN, and prints it. The target is made if it isn't there.\n\n"
	       "  --portal ADDR[:PORT]      listen there; may be repeated; default for a new target:\n"
	       "                            0.0.0.0:3260, every address\n"
	       "  --initiator IQN           let this initiator in; may be repeated\n"
	       "  --open-to-all             let in everybody who can reach a portal\n"
	       "  --chap-user USER          ask them for a password (CHAP)\n"
	       "  --chap-password-file FILE  its first line is the password; \"-\": standard input;\n"
	       "                            credential:NAME: what systemd has loaded by that name\n"
	       "  --chap-mutual-user USER   the target's own name, when an initiator asks for it\n"
	       "  --chap-mutual-password-file FILE  the password for that, another one\n"
	       "  --json                    for a program\n"
	       "  --help                    this text\n");
}

/*
 * Options
 */

static int add_portal(struct attach *attach, const char *text)
{
	struct iscsi_portal *portal = &attach->portals[attach->wish.portal_count];

	if (attach->wish.portal_count == MAX_PORTALS) {
		usage_error("attach", "more than %d portals", MAX_PORTALS);
		return EXIT_USAGE;
	}
	if (iscsi_portal_parse(text, portal)) {
		usage_error("attach", "\"%s\" is no portal; 192.0.2.1, 192.0.2.1:3260 and [2001:db8::1]:3260 are",
			    text);
		return EXIT_USAGE;
	}
	attach->wish.portal_count++;
	return -1;
}

static int add_initiator(struct attach *attach, const char *name)
{
	size_t i;

	if (!iscsi_name_is_valid(name, true)) {
		usage_error("attach", "\"%s\" is no initiator's name; /etc/iscsi/initiatorname.iscsi has it, over there",
			    name);
		return EXIT_USAGE;
	}
	if (attach->wish.initiator_count == MAX_INITIATORS) {
		usage_error("attach", "more than %d initiators", MAX_INITIATORS);
		return EXIT_USAGE;
	}
	for (i = 0; i < attach->wish.initiator_count; i++) {
		if (!strcmp(attach->initiators[i], name))
			return -1;
	}
	attach->initiators[attach->wish.initiator_count++] = name;
	return -1;
}

/* From "iscsi:IQN" to the IQN. */
const char *attach_target(const char *subcommand, const char *text)
{
	if (strncmp(text, "iscsi:", 6)) {
		usage_error(subcommand, "\"%s\" is no target; iscsi:IQN is", text);
		return NULL;
	}
	if (!iscsi_name_is_valid(text + 6, false)) {
		usage_error(subcommand, "\"%s\" can't be a target's name; iqn.2026-11.org.example:disk can: a month, your domain reversed, and lower-case letters, digits, \".\", \"-\" and \":\"",
			    text + 6);
		return NULL;
	}
	return text + 6;
}

static int take_user(const char *option, char *ret)
{
	if (!credentials_are_plain(optarg)) {
		usage_error("attach", "the %s must be 1..%d printable characters, and not begin with NULL",
			    option, CREDENTIALS_MAX);
		return EXIT_USAGE;
	}
	strcpy(ret, optarg);
	return -1;
}

enum { OPT_PORTAL = 1, OPT_INITIATOR, OPT_OPEN_TO_ALL, OPT_CHAP_USER, OPT_CHAP_PASSWORD_FILE,
       OPT_CHAP_MUTUAL_USER, OPT_CHAP_MUTUAL_PASSWORD_FILE, OPT_JSON, OPT_HELP };

static const struct option long_options[] = {
	{ "portal", required_argument, NULL, OPT_PORTAL },
	{ "initiator", required_argument, NULL, OPT_INITIATOR },
	{ "open-to-all", no_argument, NULL, OPT_OPEN_TO_ALL },
	{ "chap-user", required_argument, NULL, OPT_CHAP_USER },
	{ "chap-password-file", required_argument, NULL, OPT_CHAP_PASSWORD_FILE },
	{ "chap-mutual-user", required_argument, NULL, OPT_CHAP_MUTUAL_USER },
	{ "chap-mutual-password-file", required_argument, NULL, OPT_CHAP_MUTUAL_PASSWORD_FILE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 }
};

/* Return: an exit status, or -1 to go on. */
static int take_option(struct attach *attach, int option)
{
	switch (option) {
	case OPT_PORTAL:
		return add_portal(attach, optarg);
	case OPT_INITIATOR:
		return add_initiator(attach, optarg);
	case OPT_OPEN_TO_ALL:
		attach->wish.open_to_all = true;
		return -1;
	case OPT_CHAP_USER:
		return take_user("--chap-user", attach->chap.user);
	case OPT_CHAP_MUTUAL_USER:
		return take_user("--chap-mutual-user", attach->chap.mutual_user);
	case OPT_CHAP_MUTUAL_PASSWORD_FILE:
		attach->mutual_password_file = optarg;
		return -1;
	case OPT_CHAP_PASSWORD_FILE:
		attach->password_file = optarg;
		return -1;
	case OPT_JSON:
		attach->json = true;
		return -1;
	case OPT_HELP:
		print_help();
		return EXIT_OK;
	default:
		option_wrong("attach", option);
		return EXIT_USAGE;
	}
}

static int check_chap(struct attach *attach)
{
	const char *wrong = NULL;

	if (!attach->chap.user[0] != !attach->password_file)
		wrong = "--chap-user and --chap-password-file belong together";
	else if (!attach->chap.mutual_user[0] != !attach->mutual_password_file)
		wrong = "--chap-mutual-user and --chap-mutual-password-file belong together";
	else if (attach->mutual_password_file && !attach->password_file)
		wrong = "the target answers to somebody who has answered: --chap-mutual-user takes --chap-user";
	else if (attach->mutual_password_file && !strcmp(attach->mutual_password_file, "-") &&
		 !strcmp(attach->password_file, "-"))
		wrong = "only one password can come from the standard input";
	if (!wrong)
		return -1;
	usage_error("attach", "%s", wrong);
	return EXIT_USAGE;
}

static int parse(struct attach *attach, int argc, char **argv)
{
	struct iscsi_wish *wish = &attach->wish;
	int option, status;

	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		status = take_option(attach, option);
		if (status >= 0)
			return status;
	}
	if (argc - optind != 2) {
		usage_error("attach", argc - optind > 2 ? "only one disk and one target at a time" :
			    argc == optind ? "which disk, and which target?" :
			    "which target? Say iscsi:iqn.2026-11.org.example:disk, for example");
		return EXIT_USAGE;
	}
	attach->name = argv[optind];
	wish->target = attach_target("attach", argv[optind + 1]);
	if (!wish->target)
		return EXIT_USAGE;
	if (!wish->initiator_count && !wish->open_to_all) {
		usage_error("attach", "who may log in? Name each with --initiator IQN, or say --open-to-all for whoever can reach a portal");
		return EXIT_USAGE;
	}
	if (wish->initiator_count && wish->open_to_all) {
		usage_error("attach", "--initiator and --open-to-all contradict each other");
		return EXIT_USAGE;
	}
	status = check_chap(attach);
	if (status >= 0)
		return status;
	wish->initiators = attach->initiators;
	wish->portals = attach->portals;
	return -1;
}

/*
 * Checks
 */

static int read_passwords(struct attach *attach)
{
	struct iscsi_credentials *chap = &attach->chap;
	int err;

	if (!attach->password_file)
		return 0;
	err = credentials_read_password(attach->password_file, chap->password);
	if (!err && attach->mutual_password_file)
		err = credentials_read_password(attach->mutual_password_file,
						chap->mutual_password);
	/* RFC 7143 9.2.1: whoever gets one to answer would have the other one's answer. */
	if (!err && attach->mutual_password_file &&
	    !strcmp(chap->password, chap->mutual_password)) {
		zcmu_error("%s: the password of the target is that of the initiator: choose another one",
			   attach->mutual_password_file);
		err = -EINVAL;
	}
	attach->wish.chap = chap;
	return err;
}

static int check(struct attach *attach, struct backstore *backstore)
{
	size_t i;

	if (geteuid()) {
		zcmu_error("exporting a disk takes root");
		return -EPERM;
	}
	if (backstore_find_wanted(attach->name, backstore))
		return -ENOENT;
	if (backstore->uio < 0) {
		zcmu_error("%s: this backstore is not enabled; write 1 to its \"enable\" first",
			   attach->name);
		return -ENODEV;
	}
	for (i = 0; i < attach->wish.portal_count; i++) {
		if (!iscsi_portal_is_local(&attach->portals[i])) {
			zcmu_error("%s: the portal %s has no address of this machine; \"ip address\" shows which it has",
				   attach->name, attach->portals[i].name);
			return -EADDRNOTAVAIL;
		}
	}
	if (!backstore_is_served(backstore))
		zcmu_warning("%s: nobody serves it: its commands will wait", attach->name);
	return read_passwords(attach);
}

static void print_json_result(const struct attach *attach, unsigned int lun)
{
	struct json_object *object = json_document();

	json_add(object, "name", json_text(attach->name));
	json_add(object, "target", json_text(attach->wish.target));
	json_add(object, "lun", json_int64(lun));
	print_json(object);
}

int attach_main(int argc, char **argv)
{
	struct attach attach = { .json = false };
	struct backstore backstore;
	unsigned int lun;
	int status;

	status = parse(&attach, argc, argv);
	if (status >= 0)
		return status;
	status = check(&attach, &backstore) ||
		 iscsi_attach(&backstore, &attach.wish, &lun) ? EXIT_FAILED : EXIT_OK;
	credentials_forget(&attach.chap);
	if (status)
		return status;
	if (attach.json)
		print_json_result(&attach, lun);
	else
		printf("iscsi:%s LUN %u\n", attach.wish.target, lun);
	return EXIT_OK;
}
