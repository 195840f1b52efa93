#!/bin/sh
# Makes the images that the examples use and gives them to podrun: import.sh [NAME...] (busybox, nginx, redis; all without
# names). Set PODRUN where the command is not `podrun`.
set -eu
here=$(dirname "$(readlink -f "$0")")
podrun=${PODRUN:-podrun}
work=$(mktemp -d /var/tmp/podrun-images.XXXXXX)
trap 'rm -rf "$work"' EXIT

for name in ${*:-busybox nginx redis}; do
    root="$work/$name"
    case $name in
        busybox)
            "$here/busybox.sh" "$root"
            "$podrun" image import "$root" busybox:1 --cmd sh
            ;;
        nginx)
            # What the package's own script would have set up; logs go where `podrun logs` finds them.
            "$here/debian.sh" "$root" nginx-light
            ln -s ../sites-available/default "$root/etc/nginx/sites-enabled/default"
            ln -s /dev/stdout "$root/var/log/nginx/access.log"
            ln -s /dev/stderr "$root/var/log/nginx/error.log"
            mkdir -p "$root/var/www/html"
            "$podrun" image import "$root" nginx:1 --cmd '["nginx", "-g", "daemon off;"]'
            ;;
        redis)
            # The server is the program of redis-tools under another name.
            "$here/debian.sh" "$root" redis-tools
            ln -s redis-check-rdb "$root/usr/bin/redis-server"
            mkdir "$root/data"
            "$podrun" image import "$root" redis:7 --workdir /data --cmd '["redis-server", "--bind", "0.0.0.0"]'
            ;;
        *)
            echo "$0: no image is called $name" >&2
            exit 2
            ;;
    esac
done
