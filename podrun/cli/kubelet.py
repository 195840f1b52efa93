"""`podrun kubelet`: the kubelet in the foreground. The one verb that imports more than the client."""

from __future__ import annotations

import os
from pathlib import Path

import click

from podrun.cli import command as shared
from podrun.errors import PodrunError
from podrun.paths import Paths

EXAMPLES = """
# Run the kubelet of this machine until Ctrl-C; pods run on without it
podrun kubelet

# Run a second instance beside it
podrun kubelet --root /srv/b --run-dir /run/b --log-dir /var/log/b \\
    --cgroup-parent /b --bridge b0 --pod-cidr 10.245.0.0/24
"""

_DEFAULT = Paths()


def _setting(name: str, default: object, text: str) -> click.Option:
    """An option that is the environment's PODRUN_* of the same name otherwise."""
    return click.Option([f"--{name}"], default=None, show_default=False, help=f"{text} Default: {default}.")


@click.command(
    "kubelet",
    cls=shared.Verb,
    examples=EXAMPLES,
    params=[
        _setting("root", _DEFAULT.root, "Directory for objects, images and volumes."),
        _setting("run-dir", _DEFAULT.run_dir, "Directory for the API socket and running pods."),
        _setting("log-dir", _DEFAULT.log_dir, "Directory for container logs, in pods/ and containers/."),
        _setting("cgroup-parent", _DEFAULT.cgroup_parent, "Control group above all pods."),
        _setting("pod-cidr", _DEFAULT.pod_cidr, "Addresses for pods: IPv4, or IPv4,IPv6."),
        _setting("bridge", _DEFAULT.bridge, "Network bridge that connects pods."),
        _setting("cluster-dns", "none", "DNS servers for pods with dnsPolicy ClusterFirst, separated by commas."),
        _setting("cluster-domain", _DEFAULT.cluster_domain, "Domain of the names that pods have with a subdomain."),
        _setting("manifest-dir", _DEFAULT.manifest_dir, "Directory of static pods' manifests."),
        _setting("seccomp-default", _DEFAULT.seccomp_default, "Seccomp profile of containers that ask for none."),
        _setting("allowed-unsafe-sysctls", "none", "Further sysctls for pods, as net.core.*, separated by commas."),
        _setting("pod-max-pids", _DEFAULT.pod_max_pids, "Most processes and threads of a pod; -1 for no limit."),
        _setting("insecure-registry", "none but loopback", "Registries that may do without TLS, separated by commas."),
        _setting("eviction-hard", _DEFAULT.eviction_hard, "Below which pods are evicted; none for never."),
        _setting(
            "eviction-pressure-transition-period",
            _DEFAULT.eviction_pressure_transition_period,
            "How long the node shows a pressure after it was there.",
        ),
        _setting("eviction-monitoring-period", _DEFAULT.eviction_monitoring_period, "Time between two looks at it."),
        _setting("container-log-max-size", _DEFAULT.container_log_max_size, "Size at which a log file is rotated."),
        _setting("container-log-max-files", _DEFAULT.container_log_max_files, "Log files of one run, at least 2."),
        _setting(
            "image-gc-high-threshold",
            _DEFAULT.image_gc_high_threshold,
            "Percent of the disk above which unused images go; 100 for never.",
        ),
        _setting("image-gc-low-threshold", _DEFAULT.image_gc_low_threshold, "Percent down to which they go."),
        _setting("minimum-image-ttl-duration", _DEFAULT.minimum_image_ttl_duration, "Age before which no image goes."),
        _setting("feature-gates", "none", "What is off by default: MemoryQoS=true."),
    ],
    help="Run the kubelet in the foreground. Each option is also an environment variable of all commands:\n"
    " PODRUN_ROOT for --root, PODRUN_RUN_DIR for --run-dir, and so on.",
)
def command(**options: str | None) -> None:
    settings = {f"PODRUN_{name.upper()}": value for name, value in options.items() if value}
    paths = Paths.from_environment(os.environ | settings)
    if os.geteuid() != 0:
        raise PodrunError("cannot run the kubelet: must be run as root", hint="use sudo")
    for setting in ("root", "run_dir", "log_dir", "manifest_dir"):
        if not Path(getattr(paths, setting)).is_absolute():
            raise PodrunError(f"cannot run the kubelet: --{setting.replace('_', '-')} must be an absolute path")
    from podrun.server import main

    main.run(paths)
