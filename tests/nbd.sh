# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For cases with an NBD server. To be sourced behind case.sh.
requires nbdkit
nbd_store="nbd+unix:///?socket=$PWD/socket"

# nbdkit, which serves disk.img as $nbd_store, with a filter or without. Sets $server
start_server() { # [--filter=FILTER [PARAMETER]...]
	rm -f socket
	nbdkit -f -U "$PWD/socket" ${1+"$1"} file "$PWD/disk.img" "${@:2}" > nbdkit.out 2>&1 &
	server=$!
	case_pids+=("$server")
	wait_for 30 test -S socket || fail "nbdkit does not listen: $(cat nbdkit.out)"
}
