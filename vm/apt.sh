# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How the scripts of this folder ask apt for packages without being root and without
# installing anything. Sourced; nothing of it is for vm/deps, which does install.
#
# apt_opts is what each call of apt takes: first the machine's own lists of packages, and after
# use_private_lists (no lists, or old ones) lists in a folder of ours. The machine's sources and
# keys are used as they are. use_suites instead leads to other releases of Debian, or to another
# architecture, on the machine's mirror, signed by the same keys; it has lists after read_lists.
apt_opts=(-o APT::Sandbox::User=root)
apt_suites=() apt_sources=''

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

read_lists() {
	[ ${#apt_suites[@]} = 0 ] || write_sources
	echo "${0##*/}: reading the package lists" >&2
	apt-get "${apt_opts[@]}" -qq update >&2
}

lists_in() { # FOLDER STATUS
	mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
	apt_opts=(-o "Dir::State=$1/state" -o "Dir::Cache=$1/cache"
		-o "Dir::State::status=$2" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
}

use_private_lists() { # FOLDER
	lists_in "$1" /var/lib/dpkg/status
	read_lists
}

# Newer lists than those in use, in FOLDER if they are the machine's.
newer_lists() { # FOLDER
	if [ ${#apt_suites[@]} -gt 0 ]; then read_lists; else use_private_lists "$1"; fi
}

# Where this machine has Debian from: http://deb.debian.org/debian
mirror() {
	apt-get -o Debug::NoLocking=1 --print-uris update 2> /dev/null |
		sed -nE "s|^'(.*/debian)/dists/.*|\1|p" | head -n 1 | grep . || echo http://deb.debian.org/debian
}

# Anew whenever lists are read: the machine's mirror may be another one by now. Whole, because others
# may be reading it.
write_sources() {
	local mirror suite
	mirror=$(mirror)
	for suite in "${apt_suites[@]}"; do
		# Debian has its security updates beside the rest.
		printf '%s\n' "Types: deb" "URIs: $mirror$([[ $suite != *-security ]] || echo -security)" \
			"Suites: $suite" "Components: main" "Signed-By: $KEYRING" ''
	done > "$apt_sources.$$"
	mv "$apt_sources.$$" "$apt_sources"
}

# Of such a Debian nothing counts as installed, and its packages go by their bare names.
use_suites() { # FOLDER ARCHITECTURE SUITE...
	local folder=$1 arch=$2
	shift 2
	mkdir -p "$folder"
	: >> "$folder/status"
	lists_in "$folder" "$folder/status"
	apt_suites=("$@") apt_sources=$folder/debian.sources
	apt_opts+=(-o "Dir::Etc::sourcelist=$apt_sources" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o "APT::Architecture=$arch" -o "APT::Architectures=$arch")
}

# "name=version" of what an installation of the packages would bring, if the name is like
# PATTERN; sets $missing.
resolve_installation() { # PATTERN PACKAGE...
	local pattern=$1 plan
	shift
	plan=$(apt-get "${apt_opts[@]}" -qq -s -o Debug::NoLocking=1 install --no-install-recommends "$@" \
		2>/dev/null) || return 1
	mapfile -t missing < <(sed -nE "s/^Inst ($pattern) (\[[^]]*\] )?\(([^ ]+) .*/\1=\3/p" <<< "$plan")
}

# Unpack that into STORE/root, but for what tar is told by LEAVE-OUT: "./usr/share/man ./etc".
# A call that is interrupted leaves the old root. Nothing is done if STORE has these packages.
bring_installation() { # STORE PATTERN LEAVE-OUT PACKAGE...
	local store=$1 pattern=$2 work=$1/.new deb leave_out=() missing=()
	for deb in $3; do leave_out+=("--exclude=$deb"); done
	shift 3
	[ "$(cat "$store/.ready" 2>/dev/null)" != "$*" ] || return 0
	mkdir -p "$store"
	exec 9>"$store/.lock"
	flock 9
	# Who has waited for another call to bring it must not take it away from that one's callers.
	[ "$(cat "$store/.ready" 2>/dev/null)" != "$*" ] || return 0
	rm -rf "$work"
	mkdir -p "$work/debs" "$work/root/usr" "$work/root/etc"

	echo "${0##*/}: fetching $*" >&2
	if ! { resolve_installation "$pattern" "$@" && download_to "$work/debs" "${missing[@]}"; }; then
		newer_lists "$store/.apt"
		if ! resolve_installation "$pattern" "$@"; then
			echo "${0##*/}: no package source has all of $*: is this Debian 12?" >&2
			return 1
		fi
		download_to "$work/debs" "${missing[@]}" || return 1
	fi
	# Debian 12's root has /usr/lib for /lib, and so on.
	for deb in "$work"/debs/*.deb; do
		[ -e "$deb" ] || continue
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --no-same-owner "${leave_out[@]}" \
			--transform='s,^\./\(bin\|sbin\|lib\|lib64\)\(/\|$\),./usr/\1\2,S'
	done
	rm -rf "$work/debs" "$store/root"
	mv "$work/root" "$store/root"
	rm -rf "$work"
	echo "$*" > "$store/.ready"
}

download_to() { # FOLDER PACKAGE...
	local folder=$1
	shift
	if ! (cd "$folder" && apt-get "${apt_opts[@]}" -qq download "$@" >&2); then
		echo "${0##*/}: can't download $*" >&2
		return 1
	fi
}
