# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For cases that need an iSCSI initiator: open-iscsi, over the guest's loopback. To be
# sourced behind case.sh.
requires iscsid iscsiadm

iscsi=/sys/kernel/config/target/iscsi
guest_iqn=iqn.2026-11.org.example:guest
target_iqn=iqn.2026-11.org.example:target
portal=127.0.0.1:3260

start_initiator() {
	modprobe iscsi_tcp
	echo "InitiatorName=$guest_iqn" > /etc/iscsi/initiatorname.iscsi
	rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets
	# Of its own process group: it ends all of that when it is ended.
	setsid iscsid -f > iscsid.log 2>&1 &
	case_pids+=($!)
	wait_for 20 grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix ||
		fail "iscsid is not ready: $(cat iscsid.log)"
	at_end "iscsiadm -m node --logout; rm -rf /etc/iscsi/nodes /etc/iscsi/send_targets"
}

# Make a record of the target without asking it.
know_target() { # [IQN]
	iscsiadm -m node -T "${1:-$target_iqn}" -p $portal -o new > /dev/null
	node_setting node.session.initial_login_retry_max 1
}

node_setting() { iscsiadm -m node -T $target_iqn -p $portal -o update -n "$1" -v "$2"; }
chap() { # USER PASSWORD
	node_setting node.session.auth.authmethod CHAP
	node_setting node.session.auth.username "$1"
	node_setting node.session.auth.password "$2"
}

log_in() { iscsiadm -m node -T $target_iqn -p $portal --login; }
log_out() { iscsiadm -m node -T $target_iqn -p $portal --logout > /dev/null || fail "log-out: exit status $?"; }

# The disk that the session has as that LUN; sets $remote
find_remote() { # [LUN]
	local block
	for block in /sys/class/iscsi_session/session*/device/target*/*:"${1:-0}"/block/*; do
		# shellcheck disable=SC2034 # the case's
		[ -b "/dev/${block##*/}" ] && remote=/dev/${block##*/} && return
	done
	return 1
}

remote_appears() { wait_for 30 find_remote "$@" || fail "the initiator has no disk of LUN ${1:-0}"; }

targets() { (cd $iscsi && echo iqn.*) 2> /dev/null; }
no_targets() { expect "targets left" "iqn.*" "$(targets)"; }

discover() { iscsiadm -m discovery -t sendtargets -p $portal; }
