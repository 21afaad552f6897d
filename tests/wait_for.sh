# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# How all tests in guests wait; for what, is theirs. To be sourced.

# wait_for SECONDS COMMAND...: until it succeeds. Slow kernels get more of them (tests/guest). It pauses
# for as long as COMMAND took, so that asking takes half of a CPU at most from what is waited for.
wait_for() {
	local end=$((SECONDS + $1 * ${CASE_PATIENCE:-1})) asked pause
	shift
	while
		asked=${EPOCHREALTIME/./}
		! "$@"
	do
		[ $SECONDS -lt $end ] || return 1
		pause=$((${EPOCHREALTIME/./} - asked))
		[ $pause -ge 50000 ] || pause=50000
		printf -v pause '%d.%06d' $((pause / 1000000)) $((pause % 1000000))
		read -r -t "$pause" <> <(:) || true
	done
}
