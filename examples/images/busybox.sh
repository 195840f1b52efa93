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
if [ -e "$root/bin" ]; then
    echo "$0: $root holds a bin already" >&2
    exit 1
fi
mkdir -p "$root"
cd "$root"
mkdir -p bin dev etc home proc root run sys tmp usr var/tmp var/www
chmod 0700 root
chmod 1777 tmp var/tmp
cp "$busybox" bin/busybox
chmod 0755 bin/busybox
# One hard link for each applet, made by busybox itself.
./bin/busybox --install bin
ln -s bin sbin
ln -s ../bin usr/bin
ln -s ../bin usr/sbin
cat >etc/passwd <<'EOF'
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
EOF
cat >etc/group <<'EOF'
root:x:0:
www-data:x:33:
nogroup:x:65534:
EOF
