# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # the cases use them
# For cases that install zcmu: source it behind case.sh. tests/run has had DKMS build the module
# ($built), because compiling it takes a quarter of an hour in an emulated guest; all else is
# what a user does, on the guest's root, which is gone with the guest.

built=$ZCMU_TREE/build/$(uname -r)/dkms
modules=/lib/modules/$(uname -r)
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$ZCMU_TREE/kernel/dkms.conf")
loaded=/sys/module/target_core_user

# Nothing of the tree is found but by its path, and nothing of zcmu is installed: neither what
# vm/init has done, nor what this machine's owner has.
fresh_machine() {
	local file
	unset ZCMU_STORE_PATH LD_LIBRARY_PATH
	PATH=:$PATH:
	PATH=${PATH//":$ZCMU_TREE/build/user/tool:"/:}
	PATH=${PATH#:} PATH=${PATH%:}
	zcmu=zcmu
	requires dkms pkg-config
	[ -e "$built" ] || skip "tests/run has not built $built"

	at_end modprobe target_core_user	# tests/guest unloads it
	rmmod target_core_user
	mv /etc/modprobe.d/zcmu-vm.conf /run/zcmu-vm.conf
	at_end mv /run/zcmu-vm.conf /etc/modprobe.d/

	# The modules that matter: depmod reads them all, each time.
	mkdir -p /run/modules
	modprobe -a --show-depends target_core_user tcm_loop sd_mod | awk '$1 == "insmod" { print $2 }' |
		while read -r file; do cp --parents "$file" /run/modules; done
	cp -a --parents "$modules"/modules.{builtin,builtin.modinfo,order} "$modules/build" /run/modules
	mount --bind "/run/modules$modules" "$modules"
	at_end umount "$modules"
	depmod

	mount -t tmpfs dkms /var/lib/dkms
	at_end umount /var/lib/dkms
	rm -rf /usr/src/zcmu-* /var/lib/zcmu/installed
	find /usr/local \( -name 'zcmu*' -o -name 'libzcmu*' \) -prune -exec rm -rf {} +
	ldconfig
}

# What is on the machine, where installing could have put something. DKMS's keys are its own.
everything() {
	find /usr/local /usr/src "$modules" /var/lib/dkms /var/lib/zcmu \( -name 'modules.*' -o -name 'mok.*' \) -o -print 2> /dev/null |
		sort || true
}

# changes_since FILE WHAT EXPECTED: what "everything" says, and had said
changes_since() {
	expect "$2" "$3" "$(everything | diff "$1" - | grep '^[<>]')"
}

# Which module does modprobe find, and which one is loaded?
found_module() {
	case $(modinfo -n target_core_user) in
	"$modules"/kernel/drivers/target/*) echo stock ;;
	"$modules"/updates/dkms/*) echo ours ;;
	*) modinfo -n target_core_user ;;
	esac
}
loaded_module() {
	if [ -e $loaded/version ]; then echo ours; elif [ -d $loaded ]; then echo stock; else echo none; fi
}
