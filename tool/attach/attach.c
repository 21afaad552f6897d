// SPDX-License-Identifier: MIT
/* zcmu attach: exports a backstore. This file has the arguments; make.c makes the target. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach/fabric.h"
#include "attach/group.h"
#include "attach/iscsi.h"
#include "backstore.h"
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
	const char *said[MAX_INITIATORS];	/* initiators, */
	char names[MAX_INITIATORS][TARGET_NAME_MAX + 1];	/* as ACLs have them */
	const char *initiators[MAX_INITIATORS];
	struct attach_wish wish;
	const char *password_file;
	const char *mutual_password_file;
	struct iscsi_credentials chap;
	bool json;
};

static void print_help(void)
{
	printf("usage: zcmu attach NAME TARGET [OPTION]...\n\n"
	       "Exports the disk NAME, or any backstore of type \"user\" that is enabled, as a LUN of\n"
	       "TARGET, and prints it. The target is made if it isn't there. It is one of\n\n"
	       "  iscsi:IQN                 over iSCSI\n"
	       "  fc:WWPN                   by that FC port of this machine (qla2xxx)\n"
	       "  vhost:naa.WWN             to a virtual machine (vhost-scsi)\n\n"
	       "  --portal ADDR[:PORT]      listen there; may be repeated; default for a new target:\n"
	       "                            0.0.0.0:3260, every address; iSCSI alone, as CHAP is\n"
	       "  --initiator NAME          let this initiator (IQN, WWPN) in; may be repeated\n"
	       "  --open-to-all             let in everybody who can reach a portal, or the port\n"
	       "  --chap-user USER          ask them for a password (CHAP)\n"
	       "  --chap-password-file FILE  its first line is the password; \"-\": standard input;\n"
	       "                            credential:NAME: what systemd has loaded by that name\n"
	       "  --chap-mutual-user USER   the target's own name, when an initiator asks for it\n"
	       "  --chap-mutual-password-file FILE  the password for that, another one\n"
	       "  --port-group N            1 to %d: initiators are told this group of ports, and its state\n"
	       "  --state STATE             of that group (ALUA): optimized, non-optimized, standby,\n"
	       "                            unavailable, transitioning; zcmu alua changes it\n"
	       "  --json                    for a program\n"
	       "  --help                    this text\n", GROUP_MAX);
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
	if (attach->wish.initiator_count == MAX_INITIATORS) {
		usage_error("attach", "more than %d initiators", MAX_INITIATORS);
		return EXIT_USAGE;
	}
	attach->said[attach->wish.initiator_count++] = name;
	return -1;
}

/* Each of them once, in the form of the fabric */
static bool take_initiators(struct attach *attach)
{
	struct attach_wish *wish = &attach->wish;
	const bool is_iscsi = wish->target.fabric->has_portals;
	size_t i, k, count = wish->initiator_count;

	wish->initiator_count = 0;
	wish->initiators = attach->initiators;
	for (i = 0; i < count; i++) {
		char *name = attach->names[wish->initiator_count];

		if (!target_takes_initiator(&wish->target, attach->said[i], name,
					    sizeof(attach->names[0]))) {
			usage_error("attach", is_iscsi ?
				    "\"%s\" is no initiator's name; /etc/iscsi/initiatorname.iscsi has it, over there" :
				    "\"%s\" is no name of an FC port; /sys/class/fc_host/host*/port_name has it, over there",
				    attach->said[i]);
			return false;
		}
		for (k = 0; k < wish->initiator_count && strcmp(attach->names[k], name); k++)
			;
		if (k == wish->initiator_count)
			attach->initiators[wish->initiator_count++] = name;
	}
	return true;
}

static const char *example_of(const struct target *target)
{
	return target->fabric->has_portals ?
	       "iqn.2026-11.org.example:disk can: a month, your domain reversed, and lower-case letters, digits, \".\", \"-\" and \":\"" :
	       target->fabric->has_initiators ?
	       "21:00:00:24:ff:31:4c:48 can: /sys/class/fc_host/host*/port_name has those of this machine" :
	       "naa.5001405000000001 can: \"naa.\" and 16 lower-case hexadecimal digits, of your choice";
}

bool attach_target(const char *subcommand, const char *text, struct target *ret)
{
	if (target_parse(text, ret) && !text[strcspn(text, " \t")])
		return true;
	if (ret->fabric)
		usage_error(subcommand, "\"%s\" can't be a target's name; %s", strchr(text, ':') + 1,
			    example_of(ret));
	else
		usage_error(subcommand, "\"%s\" is no target; iscsi:IQN, fc:WWPN and vhost:naa.WWN are",
			    text);
	return false;
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
       OPT_CHAP_MUTUAL_USER, OPT_CHAP_MUTUAL_PASSWORD_FILE, OPT_PORT_GROUP, OPT_STATE,
       OPT_JSON, OPT_HELP };

static const struct option long_options[] = {
	{ "portal", required_argument, NULL, OPT_PORTAL },
	{ "initiator", required_argument, NULL, OPT_INITIATOR },
	{ "open-to-all", no_argument, NULL, OPT_OPEN_TO_ALL },
	{ "chap-user", required_argument, NULL, OPT_CHAP_USER },
	{ "chap-password-file", required_argument, NULL, OPT_CHAP_PASSWORD_FILE },
	{ "chap-mutual-user", required_argument, NULL, OPT_CHAP_MUTUAL_USER },
	{ "chap-mutual-password-file", required_argument, NULL, OPT_CHAP_MUTUAL_PASSWORD_FILE },
	{ "port-group", required_argument, NULL, OPT_PORT_GROUP },
	{ "state", required_argument, NULL, OPT_STATE },
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
	case OPT_PORT_GROUP:
		return option_number("attach", "--port-group", optarg, 1, GROUP_MAX,
				     &attach->wish.group);
	case OPT_STATE:
		attach->wish.state = optarg;
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

/* Who may use it */
static bool check_access(struct attach *attach)
{
	struct attach_wish *wish = &attach->wish;
	const struct fabric *fabric = wish->target.fabric;
	const char *wrong = NULL;

	if (!fabric->has_portals && (wish->portal_count || attach->chap.user[0] ||
				     attach->chap.mutual_user[0]))
		wrong = "portals and CHAP are of iSCSI alone";
	else if (!fabric->has_initiators && (wish->initiator_count || wish->open_to_all))
		wrong = "a virtual machine is no initiator with a name: whoever can open /dev/vhost-scsi gets the disk";
	else if (fabric->has_initiators && !wish->initiator_count && !wish->open_to_all)
		wrong = fabric->has_portals ?
			"who may log in? Name each with --initiator IQN, or say --open-to-all for whoever can reach a portal" :
			"who may log in? Name each with --initiator WWPN, or say --open-to-all for whoever can reach the port";
	else if (wish->initiator_count && wish->open_to_all)
		wrong = "--initiator and --open-to-all contradict each other";
	if (!wrong)
		return take_initiators(attach);
	usage_error("attach", "%s", wrong);
	return false;
}

static bool check_group(const struct attach_wish *wish)
{
	if (wish->state && !wish->group)
		usage_error("attach", "whose state? Say --port-group N, another number for each machine that exports the disk");
	else if (wish->state && !group_state_is_valid(wish->state))
		usage_error("attach", "\"%s\" is no state; optimized, non-optimized, standby, unavailable and transitioning are",
			    wish->state);
	else
		return true;
	return false;
}

static int parse(struct attach *attach, int argc, char **argv)
{
	struct attach_wish *wish = &attach->wish;
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
	if (!attach_target("attach", argv[optind + 1], &wish->target))
		return EXIT_USAGE;
	wish->portals = attach->portals;
	if (!check_access(attach) || !check_group(wish))
		return EXIT_USAGE;
	return check_chap(attach);
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
	json_add(object, "target", json_text(attach->wish.target.name));
	json_add(object, "lun", json_int64(lun));
	print_json(object);
}

int attach_main(int argc, char **argv)
{
	static struct attach attach;	/* large */
	struct backstore backstore;
	unsigned int lun;
	int status;

	status = parse(&attach, argc, argv);
	if (status >= 0)
		return status;
	status = check(&attach, &backstore) ||
		 attach_make(&backstore, &attach.wish, &lun) ? EXIT_FAILED : EXIT_OK;
	credentials_forget(&attach.chap);
	if (status)
		return status;
	if (attach.json)
		print_json_result(&attach, lun);
	else
		printf("%s:%s LUN %u\n", attach.wish.target.fabric->prefix, attach.wish.target.name, lun);
	return EXIT_OK;
}
