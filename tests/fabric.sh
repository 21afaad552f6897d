# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For cases whose initiator is the tests' own SCSI transport (tests/fabric): source it behind
# case.sh. tests/run has built the module.

fabric_dir=/sys/kernel/config/target/zcmu_test

# fabric_attach [BACKSTORE-FOLDER]: makes it LUN 0; the handler must be there
fabric_attach() {
	local port=$fabric_dir/naa.5001405000000009
	# A case that failed may have left it.
	rmmod zcmu_test_fabric 2> /dev/null || true
	insmod "$ZCMU_TREE/build/$(uname -r)/fabric/zcmu_test_fabric.ko" || fail "no transport"
	at_end fabric_end
	mkdir -p $port/tpgt_1/lun/lun_0
	ln -s "${1:-$core/user_99/disk}" $port/tpgt_1/lun/lun_0/disk
	# The port's own UNIT ATTENTIONs
	fabric send 00 00 00 00 00 00 > /dev/null
	fabric send -n 1 00 00 00 00 00 00 > /dev/null
}

# However the case ends: commands that nobody would answer any more must not keep the port.
fabric_end() {
	local action
	for action in "$core"/user_*/*/action; do
		echo 1 > "$action/block_dev"
		echo 2 > "$action/reset_ring"
		echo 0 > "$action/block_dev"
	done
	# Initiators hold the module.
	kill "${case_pids[@]}"
	wait "${case_pids[@]}"
	fabric_detach
}

fabric_detach() {
	local port=$fabric_dir/naa.5001405000000009
	rm -f $port/tpgt_1/lun/lun_0/disk
	rmdir $port/tpgt_1/lun/lun_0 $port/tpgt_1 $port $fabric_dir
	rmmod zcmu_test_fabric
}

# Sends, and compares all that is said: ends WHAT EXPECTED ARGUMENT...; lines as one, by commas
ends() {
	local what=$1 expected=$2 got lines
	shift 2
	mapfile -t lines < <(fabric send "$@" 2>&1)
	printf -v got '%s,' "${lines[@]:1}"
	expect "$what" "$expected" "${got%,}"
}

# The same in the background, with what is said in the file NAME: start NAME COMMAND ARGUMENT...
# Returns when the target has it. Its stdin is case_stdin.
start() {
	local name=$1
	shift
	: > "$name"
	fabric "$@" < "${case_stdin:-/dev/null}" > "$name" 2>&1 3>&- &
	case_pids+=("$!")
	wait_for 30 is_sent "$name" || fail "fabric $*: $(cat "$name")"
}

is_sent() { [[ $(< "$1") = sent* ]]; }

# ended NAME EXPECTED: waits for it, and compares what was said
ended() {
	local lines
	wait_for 60 is_answered "$1" || fail "$1: no answer"
	expect "$1" "$2" "${lines[1]}"
}
is_answered() { mapfile -t lines < "$1" && [ ${#lines[@]} -gt 1 ]; }

# still_out NAME...: they are not answered
still_out() {
	local name lines
	for name; do
		mapfile -t lines < "$name"
		expect "$name" sent "${lines[*]}"
	done
}

# The target core's own word, as its answer comes only when the command is over.
found_aborts() { kmsg | grep -c 'ABORT_TASK: Found referenced zcmu_test' || true; }
found_more_than() { [ "$(found_aborts)" -gt "$1" ]; }

# start_abort NAME TAG: returns when the target has found the command
start_abort() {
	local before
	before=$(found_aborts)
	start "$1" abort "$2"
	wait_for 30 found_more_than "$before" || fail "the target has not found command $2: $(cat "$1")"
}

# holds N: the handler "late" has so many commands
holds() { [ "$(grep -c '^has' said)" = "$1" ]; }
