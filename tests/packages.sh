# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # the cases use them
# For cases that install the Debian packages: source it behind case.sh. tests/run has built them
# (build/deb), once for all kernels. In the guest the packages that they need are those of its root,
# which is this machine's: there is no network.

# shellcheck source=SCRIPTDIR/installed.sh
source "$ZCMU_TREE/tests/installed.sh"
built=$ZCMU_TREE/build/$(uname -r)/target_core_user.ko
debs=$ZCMU_TREE/build/deb
package_version=$(sed -n '1s/^zcmu (\(.*\)).*/\1/p' "$ZCMU_TREE/debian/changelog")
mapfile -t packages < <(sed -n 's/^Package: //p' "$ZCMU_TREE/debian/control")

# A machine on which the packages can be installed. DKMS takes the module that is built already,
# because compiling it takes a quarter of an hour in an emulated guest; it signs nothing, because
# its new key takes as long as the rest; and the pages' index is not made anew.
fresh_machine_for_packages() {
	requires dpkg
	export DEBIAN_FRONTEND=noninteractive
	fresh_machine
	mkdir -p /etc/dkms/framework.conf.d
	echo "MAKE[0]='cp $built \$dkms_tree/\$PACKAGE_NAME/\$PACKAGE_VERSION/build/'" > /etc/dkms/zcmu.conf
	echo "sign_file=/nowhere" > /etc/dkms/framework.conf.d/zcmu-case.conf
	rm -f /var/lib/man-db/auto-update
	at_end rm -f /etc/dkms/zcmu.conf /etc/dkms/framework.conf.d/zcmu-case.conf
}

install_packages() {
	at_end dpkg --purge "${packages[@]}"
	dpkg --install "$debs"/*.deb > dpkg.out 2>&1 || fail "dpkg --install: $(cat dpkg.out)"
	hash -r
}

# Where packages, and what has run since, may have left something; but for what dpkg, the loader and
# DKMS note for themselves.
machine_has() {
	find /etc /run/zcmu /usr/local /usr/src /usr/include /var/lib "$modules" \( -path /var/lib/dpkg -o -path /etc/ld.so.cache \
		-o -name 'modules.*' -o -name 'mok.*' \) -prune -o -print 2> /dev/null | sort || true
	find /var/lib/dpkg/info -name '*zcmu*'
}

# The files of the packages, and no folders: those are others', too
files_of_packages() {
	dpkg --listfiles "${packages[@]}" | sed -n 's|^/.|&|p' | sort -u | while IFS= read -r file; do
		if [ -L "$file" ] || [ ! -d "$file" ]; then echo "$file"; fi
	done
}
