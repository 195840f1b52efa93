"""Where an instance keeps its files and what its kernel objects are called: one frozen value from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podrun.address import RUN_DIR, SOCKET


@dataclass(frozen=True, slots=True)
class Paths:
    """One instance of podrun. Instances with different values run side by side and never see each other."""

    root: Path = Path("/var/lib/podrun")
    run_dir: Path = Path(RUN_DIR)
    log_dir: Path = Path("/var/log")
    cgroup_parent: str = "/podrun"
    pod_cidr: str = "10.244.0.0/24"
    bridge: str = "podrun0"
    cluster_dns: str = ""  # addresses, separated by commas
    cluster_domain: str = "cluster.local"
    manifest_dir: Path = Path("/etc/podrun/manifests")
    seccomp_default: str = "RuntimeDefault"
    allowed_unsafe_sysctls: str = ""  # names and prefixes that end in *, separated by commas
    pod_max_pids: str = "-1"
    insecure_registry: str = ""  # registries without TLS or a good certificate, separated by commas
    eviction_hard: str = "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%"
    eviction_pressure_transition_period: str = "5m"
    eviction_monitoring_period: str = "10s"
    image_gc_high_threshold: str = "85"  # percent of the disk
    image_gc_low_threshold: str = "80"
    minimum_image_ttl_duration: str = "2m"
    feature_gates: str = ""  # NAME=true|false, separated by commas
    container_log_max_size: str = "10Mi"
    container_log_max_files: str = "5"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Paths:
        """The values of PODRUN_ROOT, PODRUN_RUN_DIR and so on, each with its default where unset or empty."""
        default = cls()

        def setting(name: str, fallback: str) -> str:
            return environment.get(name) or fallback

        return cls(
            root=Path(setting("PODRUN_ROOT", str(default.root))),
            run_dir=Path(setting("PODRUN_RUN_DIR", str(default.run_dir))),
            log_dir=Path(setting("PODRUN_LOG_DIR", str(default.log_dir))),
            cgroup_parent=setting("PODRUN_CGROUP_PARENT", default.cgroup_parent),
            pod_cidr=setting("PODRUN_POD_CIDR", default.pod_cidr),
            bridge=setting("PODRUN_BRIDGE", default.bridge),
            cluster_dns=setting("PODRUN_CLUSTER_DNS", default.cluster_dns),
            cluster_domain=setting("PODRUN_CLUSTER_DOMAIN", default.cluster_domain),
            manifest_dir=Path(setting("PODRUN_MANIFEST_DIR", str(default.manifest_dir))),
            seccomp_default=setting("PODRUN_SECCOMP_DEFAULT", default.seccomp_default),
            allowed_unsafe_sysctls=setting("PODRUN_ALLOWED_UNSAFE_SYSCTLS", default.allowed_unsafe_sysctls),
            pod_max_pids=setting("PODRUN_POD_MAX_PIDS", default.pod_max_pids),
            insecure_registry=setting("PODRUN_INSECURE_REGISTRY", default.insecure_registry),
            eviction_hard=setting("PODRUN_EVICTION_HARD", default.eviction_hard),
            eviction_pressure_transition_period=setting(
                "PODRUN_EVICTION_PRESSURE_TRANSITION_PERIOD", default.eviction_pressure_transition_period
            ),
            eviction_monitoring_period=setting("PODRUN_EVICTION_MONITORING_PERIOD", default.eviction_monitoring_period),
            image_gc_high_threshold=setting("PODRUN_IMAGE_GC_HIGH_THRESHOLD", default.image_gc_high_threshold),
            image_gc_low_threshold=setting("PODRUN_IMAGE_GC_LOW_THRESHOLD", default.image_gc_low_threshold),
            minimum_image_ttl_duration=setting("PODRUN_MINIMUM_IMAGE_TTL_DURATION", default.minimum_image_ttl_duration),
            feature_gates=setting("PODRUN_FEATURE_GATES", default.feature_gates),
            container_log_max_size=setting("PODRUN_CONTAINER_LOG_MAX_SIZE", default.container_log_max_size),
            container_log_max_files=setting("PODRUN_CONTAINER_LOG_MAX_FILES", default.container_log_max_files),
        )

    def environment(self) -> dict[str, str]:
        """The same values as environment variables, for a kubelet that a command starts."""
        return {
            "PODRUN_ROOT": str(self.root),
            "PODRUN_RUN_DIR": str(self.run_dir),
            "PODRUN_LOG_DIR": str(self.log_dir),
            "PODRUN_CGROUP_PARENT": self.cgroup_parent,
            "PODRUN_POD_CIDR": self.pod_cidr,
            "PODRUN_BRIDGE": self.bridge,
            "PODRUN_CLUSTER_DNS": self.cluster_dns,
            "PODRUN_CLUSTER_DOMAIN": self.cluster_domain,
            "PODRUN_MANIFEST_DIR": str(self.manifest_dir),
            "PODRUN_SECCOMP_DEFAULT": self.seccomp_default,
            "PODRUN_ALLOWED_UNSAFE_SYSCTLS": self.allowed_unsafe_sysctls,
            "PODRUN_POD_MAX_PIDS": self.pod_max_pids,
            "PODRUN_INSECURE_REGISTRY": self.insecure_registry,
            "PODRUN_EVICTION_HARD": self.eviction_hard,
            "PODRUN_EVICTION_PRESSURE_TRANSITION_PERIOD": self.eviction_pressure_transition_period,
            "PODRUN_EVICTION_MONITORING_PERIOD": self.eviction_monitoring_period,
            "PODRUN_IMAGE_GC_HIGH_THRESHOLD": self.image_gc_high_threshold,
            "PODRUN_IMAGE_GC_LOW_THRESHOLD": self.image_gc_low_threshold,
            "PODRUN_MINIMUM_IMAGE_TTL_DURATION": self.minimum_image_ttl_duration,
            "PODRUN_FEATURE_GATES": self.feature_gates,
            "PODRUN_CONTAINER_LOG_MAX_SIZE": self.container_log_max_size,
            "PODRUN_CONTAINER_LOG_MAX_FILES": self.container_log_max_files,
        }

    @property
    def socket(self) -> Path:
        return self.run_dir / SOCKET

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def database(self) -> Path:
        return self.root / "podrun.db"

    @property
    def seccomp(self) -> Path:
        """Seccomp profiles of type Localhost."""
        return self.root / "seccomp"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def auth_file(self) -> Path:
        """What `image login` stores."""
        return self.root / "auth.json"

    @property
    def pulls_dir(self) -> Path:
        """Credentials of the pulls that are going on."""
        return self.run_dir / "pulls"

    @property
    def account_key(self) -> Path:
        """Signs the tokens of service accounts."""
        return self.root / "service-account.key"

    @property
    def persistent(self) -> Path:
        """The directories of claims."""
        return self.root / "persistent"

    def pod_run_dir(self, uid: str) -> Path:
        """Shim socket and journal."""
        return self.run_dir / "pods" / uid

    def pod_dir(self, uid: str) -> Path:
        """Volumes, etc files and container snapshots (upper directories) of one pod."""
        return self.pods_dir / uid

    @property
    def pods_dir(self) -> Path:
        return self.root / "pods"

    def pod_log_dir(self, namespace: str, name: str, uid: str) -> Path:
        return self.log_dir / "pods" / f"{namespace}_{name}_{uid}"
