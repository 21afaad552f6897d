# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For cases with commands that wait for room in the copy area. To be sourced behind case.sh.
writers=()

# shellcheck disable=SC2317 # called by wait_for
waits() { [ "$(counter waits)" -ge "$1" ]; }

# Eight writes of 256 KiB to "raw hold", which answers none until SIGUSR1 has it break the ring:
# four of them wait for room. At the end of the case CLEANUP has to see that they come to an end.
# Sets $writers.
eight_writes_of_which_four_wait() { # CLEANUP [ATTRIBUTE VALUE]
	local i
	backstore window_mb=0,max_data_area_mb=1
	set_attribute cmd_time_out 0
	set_attribute qfull_time_out 3600
	[ $# -lt 3 ] || set_attribute "$2" "$3"
	enable
	handler raw hold 0xffffffff
	attach
	at_end "$1"
	echo 3600 > "/sys/block/${disk#/dev/}/device/timeout"
	for i in {0..7}; do
		rw write "$disk" $((i << 18)) $((1 << 18)) 0 1 > /dev/null 2>&1 &
		writers+=($!)
	done
	wait_for 20 waits 4 || fail "expected 4 commands to wait for room, got $(counter waits)"
}
