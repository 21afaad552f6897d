# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Runs libiscsi's test suite; for cases, behind case.sh.

requires iscsi-test-cu

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
	"$ZCMU_TREE/tests/conformance/judge" "$ZCMU_TREE/tests/conformance/$expected" \
		suite.output "$@" > verdicts || fail "$(cat verdicts)"
	# A disk that has been through this still works.
	rw write "$disk" 0 65536 0 1
	rw check "$disk" 0 65536 0 1
}
