#!/bin/sh
# Makes a small root filesystem from Debian's busybox-static: busybox.sh OUTDIR
# Then: podrun image import OUTDIR busybox:1 --cmd sh
set -eu
umask 022
if [ $# -ne 1 ]; then
    echo "usage: $0 OUTDIR" >&2
    exit 2
fi
root=$1
busybox=${BUSYBOX:-/bin/busybox}
if ! [ -x "$busybox" ] || ! "$busybox" true; then
    echo "$0: cannot run $busybox (apt install busybox-static)" >&2
    exit 1
fi
mkdir -p "$root/bin" "$root/etc" "$root/root" "$root/home" "$root/tmp" "$root/var/tmp" "$root/var/www" \
    "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/usr"
chmod 0700 "$root/root"
chmod 1777 "$root/tmp" "$root/var/tmp"
cp "$busybox" "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
done
for directory in sbin usr/bin usr/sbin; do
    link=/bin
    [ -e "$root/$directory" ] || ln -s "$link" "$root/$directory"
done
cat >"$root/etc/passwd" <<'EOF'
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
EOF
cat >"$root/etc/group" <<'EOF'
root:x:0:
www-data:x:33:
nogroup:x:65534:
EOF
