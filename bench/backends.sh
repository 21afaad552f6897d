# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The backends that are compared: each becomes a disk that fio can be run on, and goes
# away again. Sourced by bench/run, as root, in an empty folder. What is measured on them
# is not this file's.
#
#	stock		the kernel's own target_core_user, served by zcmu's store
#	copy		ours with zero_copy=0: what is left of the gain without lending
#	ours		ours
#	scrub		ours with scrub_reads=1: what it costs to clear what READs go to; only if it is
#			asked for
#	unmeasured	ours with measure_latency=0: what it costs to measure how long commands take; only
#			if it is asked for
#	nullio		LIO's ramdisk that moves no data: the whole target path and nothing else,
#			the ceiling of a store that doesn't touch its payload
#	rd		LIO's ramdisk: one copy, in the kernel; the mark for the ram store
#	iblock		LIO's backend for block devices; the mark for the file store past the page cache
#	fileio		LIO's file backend, through the page cache; the mark for the file store
#	runner		tcmu-runner (vm/peers) with our module, on a raw image; runner_stock
#			with the stock one. Its store "disc" is its handler fbo, which can but read
#	nbd_ko		the kernel's own NBD driver (bench/nbd.c); the mark for the store nbd,
#			with the same server, nbdkit
#	krbd		the kernel's own driver for images of Ceph; the mark for the store rbd, with the
#			same cluster (tests/ceph/cluster), which shares the machine
#	null_blk	no SCSI at all
#	ublk		the kernel's other way to a block device in user space (bench/ublk.c)

core=/sys/kernel/config/target/core
loopback=/sys/kernel/config/target/loopback
wwn=naa.5001405000000b01
# shellcheck disable=SC2154 # who sources this has set it
peers=$tree/build/peers/root/usr

# Of which stores is it the like? A backend is run once for each.
stores_of() { # BACKEND
	case $1 in
	stock | copy | scrub | unmeasured) echo null ram file direct nbd net rbd ;;
	ours) echo null ram file lent direct nbd net netlent rbd ;;
	iblock) echo direct ;;
	nbd_ko) echo nbd ;;
	krbd) echo rbd ;;
	runner | runner_stock) echo file disc ;;
	nullio | null_blk) echo null ;;
	ublk) echo null ram ;;
	rd) echo ram ;;
	fileio) echo file ;;
	esac
}

# Is there such a backend on this machine?
has_backend() { # BACKEND
	case $1 in
	ublk) modinfo ublk_drv > /dev/null 2>&1 && [ -x "$tree/build/user/bench/ublk" ] ;;
	null_blk) modinfo null_blk > /dev/null 2>&1 ;;
	krbd) modinfo rbd > /dev/null 2>&1 ;;
	nbd_ko) modinfo nbd > /dev/null 2>&1 && [ -x "$tree/build/user/bench/nbd" ] ;;
	runner | runner_stock) [ -x "$peers/bin/tcmu-runner" ] && command -v dbus-daemon > /dev/null ;;
	*) true ;;
	esac
}

can_write() { [ "$1" != disc ]; } # STORE

# Requests arrive as fio makes them.
quiet_queue() { # DISK
	local queue=/sys/block/${1#/dev/}/queue
	echo none > "$queue/scheduler"
	echo 2 > "$queue/nomerges"
}

wait_until() { # COMMAND...
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "bench: it takes too long until: $*" >&2; exit 1; }
		read -r -t 0.05 <> <(:) || true
	done
}

store_spec() { # STORE: what zcmu serve takes; without a look at the payload, of null
	case $1 in
	null) echo null,touch=0:1G ;;
	ram) echo ram:256M ;;
	file) echo "--size 256M file:image" ;;
	lent) echo "--size 256M file,transfer=never:image" ;;	# without the kernel's help
	direct) echo "file,direct:/dev/ram0" ;;
	nbd) echo "nbd+unix:///?socket=$PWD/socket" ;;
	net) echo "net,connections=32:127.0.0.1:7000" ;;
	netlent) echo "net,connections=32,here:127.0.0.1:7000" ;;	# without the kernel's help
	rbd) echo "--size 256M rbd,conf=$PWD/ceph/ceph.conf,id=user:rbd/bench" ;;
	esac
}

# An NBD server that does nothing but keep the bytes
server_up() {
	nbdkit -f -U "$PWD/socket" memory 256M 2> server.said &
	server=$!
	wait_until [ -S socket ]
}

# The other end of the example of a network store: throws away what is written, unread
net_server_up() {
	ip link set lo up
	"$tree/build/user/examples/net-server" 127.0.0.1 7000 discard 268435456 > server.said &
	server=$!
	wait_until grep -q ready server.said
}

# A Ceph with two OSDs, for all backends that are measured with it
cluster() { "$tree/tests/ceph/cluster" "$@"; }
cluster_up() {
	[ ! -e ceph/ceph.conf ] || return 0
	cluster mount ceph
	# In a guest both have to be in its memory.
	ZCMU_CEPH_OSD_BYTES=$((640 << 20)) cluster start ceph
}

cluster_down() {
	[ -e ceph/ceph.conf ] || return 0
	cluster stop ceph
	umount -l ceph
}

# Its way to the image, without a daemon that makes nodes of it
krbd_up() {
	local host secret
	cluster run ceph rbd info rbd/bench > /dev/null 2>&1 ||
		cluster run ceph rbd create --size 256M rbd/bench
	host=$(sed -n 's/^mon_host = v2:\(.*\)\/0$/\1/p' ceph/ceph.conf)
	secret=$(awk '$1 == "[client.admin]" { f = 1 } f && $1 == "key" { print $3; exit }' ceph/keyring)
	modprobe rbd single_major=1
	echo "$host name=admin,secret=$secret,ms_mode=prefer-crc rbd bench -" > /sys/bus/rbd/add_single_major
	disk=/dev/rbd0
	wait_until [ -b $disk ]
}

server_down() {
	kill "$server"
	wait "$server" 2> server.said || true
	rm -f socket
	server=''
}

serve() { # STORE [0: lend nothing]
	rm -f ready
	mkfifo ready
	# shellcheck disable=SC2046
	zcmu serve --name bench --threads "${THREADS:-1}" --ready-fd 9 $(store_spec "$1") \
		9> ready > /dev/null 2> said &
	handler=$!
	read -r disk < ready || { cat said >&2; exit 1; }
	backstore=$(echo $core/user_*/bench)
	[ -z "${2-}" ] || echo "$2" > "$backstore/attrib/zero_copy"
}

# LIO's own backends have no tool of ours.
lio_up() { # HBA CONTROL
	backstore=$core/$1/bench
	mkdir -p "$backstore"
	echo "$2" > "$backstore/control"
	echo 1 > "$backstore/enable"
	mkdir -p $loopback/$wwn/tpgt_1
	echo $wwn > $loopback/$wwn/tpgt_1/nexus
	mkdir $loopback/$wwn/tpgt_1/lun/lun_0
	ln -s "$backstore" $loopback/$wwn/tpgt_1/lun/lun_0/bench
	wait_until lio_disk
}

# A bus for tcmu-runner alone, and tcmu-runner. It has answered to "enable" when that returns.
runner_up() { # STORE
	local handler_of=qcow
	if [ "$1" = disc ]; then
		handler_of=fbo
		modprobe sr_mod
	fi
	cat > bus.conf <<-END
		<busconfig>
		  <listen>unix:path=$PWD/bus</listen>
		  <policy context="default">
		    <allow user="*"/><allow own="*"/><allow send_destination="*"/>
		    <allow receive_sender="*"/>
		  </policy>
		</busconfig>
	END
	dbus-daemon --config-file=bus.conf --nofork --nopidfile 2> bus.said &
	bus=$!
	wait_until [ -S bus ]
	# Its configuration has to be in /etc.
	# shellcheck disable=SC2016
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$PWD/bus LD_LIBRARY_PATH=$peers/lib/x86_64-linux-gnu \
		unshare --mount --propagation private \
		sh -c 'mount -t overlay -o "lowerdir=$1:/etc" peers /etc && shift && exec "$@"' \
		sh "${peers%/usr}/etc" "$peers/bin/tcmu-runner" --tcmu-log-dir "$PWD" \
		--handler-path "$peers/lib/x86_64-linux-gnu/tcmu-runner" > said 2>&1 &
	handler=$!
	wait_until runner_is_ready
	truncate -s 256M image
	lio_up user_90 "dev_config=$handler_of/$PWD/image,dev_size=268435456"
}

# shellcheck disable=SC2317 # called by wait_until
runner_is_ready() {
	dbus-send --bus="unix:path=$PWD/bus" --print-reply=literal --dest=org.freedesktop.DBus / \
		org.freedesktop.DBus.NameHasOwner string:org.kernel.TCMUService1 2> /dev/null | grep -q true
}

runner_down() {
	lio_down
	kill "$handler"
	wait "$handler" || true
	handler=''
	kill "$bus"
	wait "$bus" || true
	rm -f bus tcmu-runner*.log
}

# shellcheck disable=SC2317 # called by wait_until
lio_disk() {
	local block address
	address=$(cat $loopback/$wwn/tpgt_1/address)
	for block in "/sys/bus/scsi/devices/$address:0/block"/*; do
		[ -e "$block" ] && disk=/dev/${block##*/} && { : < "$disk"; } 2> /dev/null
		return
	done
}

lio_down() {
	rm $loopback/$wwn/tpgt_1/lun/lun_0/bench
	rmdir $loopback/$wwn/tpgt_1/lun/lun_0 $loopback/$wwn/tpgt_1 $loopback/$wwn "$backstore" \
		"${backstore%/*}"
}

# Sets disk; backstore, if it is one of LIO's; handler, if a process serves it.
backend_up() { # BACKEND STORE
	[ "$2" != direct ] || [ -b /dev/ram0 ] || modprobe brd rd_nr=1 rd_size=262144
	disk='' backstore='' handler=''
	case $2 in
	nbd) server_up ;;
	net | netlent) net_server_up ;;
	esac
	[ "$2" != rbd ] || cluster_up
	case $1 in
	runner) "$tree/bench/module" ours && runner_up "$2" ;;
	runner_stock) "$tree/bench/module" stock && runner_up "$2" ;;
	nbd_ko)
		modprobe nbd nbds_max=1
		rm -f ready
		mkfifo ready
		"$tree/build/user/bench/nbd" /dev/nbd0 "nbd+unix:///?socket=$PWD/socket" "${THREADS:-1}" \
			> ready 2> said &
		handler=$!
		read -r disk < ready || { cat said >&2; exit 1; }
		# As much at a time as the others get
		echo 1024 > /sys/block/nbd0/queue/max_sectors_kb
		;;
	krbd) krbd_up ;;
	stock) "$tree/bench/module" stock && serve "$2" ;;
	copy) "$tree/bench/module" ours && serve "$2" 0 ;;
	ours) "$tree/bench/module" ours && serve "$2" ;;
	scrub)
		"$tree/bench/module" ours && serve "$2"
		echo 1 > "$backstore/attrib/scrub_reads"
		;;
	unmeasured)
		"$tree/bench/module" ours && serve "$2"
		echo 0 > "$backstore/attrib/measure_latency"
		;;
	nullio) lio_up rd_mcp_0 rd_pages=65536,rd_nullio=1 ;;
	rd) lio_up rd_mcp_0 rd_pages=65536 ;;
	iblock)
		lio_up iblock_0 udev_path=/dev/ram0
		;;
	fileio)
		truncate -s 256M image
		lio_up fileio_0 "fd_dev_name=$PWD/image,fd_dev_size=268435456,fd_buffered_io=1"
		;;
	null_blk)
		modprobe null_blk nr_devices=1 gb=1 queue_mode=2 irqmode=0
		disk=/dev/nullb0
		wait_until [ -b $disk ]
		;;
	ublk)
		modprobe ublk_drv
		rm -f ready
		mkfifo ready
		"$tree/build/user/bench/ublk" "$2" 256M > ready 2> said &
		handler=$!
		read -r disk < ready || { cat said >&2; exit 1; }
		;;
	esac
	quiet_queue "$disk"
	# Memory of a store that has any is there before it is measured.
	[ "$2" = null ] || ! can_write "$2" || dd if=/dev/zero of="$disk" bs=1M count=256 oflag=direct status=none
}

backend_down() { # BACKEND
	case $1 in
	runner | runner_stock) runner_down ;;
	esac
	if [ -n "$handler" ]; then
		kill "$handler"
		wait "$handler" || { cat said >&2; exit 1; }
	fi
	case $1 in
	nullio | rd | iblock | fileio) lio_down ;;
	null_blk) rmmod null_blk ;;
	ublk) rmmod ublk_drv ;;
	nbd_ko) rmmod nbd ;;
	krbd)
		echo 0 > /sys/bus/rbd/remove_single_major
		rmmod rbd
		;;
	esac
	[ -z "$server" ] || server_down
	rm -f image
	handler='' backstore=''
}
