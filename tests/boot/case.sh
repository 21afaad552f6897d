# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What cases of tests/boot have, in the guest. The machine is a Debian of its own, and gone when the case is
# over: nothing is tidied up but what is tested.

debs=${tree:?}/build/deb
mapfile -t packages < <(sed -n 's/^Package: //p' "$tree/debian/control")
export DEBIAN_FRONTEND=noninteractive
export CASE_PATIENCE=${PATIENCE:-1}
# shellcheck source=SCRIPTDIR/../wait_for.sh
source "$tree/tests/wait_for.sh"

# With what systemd knows of our units, for whoever reads it
fail() {
	echo "FAIL: $*"
	journalctl -b --no-pager -o short-monotonic 2>&1 | grep -E 'zcmu|systemd\[1\]|sd[a-z]|mnt' | tail -n 40 || true
	exit 1
}

# expect WHAT EXPECTED GOT
expect() { [ "$2" = "$3" ] || fail "$1: expected $2, got $3"; }

# As an administrator does, but that DKMS takes the module that was built for this kernel: compiling it takes
# a quarter of an hour in an emulated guest.
install_packages() {
	mkdir -p /etc/dkms/framework.conf.d
	echo "MAKE[0]='cp $tree/build/$(uname -r)/target_core_user.ko \$dkms_tree/\$PACKAGE_NAME/\$PACKAGE_VERSION/build/'" > /etc/dkms/zcmu.conf
	echo "sign_file=/nowhere" > /etc/dkms/framework.conf.d/zcmu-case.conf
	(cd "$debs" && apt-get install -y ./*.deb) > /var/tmp/apt.out 2>&1 || fail "apt install: $(cat /var/tmp/apt.out)"
	hash -r
}

purge_packages() {
	apt-get purge -y "${packages[@]}" > /var/tmp/apt.out 2>&1 || fail "apt purge: $(cat /var/tmp/apt.out)"
	rm /etc/dkms/zcmu.conf /etc/dkms/framework.conf.d/zcmu-case.conf
}

# Files where packages, and what has run since, may have left something; but for what dpkg, the loader, DKMS
# and systemd note for themselves.
machine_has() {
	find /etc /usr /run/zcmu /run/systemd/generator /var/lib /lib/modules \( -path /var/lib/dpkg -o -path /var/lib/apt \
		-o -path /var/lib/systemd -o -path /etc/ld.so.cache -o -name 'modules.*' -o -name 'mok.*' -o -name __pycache__ \) \
		-prune -o -print 2> /dev/null | sort || true
	find /var/lib/dpkg/info -name '*zcmu*'
}

# The unit of a disk
show() { systemctl show -P "$2" "zcmu@$1"; } # NAME PROPERTY
main_pid() { show "$1" MainPID; }
has_other_process() { # NAME PID
	local pid
	pid=$(main_pid "$1")
	[ "$pid" != 0 ] && [ "$pid" != "$2" ] && [ "$(show "$1" ActiveState)" = active ]
}
wait_for_other_process() { # NAME PID
	wait_for 60 has_other_process "$1" "$2" ||
		fail "expected another process than $2, got $(main_pid "$1"), $(show "$1" ActiveState)"
}

# Files, each flushed before its number is noted on the machine's own disk, until a shutdown ends it. If a write
# fails, the unit has failed.
start_load() { # FOLDER
	cat > /usr/local/bin/load <<-'END'
		#!/bin/sh
		trap 'exit 0' TERM
		i=0
		while :; do
			i=$((i + 1))
			seq $i 20000 | dd of="$1/load.$i" conv=fsync status=none || exit 1
			[ $i -le 100 ] || rm "$1/load.$((i - 100))" || exit 1
			echo $i > /var/tmp/safe.new && sync /var/tmp/safe.new && mv /var/tmp/safe.new /var/tmp/safe || exit 1
		done
		END
	chmod +x /usr/local/bin/load
	rm -f /var/tmp/safe
	systemd-run --quiet --unit=load -p "RequiresMountsFor=$1" /usr/local/bin/load "$1"
	wait_for 60 has_got_to 5 || fail "expected a load, got $(systemctl status --no-pager load 2>&1)"
}
has_got_to() { [ -e /var/tmp/safe ] && [ "$(cat /var/tmp/safe)" -ge "$1" ]; }
wait_for_load() { # MORE
	local now
	now=$(cat /var/tmp/safe)
	wait_for 120 has_got_to $((now + $1)) ||
		fail "expected the load to go on from $now, got to $(cat /var/tmp/safe): $(systemctl status --no-pager load 2>&1)"
}
check_load() { # FOLDER
	local last i first
	last=$(cat /var/tmp/safe)
	first=$((last > 90 ? last - 90 : 1))
	for ((i = first; i <= last; i++)); do
		seq $i 20000 | cmp - "$1/load.$i" || fail "expected load.$i of 1..$last as it was flushed, got another or none"
	done
}

# The page of zcmu-exporter.socket goes to /var/tmp/page, and promtool has nothing to say about it.
fetch_page() {
	exec 3<> /dev/tcp/127.0.0.1/9956 || fail "expected somebody who listens at 9956, got $(systemctl status --no-pager zcmu-exporter.socket 2>&1)"
	printf 'GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n' >&3
	cat <&3 > /var/tmp/answer
	exec 3>&-
	expect "the answer's first line" "HTTP/1.1 200 OK" "$(head -n 1 /var/tmp/answer | tr -d '\r')"
	sed '1,/^\r$/d' /var/tmp/answer > /var/tmp/page
	"$tree/build/watchers/root/usr/bin/promtool" check metrics < /var/tmp/page > /var/tmp/complaints 2>&1 ||
		fail "promtool: $(cat /var/tmp/complaints)"
	expect "complaints of promtool" "" "$(cat /var/tmp/complaints)"
}
# The value of what begins like that on the page
metric() { # REGULAR-EXPRESSION
	sed -nE "s/^$1[^ ]* //p" /var/tmp/page
}

# When a unit was gone, of the boot before: a line of the journal, and where it is
line_of() { # TEXT
	journalctl -b -1 --no-pager -o short-monotonic | grep -n -F -- "$1" | tail -n 1 | cut -d: -f1
}
