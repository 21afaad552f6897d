# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every case begins with: "source case.sh". It ends what the case has started,
# however the case ends. Cases are run by tests/guest, in a guest.
set -euo pipefail

zcmu=$ZCMU_TREE/build/user/tool/zcmu
programs=$ZCMU_TREE/build/user/tests/programs
core=/sys/kernel/config/target/core
loopback=/sys/kernel/config/target/loopback
PATH=$programs:$PATH
export ZCMU_STORE_PATH=$ZCMU_TREE/build/user/stores:$ZCMU_TREE/build/user/examples
# Who has built them may be somebody else than the guest's root, and is trusted as with sudo.
SUDO_UID=$(stat -c %u "$ZCMU_TREE")
export SUDO_UID

# shellcheck source=SCRIPTDIR/child_of.sh
source "$ZCMU_TREE/tests/child_of.sh"
# shellcheck source=SCRIPTDIR/wait_for.sh
source "$ZCMU_TREE/tests/wait_for.sh"
# shellcheck source=SCRIPTDIR/kmsg.sh
source "$ZCMU_TREE/tests/kmsg.sh"

# What the kernel has logged since the case began.
kmsg() { kmsg_since "${0##*/}"; }

declare -a case_pids=() case_cleanups=()

fail() {
	echo "FAIL: $*"
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

requires() { # PROGRAM...
	local program
	for program in "$@"; do
		command -v "$program" > /dev/null || skip "$program is not installed"
	done
}

# expect WHAT EXPECTED GOT
expect() {
	[ "$2" = "$3" ] || fail "$1: expected $2, got $3"
}

expect_at_least() {
	[ "$3" -ge "$2" ] || fail "$1: expected at least $2, got $3"
}

expect_at_most() {
	[ "$3" -le "$2" ] || fail "$1: expected at most $2, got $3"
}

# expect_line WHAT REGEX FILE: some line of FILE matches
expect_line() {
	grep -Eq -- "$2" "$3" || fail "$1: expected a line like \"$2\", got: $(cat "$3")"
}

# fails MESSAGE-REGEX COMMAND...: the command fails, and says something like that
fails() {
	local regex=$1 output status=0
	shift
	if [ "$1 ${2-}" = "$zcmu serve" ]; then
		# One that wrongly succeeds serves until somebody ends it.
		output=$(timeout --foreground -k 30 $((60 * ${CASE_PATIENCE:-1})) "$@" 2>&1) || status=$?
		[ $status != 124 ] || status=0
	else
		output=$("$@" 2>&1) || status=$?
	fi
	[ $status != 0 ] || fail "$*: expected a failure, got success: $output"
	grep -Eq -- "$regex" <<< "$output" || fail "$*: expected \"$regex\", got \"$output\""
}

is_gone() { ! kill -0 "$1" 2> /dev/null; } # PID

# Stop a process: none of its threads does anything more when this returns.
stop_process() { # PID
	kill -STOP "$1"
	wait_for 20 has_stopped "$1" || fail "expected $1 to stop, got $(threads_of "$1")"
}
# shellcheck disable=SC2317 # called by wait_for
has_stopped() { ! grep -qv stopped <<< "$(threads_of "$1")"; }
threads_of() { cat "/proc/$1/task/"*/status | grep ^State:; }

# At the end of the case, newest first
at_end() { case_cleanups=("$*" "${case_cleanups[@]}"); }

# shellcheck disable=SC2317 # reached through the trap
case_end() {
	local status=$? cleanup pid
	set +e
	for cleanup in "${case_cleanups[@]}"; do eval "$cleanup" > /dev/null 2>&1; done
	for pid in "${case_pids[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in "${case_pids[@]}"; do wait "$pid" 2>/dev/null; done
	exit $status
}
trap case_end EXIT
trap 'exit 1' TERM INT

#
# Disks served by zcmu
#

# serve [OPTION]... STORE: as the disk "disk"; sets $disk to its /dev/sdX
serve() { serve_as disk "$@"; }

serve_as() { # NAME [OPTION]... STORE
	local name=$1
	shift
	disk=$("$zcmu" serve --daemon --name "$name" "$@") || fail "zcmu serve $* failed"
	at_end "$zcmu stop --force $name"
	quiet_queue "$disk"
}

stop() { "$zcmu" stop "${1:-disk}"; }

kill_server() { # NAME
	local pid
	pid=$(cat "/run/zcmu/$1")
	kill -9 "$pid"
	wait_for 20 is_gone "$pid" || fail "the process is still there"
}

# Requests arrive as they are made: not merged, not reordered.
quiet_queue() {
	local queue=/sys/block/${1#/dev/}/queue
	echo none > "$queue/scheduler"
	echo 2 > "$queue/nomerges"
}

store_dir() { # [NAME]
	local dir
	for dir in "$core"/user_*/"${1:-disk}"; do
		[ -d "$dir" ] && echo "$dir" && return
	done
	fail "no backstore ${1:-disk}"
}

attribute() { cat "$(store_dir)/attrib/$1"; }
set_attribute() { echo "$2" > "$(store_dir)/attrib/$1"; }

# counter NAME [DISK]: without a program, for cases that wait for it
counter() {
	local name value
	while read -r name value; do
		[ "$name" != "$1" ] || echo "$value"
	done < "$(store_dir "${2:-disk}")/attrib/counters"
}

# How much a counter grows while something runs: count_of NAME COMMAND...
count_of() {
	local name=$1 before
	shift
	before=$(counter "$name")
	"$@" >&2
	echo $(($(counter "$name") - before))
}

#
# Disks served by a program of the tests: backstore, handler, attach
#

# backstore [CONTROL[,CONTROL...]]: enabled, of 64 MiB
backstore() {
	mkdir -p $core/user_99/disk
	at_end "rmdir $core/user_99/disk $core/user_99"
	echo "dev_config=test,dev_size=67108864${1:+,$1}" > $core/user_99/disk/control
}

enable() { echo 1 > $core/user_99/disk/enable; }

# handler PROGRAM [ARGUMENT]...: serves "disk"; its output is in "said"; sets $handler
handler() {
	local program=$1
	shift
	: > said
	command "$program" disk "$@" >> said 2>&1 &
	handler=$!
	case_pids+=("$handler")
	wait_for 20 grep -q '^ready' said || fail "$program did not get ready: $(cat said)"
}

# Sets $ram: a block device of 64 MiB in memory, for handlers
ram_device() {
	modprobe brd rd_nr=1 rd_size=65536 || skip "no brd"
	at_end rmmod brd
	ram=/dev/ram0
}

attach() { # sets $disk
	local wwn=naa.5001405000000001
	mkdir -p $loopback/$wwn/tpgt_1
	at_end detach
	echo $wwn > $loopback/$wwn/tpgt_1/nexus
	mkdir $loopback/$wwn/tpgt_1/lun/lun_0
	ln -s $core/user_99/disk $loopback/$wwn/tpgt_1/lun/lun_0/disk
	wait_for 30 find_disk || fail "the disk did not appear"
	quiet_queue "$disk"
}

# Sizes and alignments of all sorts on a freshly attached disk, verified
verify_io() {
	requires fio
	fio --name=verify --filename="$disk" --rw=randwrite --bsrange=4k-256k --size=4m --direct=1 \
		--ioengine=libaio --iodepth=4 --verify=crc32c --verify_fatal=1 --minimal > fio.out 2>&1 ||
		fail "fio found wrong data: $(cat fio.out)"
	rw write "$disk" 9437184 266240 512 1
	rw check "$disk" 9437184 266240 1536 1
}

find_disk() {
	local address block
	address=$(cat $loopback/naa.5001405000000001/tpgt_1/address)
	for block in "/sys/bus/scsi/devices/$address:0/block"/*; do
		# The node comes early; only when it opens has the disk its size and its queue.
		[ -e "$block" ] && disk=/dev/${block##*/} && { : < "$disk"; } 2> /dev/null
		return
	done
}

detach() {
	local dir=$loopback/naa.5001405000000001
	rm -f $dir/tpgt_1/lun/lun_0/disk
	rmdir $dir/tpgt_1/lun/lun_0 $dir/tpgt_1 $dir
}

# said REGEX: a line the handler has printed; waits for it
said() { wait_for 20 grep -Eq -- "$1" said || fail "the handler: expected \"$1\", got: $(cat said)"; }
