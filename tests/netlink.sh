# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a case begins with that speaks to the module by netlink: "source case.sh", then
# "source netlink.sh". tests/run runs such a case with the stock module, too.

# shellcheck disable=SC2034 # cases use it
parameters=/sys/module/target_core_user/parameters

# listen MODE [ARGUMENT]: the program netlink, its output is in "said"; sets $listener
listen() {
	: > said
	netlink "$@" >> said 2>&1 &
	listener=$!
	case_pids+=("$listener")
	said '^ready$'
}

stop_listening() {
	kill "$listener"
	wait "$listener" 2> /dev/null || true
}
