# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For cases that have allocations fail: those that the module makes, and those that are made
# for it, that is with the module somewhere among the callers. A debug kernel is needed. To
# be sourced behind case.sh.
faults=/sys/kernel/debug
[ -d $faults/failslab ] || fail "this kernel can't have allocations fail: it is none of vm/debug-kernel's"
many=1000000000

# Where the text begins and ends that has to be among the callers
module_text() {
	local size base
	read -r size base < <(awk '$1 == "target_core_user" { print $2, $6 }' /proc/modules)
	printf '0x%x 0x%x\n' $((base)) $((base + size))
}
function_text() { # FUNCTION
	grep -F '[target_core_user]' /proc/kallsyms | sort | awk -v name="$1" '
		begin && $1 != begin { print "0x" begin, "0x" $1; exit }
		$3 == name { begin = $1 }'
}

# fail_allocations PERCENT [FUNCTION]: from now on, in every process; only those below FUNCTION
fail_allocations() {
	local begin end kind
	if [ $# -gt 1 ]; then
		read -r begin end < <(function_text "$2") || fail "the module has no function $2"
	else
		read -r begin end < <(module_text)
	fi
	allocations_succeed
	for kind in failslab fail_page_alloc; do
		echo 1 > $faults/$kind/interval
		echo 0 > $faults/$kind/space
		echo 1 > $faults/$kind/verbose
		echo N > $faults/$kind/ignore-gfp-wait	# those that may sleep, too
		echo 32 > $faults/$kind/stacktrace-depth
		echo "$begin" > $faults/$kind/require-start
		echo "$end" > $faults/$kind/require-end
		echo $many > $faults/$kind/times
	done
	echo 0 > $faults/fail_page_alloc/min-order
	echo N > $faults/fail_page_alloc/ignore-gfp-highmem
	for kind in failslab fail_page_alloc; do echo "$1" > $faults/$kind/probability; done
}

allocations_succeed() {
	local kind
	for kind in failslab fail_page_alloc; do echo 0 > $faults/$kind/probability; done
}
# A touch of the payload for which no page table can be had: the kernel says so and tries again.
echo 'VM_FAULT_OOM leaked out to the #PF handler. Retrying PF' >> expected

# What is said of each failure is for the log, not for a slow console.
dmesg -n 1
at_end "dmesg -n 5"
at_end allocations_succeed

# How many allocations have failed since fail_allocations
failures() { echo $((2 * many - $(< $faults/failslab/times) - $(< $faults/fail_page_alloc/times))); }
failed() { [ "$(failures)" -ge "$1" ]; }
