# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # the case's; case.sh's
# What the cases of tests/ceph/cases begin with, whose disk is an image of Ceph: "source
# ceph/case.sh" in place of case.sh. The cluster (tests/ceph/cluster) runs in the guest,
# too: the first case starts it, in a minute, and it ends with the guest. It is not what
# is tested, and nothing here fails because it is slow: commands may take for ever.
source "$ZCMU_TREE/tests/case.sh"
requires fio

export ZCMU_MON_COMMAND=$ZCMU_TREE/build/user/tests/ceph/mon-command
cluster=$ZCMU_TREE/tests/ceph/cluster
ceph=/run/ceph
image=disk-$$
spec=rbd,conf=$ceph/ceph.conf,id=user,give-up=0:rbd/$image
CLUSTER_PATIENCE=600	# seconds, for what a cluster in an emulated guest does in some ten

osd_lives() { kill -0 "$(cat "$ceph/osd.$1.pid")" 2> /dev/null; }
osd_is() { # NUMBER up|down: as the monitor sees it
	CEPH_CONF=$ceph/ceph.conf "$ZCMU_MON_COMMAND" '{"prefix": "osd dump"}' 2> /dev/null |
		grep -q "^osd\.$1 $2 "
}
kill_osd() {
	kill -KILL "$(cat "$ceph/osd.$1.pid")"
	wait_for $CLUSTER_PATIENCE eval "! osd_lives $1" || fail "osd.$1: expected it to be dead"
}
start_osd() {
	"$cluster" start-osd $ceph "$1"
	wait_for $CLUSTER_PATIENCE osd_is "$1" up || fail "osd.$1 does not come back: $(tail -n 5 "$ceph/osd.$1.log")"
}

rbd() { "$cluster" run $ceph rbd "$@"; }

# A case before this one may have died with an OSD down, or in the start.
cluster_up() {
	local osd
	if [ ! -e $ceph/is-up ]; then
		"$cluster" stop $ceph
		"$cluster" mount $ceph
		"$cluster" start $ceph || fail "no cluster: $(tail -n 5 $ceph/*.out)"
		touch $ceph/is-up
	fi
	for osd in 0 1; do osd_lives $osd || start_osd $osd; done
}
cluster_up

# serve_image [OPTION]...: the case's image of 64 MiB, as the disk "disk", which nobody gives up
serve_image() {
	serve --time-out 0 "$@" --size 64M "$spec"
	patient_disk
}
patient_disk() { echo 86400 > "/sys/block/${disk#/dev/}/device/timeout"; }

#
# Verified I/O for as long as something happens to the disk
#

load_begin() {
	rm -f enough
	while [ ! -e enough ]; do
		fio --name=io --filename="$disk" --rw=randrw --bsrange=4k-256k --size=8m --direct=1 --ioengine=libaio \
			--iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 --rate_iops=50 --minimal > fio.out 2>&1 || exit 1
	done &
	load=$!
	case_pids+=("$load")
	goes_on "at first"
}

# Not only what was sent before: some ten more
goes_on() { # WHEN
	local before
	before=$(counter commands)
	wait_for $CLUSTER_PATIENCE eval "[ \$(counter commands) -gt $((before + 20)) ] || ! kill -0 $load" ||
		fail "no I/O $1"
	kill -0 "$load" 2> /dev/null || fail "fio has ended $1: $(cat fio.out)"
}

# Sets $said. A slow guest may take longer than zcmu upgrade waits; the disk is served as before then.
upgrade() {
	until said=$("$zcmu" upgrade disk 2> upgrade.err); do
		grep -q 'was not ready in time' upgrade.err || fail "zcmu upgrade: $(cat upgrade.err)"
		goes_on "after an upgrade that took too long"
	done
}

load_end() {
	touch enough
	wait "$load" || fail "fio: $(cat fio.out)"
}
