# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Runs libiscsi's test suite; for cases, behind case.sh.

requires iscsi-test-cu

# judged EXPECTED FAMILY...: is what suite.output says of those families what is expected?
judged() {
	local expected=$1
	shift
	"$ZCMU_TREE/tests/conformance/judge" "$ZCMU_TREE/tests/conformance/$expected" \
		suite.output "$@" > verdicts || fail "$(cat verdicts)"
}

# suite EXPECTED FAMILY...: on $disk
suite() {
	local expected=$1 family
	shift
	# The loopback fabric takes 256 pieces of memory, so 1 MiB, at a time. The tool has
	# to know that, and needs aligned memory: see tests/programs/sg-align.c.
	echo 1024 > "/sys/block/${disk#/dev/}/queue/max_sectors_kb"
	for family in "$@"; do
		LD_PRELOAD=$programs/sg-align.so iscsi-test-cu --dataloss --verbose \
			--test="$family" "$disk" || true
	done > suite.output 2>&1
	judged "$expected" "$@"
	still_works
}

# suite_over_iscsi FAMILY URL...: one more family for suite.output
suite_over_iscsi() {
	local family=$1
	shift
	iscsi-test-cu --dataloss --verbose --test="$family" "$@" >> suite.output 2>&1 || true
}

# A disk that has been through this still works.
still_works() {
	rw write "$disk" 0 65536 0 1
	rw check "$disk" 0 65536 0 1
}
