# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154 # case.sh sets what isn't set here
# What a case begins with that runs other people's programs, as Debian ships them:
# "source case.sh", then "source peers.sh". Those programs judge the module: tests/run runs
# the cases with the stock one, too, and what fails with ours alone is ours.
# There is no service manager in a guest: daemons are started here, and ended by pid.

peers=$ZCMU_TREE/build/peers/root
[ -d "$peers" ] || fail "$peers isn't there; vm/peers fetches it"

# The programs are laid over the guest's root for this case alone, in a namespace that ends
# with it.
[ -n "${ZCMU_PEERS-}" ] || ZCMU_PEERS=1 exec unshare --mount --propagation private "$0" "$@"

lay_over() { # FOLDER: $peers/FOLDER over /FOLDER
	mkdir -p "/run/case/peers/$1" "/run/case/peers/$1.work"
	mount -t overlay -o "lowerdir=$peers/$1:/$1,upperdir=/run/case/peers/$1,workdir=/run/case/peers/$1.work" \
		peers "/$1"
}

lay_over_all() {
	local modules
	modules=/usr/lib/modules/$(uname -r)
	lay_over etc
	# The kernel's modules are a mount below /usr: kept at hand, and put back.
	mkdir -p modules
	mount --bind "$modules" modules
	lay_over usr
	mount --bind modules "$modules"
}
lay_over_all

# Is our module loaded? Only that one counts what it does.
ours() { [ -d /sys/kernel/tracing/events/zcmu ]; }

fail() {
	local log
	for log in runner.log targetcli.log; do
		[ ! -s $log ] || { echo "the end of $log:"; tail -n 15 $log; }
	done
	echo "FAIL: $*"
	exit 1
}

# ended PID: waits until it is
ended() {
	wait_for 30 eval "! kill -0 $1 2> /dev/null" || fail "process $1 doesn't end"
	wait "$1" 2> /dev/null || true
}

#
# tcmu-runner, which targetcli finds by D-Bus
#

dbus() { # a system bus as Debian sets it up, but for its user and activation
	mkdir -p /run/dbus
	cat > bus.conf <<-END
		<busconfig>
		  <type>system</type>
		  <listen>unix:path=/run/dbus/system_bus_socket</listen>
		  <auth>EXTERNAL</auth>
		  <policy context="default">
		    <allow user="*"/>
		    <deny own="*"/>
		    <allow send_type="signal"/>
		    <allow send_requested_reply="true" send_type="method_return"/>
		    <allow send_requested_reply="true" send_type="error"/>
		    <allow receive_type="method_call"/>
		    <allow receive_type="method_return"/>
		    <allow receive_type="error"/>
		    <allow receive_type="signal"/>
		    <allow send_destination="org.freedesktop.DBus"/>
		  </policy>
		  <includedir>/etc/dbus-1/system.d</includedir>
		</busconfig>
	END
	dbus-daemon --config-file=bus.conf --nofork --nopidfile 2> dbus.log &
	case_pids+=($!)
	wait_for 20 test -S /run/dbus/system_bus_socket || fail "no D-Bus: $(cat dbus.log)"
}

on_the_bus() { # NAME
	[[ $(dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus / \
		org.freedesktop.DBus.NameHasOwner "string:$1" 2> /dev/null) == *true* ]]
}

# Starts tcmu-runner; sets $runner. It is ready when targetcli could find it.
runner() {
	[ -e bus.conf ] || dbus
	tcmu-runner --tcmu-log-dir "$PWD" > runner.out 2>&1 &
	runner=$!
	case_pids+=("$runner")
	ln -sf tcmu-runner.log runner.log
	wait_for 30 on_the_bus org.kernel.TCMUService1 || fail "tcmu-runner is not on D-Bus: $(cat runner.out)"
}

# runner_disk STORE[,CONTROL]...: a disk "disk" of 64 MiB, such as qcow/$PWD/image; sets $disk
runner_disk() {
	backstore "dev_config=$1"
	enable
	attach
}

# A folder "images" for what tmpfs, where cases run, can't do: qcow2 takes FALLOC_FL_ZERO_RANGE.
images_folder() {
	modprobe loop
	truncate -s 128M images.ext4
	mkfs.ext4 -q images.ext4
	mkdir images
	mount -o loop images.ext4 images
}

#
# targetcli: one conversation, for each start takes it seconds
#

targetcli() { # COMMAND...: what it says is in "told"
	local line
	if [ -z "${targetcli_PID-}" ]; then
		export TARGETCLI_HOME=$PWD/targetcli PYTHONUNBUFFERED=1
		mkdir -p /etc/rtslib-fb-target/backup
		coproc targetcli { exec targetcli 2>&1; }
		# Copies, because subshells don't get the descriptors of a coprocess.
		exec {targetcli_in}>&"${targetcli[1]}" {targetcli_out}<&"${targetcli[0]}"
		case_pids+=("$targetcli_PID")
		at_end '(targetcli clearconfig confirm=True)'
		targetcli set global auto_save_on_exit=false auto_cd_after_create=false
	fi
	printf '%s\nDONE\n' "$*" >&"$targetcli_in"
	: > told
	while IFS= read -r -t 100 line <&"$targetcli_out"; do
		case $line in
		*"Command not found DONE")
			cat told >> targetcli.log
			return
			;;
		esac
		printf '%s\n' "$line" >> told
	done
	cat told >> targetcli.log
	fail "targetcli $*: no answer"
}

# The disk of a LUN on the loopback target NAA
loopback_disk() { # NAA LUN
	local address block
	address=$(cat "$loopback/$1/tpgt_1/address"):$2
	for block in "/sys/bus/scsi/devices/$address/block"/*; do
		[ -e "$block" ] && disk=/dev/${block##*/} && { : < "$disk"; } 2> /dev/null
		return
	done
}

#
# Load that verifies, for what happens to daemons meanwhile
#

load_begin() { # on $disk; returns once it is under way
	rm -f load.stop
	: > load.rounds
	while [ ! -e load.stop ]; do
		fio --name=load --filename="$disk" --rw=randwrite --bsrange=4k-256k --direct=1 --size=4m \
			--ioengine=libaio --iodepth=8 --verify=crc32c --minimal > load.log 2>&1 || exit 1
		echo >> load.rounds
	done &
	load=$!
	at_end "touch $PWD/load.stop; wait $load"
	wait_for 60 load_goes_on "$(writes_done)" || fail "no command is in flight: $(cat load.log)"
}

# To look for commands in flight would be to look at the wrong moments where there is one CPU.
writes_done() { awk '{ print $5 }' "/sys/block/${disk#/dev/}/stat"; }
load_goes_on() { [ "$(writes_done)" -gt $(($1 + 10)) ]; }

load_end() { # not before a round that began by now has ended well
	local rounds
	rounds=$(wc -l < load.rounds)
	wait_for 60 eval "[ \$(wc -l < load.rounds) -gt $((rounds + 1)) ] || ! kill -0 $load" || fail "fio is stuck"
	touch load.stop
	wait "$load" || fail "fio: $(cat load.log)"
}
