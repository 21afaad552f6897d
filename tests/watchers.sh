# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What a case begins with that runs promtool or bpftrace, as Debian ships them: "source case.sh", then
# "source watchers.sh". vm/watchers brings them; they are not installed.

watchers=$ZCMU_TREE/build/watchers/root
[ -d "$watchers" ] || fail "$watchers isn't there; vm/watchers fetches it"

promtool() { "$watchers/usr/bin/promtool" "$@"; }

bpftrace() {
	local libraries
	libraries=$(echo "$watchers"/usr/lib/*-linux-gnu)
	LD_LIBRARY_PATH=$libraries "$watchers/usr/bin/bpftrace" "$@"
}
