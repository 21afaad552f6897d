# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# To be sourced: the child processes of a process. Not every kernel has
# /proc/PID/task/PID/children, and not every machine pgrep.
child_of() { # PID
	# Some end meanwhile.
	{ cat /proc/[0-9]*/status 2> /dev/null || true; } |
		awk -v parent="$1" '$1 == "Pid:" { pid = $2 } $1 == "PPid:" && $2 == parent { print pid }'
}
