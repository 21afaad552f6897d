# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The kernel's log by cases: several have one guest, and the lines of the earlier ones are in it. To be sourced.

kmsg_mark() { echo "tests/guest: $1 begins" > /dev/kmsg; }

# What was logged since that case began for the last time. Is its mark gone? Then what is there is younger.
kmsg_since() { # CASE
	dmesg | awk -v mark="tests/guest: $1 begins" '
		index($0, mark) { lines = ""; next }
		{ lines = lines $0 "\n" }
		END { printf "%s", lines }'
}
