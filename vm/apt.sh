# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# How vm/kernel and vm/peers ask apt for packages without being root and without
# installing anything. Sourced; nothing of it is for vm/deps, which does install.
#
# apt_opts is what each call of apt takes: first the machine's own lists of packages,
# and after use_private_lists (no lists, or old ones) lists in our build folder. The
# machine's sources and keys are used as they are.
apt_opts=(-o APT::Sandbox::User=root)

use_private_lists() { # FOLDER
	mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
	apt_opts=(-o "Dir::State=$1/state" -o "Dir::Cache=$1/cache"
		-o Dir::State::status=/var/lib/dpkg/status -o APT::Sandbox::User=root
		-o Debug::NoLocking=1)
	echo "${0##*/}: reading the package lists" >&2
	apt-get "${apt_opts[@]}" -qq update >&2
}
