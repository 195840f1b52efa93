#!/bin/bash
# One pod from nothing to nothing, each step shown as it happens. Needs root; uses an instance of its own, so that pods
# which run on this machine already are left alone.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
if [ "$(id -u)" != 0 ]; then
    echo "cannot run the demo: must be run as root (hint: sudo make demo)" >&2
    exit 1
fi
PATH="$PWD/../.venv/bin:$PATH"

work=$(mktemp -d /var/tmp/podrun-demo.XXXXXX)
export PODRUN_ROOT="$work/root" PODRUN_RUN_DIR="$work/run" PODRUN_LOG_DIR="$work/log"
export PODRUN_CGROUP_PARENT=/podrun-demo PODRUN_BRIDGE=podrun-demo PODRUN_POD_CIDR=10.244.255.0/24
export PODRUN_MANIFEST_DIR="$work/manifests"

clean_up() {
    podrun system reset --force >"$work/reset.log" 2>&1 || cat "$work/reset.log" >&2
    rm -rf "$work"
}
trap clean_up EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() { printf '$ %s\n' "$*"; "$@"; }

step "1. An image from Debian's busybox-static: no registry needed"
images/busybox.sh "$work/busybox"
show podrun image import "$work/busybox" busybox:1 --cmd sh
show podrun image ls

step "2. A real pod with two containers"
show podrun apply --wait localhost.yaml
show podrun get pods -o wide

step "3. One network for both: they share the namespaces that the pause process holds"
for container in web client; do
    printf '%-8s' "$container"
    podrun exec localhost -c "$container" -- sh -c 'for ns in net ipc uts pid mnt; do printf " %s" "$(readlink /proc/self/ns/$ns)"; done; echo'
done
echo "(net, ipc and uts are the same; pid and mnt are each container's own)"

step "4. Each container under its own control group"
podrun get pod localhost -o json | python3 -c '
import json, pathlib, sys

pod = json.load(sys.stdin)
names = {status["containerID"].partition("://")[2]: status["name"] for status in pod["status"]["containerStatuses"]}
knobs = ("cpu.weight", "cpu.max", "memory.max", "cpu.shares", "cpu.cfs_quota_us", "memory.limit_in_bytes")
uid = pod["metadata"]["uid"]
for group in sorted(pathlib.Path("/sys/fs/cgroup").glob(f"**/podrun-demo/**/pod{uid}/**/")):
    name = "the pod" if group.name.endswith(uid) else names.get(group.name, group.name)
    for knob in knobs:
        if (group / knob).exists() and group.name != "pause":
            print(f"{name:8} {knob:22} {(group / knob).read_text().strip()}")
'

step "5. They talk over localhost"
answered() { podrun logs localhost -c client --tail 1 | grep -q hello; }
for _ in $(seq 100); do if answered; then break; fi; sleep 0.1; done
show podrun logs localhost -c client --tail 3
answered
show podrun exec localhost -c client -- wget -q -O - http://localhost:8080/

step "6. The pod as the kernel has it"
show podrun tree localhost

step "7. What Kubernetes would say about it"
show podrun describe pod localhost

step "8. And away: nothing is left behind"
show podrun delete pod localhost
show podrun get pods
