#!/bin/sh
# Makes a small root filesystem from Debian (or Ubuntu) packages and all that they depend on: debian.sh OUTDIR PACKAGE...
# The packages come from the machine's own apt sources and are unpacked only, so nothing of them runs on this machine.
# A shell and the usual tools are busybox'. For example: debian.sh /tmp/nginx nginx-light
# Then: podrun image import /tmp/nginx nginx:1 --cmd nginx --cmd -g --cmd 'daemon off;'
set -eu
umask 022
if [ $# -lt 2 ]; then
    echo "usage: $0 OUTDIR PACKAGE..." >&2
    exit 2
fi
root=$1
shift
here=$(dirname "$(readlink -f "$0")")
"$here/busybox.sh" "$root"
root=$(readlink -f "$root")
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
mkdir "$packages/partial"

# With an empty list of what is installed, apt fetches every dependency.
fetch() {
    apt-get -qq -y -o Dir::State::status=/dev/null -o Dir::Cache::archives="$packages" -o APT::Sandbox::User=root \
        -o Debug::NoLocking=1 --no-install-recommends --download-only install "$@"
}
fetch "$@" >/dev/null 2>&1 || {
    apt-get -qq update >&2
    fetch "$@" >&2
}

# busybox' links go where Debian has its programs, and give way to programs of the packages.
cd "$root"
rm sbin usr/bin usr/sbin
mv bin usr/bin
mkdir -p usr/sbin usr/lib usr/lib64
for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$directory"; done
for package in "$packages"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner
done
rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/perl*
