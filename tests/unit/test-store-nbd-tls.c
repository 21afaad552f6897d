// SPDX-License-Identifier: MIT
/*
 * The store nbd over TCP and TLS with certificates: servers and clients that can prove who
 * they are are let in, others are refused by whoever they can't prove it to, and told so.
 * Keys (PSK) are test-store-nbd.c's.
 */
#include "nbd-server.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made once, by certtool; each folder has what libnbd and nbdkit look for in one. */
static char root[] = "/tmp/zcmu-certificates-XXXXXX";
static bool are_made;

/*
 * NAME is a folder; CA a folder whose authority signs. An authority has a key of its own
 * called ca-key.pem, and no more than its certificate is copied.
 */
static const char script[] =
	"set -e; cd \"$1\"\n"
	"template() { printf '%s\\n' \"$@\" > template; }\n"
	"ca() {\n"
	"  mkdir $1; certtool --generate-privkey --key-type=ecdsa --outfile $1/ca-key.pem\n"
	"  template \"cn = $1\" ca cert_signing_key 'expiration_days = 30'\n"
	"  certtool --generate-self-signed --load-privkey $1/ca-key.pem --template template --outfile $1/ca-cert.pem\n"
	"}\n"
	"sign() {\n"	/* FOLDER CA ROLE LINE... */
	"  folder=$1 ca=$2 role=$3; shift 3; mkdir -p $folder; cp $ca/ca-cert.pem $folder/\n"
	"  template \"cn = $role\" \"tls_www_$role\" signing_key \"$@\"\n"
	"  certtool --generate-privkey --key-type=ecdsa --outfile $folder/$role-key.pem\n"
	"  certtool --generate-certificate --load-ca-certificate $ca/ca-cert.pem --load-ca-privkey $ca/ca-key.pem \\\n"
	"    --load-privkey $folder/$role-key.pem --template template --outfile $folder/$role-cert.pem\n"
	"}\n"
	"ca ours; ca theirs\n"
	"here='ip_address = 127.0.0.1'\n"
	"sign server ours server \"$here\" 'expiration_days = 30'\n"
	"sign expired ours server \"$here\" 'activation_date = \"2019-01-01\"' 'expiration_date = \"2020-01-01\"'\n"
	"sign elsewhere ours server 'ip_address = 127.0.0.2' 'expiration_days = 30'\n"
	"sign client ours client 'expiration_days = 30'\n"
	"sign old-client ours client 'activation_date = \"2019-01-01\"' 'expiration_date = \"2020-01-01\"'\n"
	"sign stranger theirs client 'expiration_days = 30'\n"
	"cp ours/ca-cert.pem stranger/\n"	/* it trusts the server, who doesn't trust it */
	"sign distrustful theirs client 'expiration_days = 30'\n"
	"mkdir anonymous; cp ours/ca-cert.pem anonymous\n";

static int make_certificates(void **state)
{
	char command[4096];

	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(command, sizeof(command), "exec > %s/log 2>&1; set -- %s\n%s", root, root, script);
	are_made = !system(command);
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
	(void)stat;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int remove_certificates(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* @server: the folder of its certificates; more of nbdkit's options */
static void start(struct nbd_server *s, const char *server, const char *options)
{
	char arguments[512];

	if (!are_made) {
		printf("skipped: certtool is not installed, or fails\n");
		skip();
	}
	snprintf(arguments, sizeof(arguments), "--tls=require --tls-certificates=%s/%s %s memory 8M",
		 root, server, options);
	nbdkit_start_tcp(s, arguments);
}

/* @client: the folder of its certificates. Return: driver_open()'s */
static int connect_as(struct nbd_server *s, const char *client)
{
	snprintf(s->uri, sizeof(s->uri), "nbds://127.0.0.1:%u/?tls-certificates=%s/%s", s->port, root,
		 client);
	return nbd_server_open(s, "");
}

static void expect_refused(struct nbd_server *s, const char *client, const char *why)
{
	int err = connect_as(s, client);

	if (!err)
		fail_msg("expected the folder %s to be refused, got a disk", client);
	expect_logged(s->driver, "can't connect", why);
	expect_logged(s->driver, s->uri, why);
}

static void write_and_read_back(struct nbd_server *s)
{
	static uint8_t data[1 << 20];

	memset(data, 0x6b, sizeof(data));
	assert_int_equal(driver_write(s->driver, 4096, data, sizeof(data), true), ZCMU_OK);
	expect_bytes_of(s->driver, 4096, sizeof(data), 0x6b);
	expect_bytes_of(s->driver, 0, 4096, 0);
}

static void tcp_is_as_good_as_a_unix_socket(void **state)
{
	struct nbd_server *s = *state;

	nbdkit_start_tcp(s, "memory 8M");
	snprintf(s->uri, sizeof(s->uri), "nbd://127.0.0.1:%u/", s->port);
	assert_int_equal(nbd_server_open(s, ""), 0);
	write_and_read_back(s);
}

static void a_server_with_a_good_certificate_is_served(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "");
	assert_int_equal(connect_as(s, "anonymous"), 0);
	write_and_read_back(s);
}

static void a_server_signed_by_somebody_else_is_refused(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "");
	expect_refused(s, "distrustful", "certificate");
}

static void a_server_whose_certificate_has_expired_is_refused(void **state)
{
	struct nbd_server *s = *state;

	start(s, "expired", "");
	expect_refused(s, "anonymous", "expired");
}

static void a_server_with_the_certificate_of_another_host_is_refused(void **state)
{
	struct nbd_server *s = *state;

	start(s, "elsewhere", "");
	expect_refused(s, "anonymous", "certificate");
}

static void certificates_that_are_not_there_are_told_of(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "");
	/* libnbd alone would trust anybody then. */
	expect_refused(s, "nowhere", "no ca-cert.pem that can be read");
	snprintf(s->uri, sizeof(s->uri), "nbds://127.0.0.1:%u/", s->port);
	assert_int_equal(nbd_server_open(s, ""), -EACCES);
	expect_logged(s->driver, "can't connect", "which server is to be trusted");
	snprintf(s->uri, sizeof(s->uri), "nbds://127.0.0.1:%u/?tls-psk-file=%s/none", s->port, root);
	assert_int_equal(nbd_server_open(s, ""), -EACCES);
	expect_logged(s->driver, "can't connect", "tls-psk-file can't be read");
	/* Percent-encoded: "client" */
	assert_int_equal(connect_as(s, "c%6Cien%74"), 0);
}

/* Nobody falls back to plain text, neither the server nor the disk. */
static void plain_text_is_not_spoken_instead(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "");
	snprintf(s->uri, sizeof(s->uri), "nbd://127.0.0.1:%u/", s->port);
	assert_true(nbd_server_open(s, "") < 0);
	expect_logged(s->driver, "can't connect", "TLS");
	nbd_server_kill(s);
	nbdkit_start_tcp(s, "--tls=off memory 8M");
	expect_refused(s, "anonymous", "TLS");
}

static void a_client_is_asked_for_its_certificate(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "--tls-verify-peer");
	assert_int_equal(connect_as(s, "client"), 0);
	write_and_read_back(s);
}

static void a_client_without_a_good_certificate_is_refused(void **state)
{
	struct nbd_server *s = *state;

	start(s, "server", "--tls-verify-peer");
	expect_refused(s, "anonymous", "can't connect");
	expect_refused(s, "stranger", "can't connect");
	expect_refused(s, "old-client", "can't connect");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NBD_TEST(tcp_is_as_good_as_a_unix_socket),
		NBD_TEST(a_server_with_a_good_certificate_is_served),
		NBD_TEST(a_server_signed_by_somebody_else_is_refused),
		NBD_TEST(a_server_whose_certificate_has_expired_is_refused),
		NBD_TEST(a_server_with_the_certificate_of_another_host_is_refused),
		NBD_TEST(certificates_that_are_not_there_are_told_of),
		NBD_TEST(plain_text_is_not_spoken_instead),
		NBD_TEST(a_client_is_asked_for_its_certificate),
		NBD_TEST(a_client_without_a_good_certificate_is_refused),
	};

	return cmocka_run_group_tests_name("store-nbd-tls", tests, make_certificates,
					   remove_certificates);
}
