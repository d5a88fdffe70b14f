#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs the packages of lab/packages that are missing.  With nothing missing it does nothing,
# not even look at the network.  It adds no package source and removes no package.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

missing()
{
	local package rest
	while read -r package rest; do
		case $package in '' | '#'*) continue ;; esac
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>&1)" = installed ] ||
			printf ' %s' "$package"
	done <"$LAB/packages"
}

offered()
{
	apt-cache policy "$1" | grep -q '^  Candidate: [0-9]'
}

for program in dpkg-query apt-get apt-cache; do
	command -v $program >/dev/null ||
		die "$program not found: this is not Debian" "install what lab/packages lists by other means"
done
packages=$(missing)
[ -n "$packages" ] || exit 0
[ "$(id -u)" = 0 ] || die "these packages are missing:$packages" \
	"run: sudo apt-get update && sudo apt-get install --no-install-recommends$packages"
say "updating the package lists"
logged deps-update apt-get update
for package in $packages; do
	offered "$package" || die "no package source of this machine offers $package" \
		"linux-source-$VERSION is in Debian 12's bookworm-security (main) and in Debian 13: add that to /etc/apt/sources.list"
done
say "installing$packages"
# shellcheck disable=SC2086 # one word a package
DEBIAN_FRONTEND=noninteractive logged deps-install apt-get install -y --no-install-recommends $packages
