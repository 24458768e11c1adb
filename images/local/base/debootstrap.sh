#!/bin/sh
# Make the root file system of a slim Debian in FOLDER: debootstrap.sh FOLDER CACHE
# Downloaded packages are kept in CACHE. Needs root. Which mirror: debootstrap's own default, or the host's MIRROR.
set -eu

root=$1
cache=$2
suite=bookworm

# Like Debian's own slim image: no manuals, no translations, documentation only where a licence asks for it.
slim='path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*'

mkdir -p "$cache"
debootstrap --variant=minbase --cache-dir="$cache" "$suite" "$root" ${MIRROR:+"$MIRROR"}

printf '%s\n' "$slim" >"$root/etc/dpkg/dpkg.cfg.d/slim"
# An image is built as a whole or not at all: no need to wait for the disk after every file.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n' >"$root/etc/apt/apt.conf.d/slim"
# Packages must not start daemons while an image is built.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

# Security fixes lie beside the archive on every mirror that is laid out like Debian's own.
sed -n "s|/debian/* $suite main|/debian-security $suite-security main|p" "$root/etc/apt/sources.list" \
    >"$root/etc/apt/sources.list.d/security.list"
cp /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" apt-get update -qq
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get upgrade -y -qq

find "$root/usr/share/doc" -mindepth 1 ! -name copyright ! -type d -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
rm -rf "$root"/usr/share/info/* "$root"/usr/share/lintian "$root"/usr/share/locale/* "$root"/usr/share/man/* \
    "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/lib/apt/lists/* "$root"/var/lib/dpkg/*-old \
    "$root"/var/log/* "$root"/etc/resolv.conf "$root"/etc/hostname
# Some packages insist on linking manuals there.
mkdir -p "$root/usr/share/man/man1" "$root/usr/share/man/man8"
