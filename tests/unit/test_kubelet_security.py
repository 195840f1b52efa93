"""From security contexts to identity, capabilities, sysctls and rejections: pure functions, as a kubelet decides."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from podrun.api import objects
from podrun.api.validate import validate_pod
from podrun.container import defaults
from podrun.container.plan import Bind, Mask, PodShm
from podrun.errors import PodrunError
from podrun.image.config import ImageConfig
from podrun.image.images import Image
from podrun.kubelet import node_policy, security, sysctls
from podrun.linux import capabilities

DEFAULT = defaults.DEFAULT_CAPABILITIES


def image(user: str = "") -> Image:
    return Image(("i",), "sha256:1", "sha256:2", 0, None, "amd64", ImageConfig(user=user), ())


def container(**context: object) -> objects.Container:
    return objects.Container(name="c", security_context=objects.SecurityContext(**context))  # type: ignore[arg-type]


def pod(spec: objects.Container, *, context: dict[str, object] | None = None, **fields: object) -> objects.Pod:
    of_pod = objects.PodSecurityContext(**(context or {}))  # type: ignore[arg-type]
    return objects.Pod(
        metadata=objects.ObjectMeta(name="p", namespace="n", uid="u"),
        spec=objects.PodSpec(containers=(spec,), security_context=of_pod, **fields),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("image_user", "of_pod", "own", "user", "group"),
    [
        ("", {}, {}, "0", ""),
        ("web:www", {}, {}, "web", "www"),
        ("web:www", {}, {"run_as_group": 7}, "web", "7"),
        ("web:www", {"run_as_user": 5}, {}, "5", ""),
        ("web:www", {"run_as_user": 5, "run_as_group": 6}, {"run_as_user": 0}, "0", "6"),
    ],
)
def test_the_user_is_the_containers_the_pods_or_the_images(
    image_user: str, of_pod: dict[str, object], own: dict[str, object], user: str, group: str
) -> None:
    spec = container(**own)
    identity = security.identity(pod(spec, context=of_pod), spec, image(image_user))
    assert (identity.user, identity.group) == (user, group)


def test_groups_of_the_pod_and_their_policy() -> None:
    spec = container()
    context: dict[str, object] = {"supplemental_groups": (5, 6), "fs_group": 7, "supplemental_groups_policy": "Strict"}
    identity = security.identity(pod(spec, context=context), spec, image())
    assert (identity.groups, identity.image_groups) == ((7, 5, 6), False)


@pytest.mark.parametrize(
    ("add", "drop", "mask"),
    [
        ((), (), DEFAULT),
        (("NET_ADMIN",), (), DEFAULT | capabilities.mask("NET_ADMIN")),
        (("cap_net_admin",), ("all",), capabilities.mask("NET_ADMIN")),
        ((), ("ALL",), 0),
        (("ALL",), (), security.ALL_CAPABILITIES),
        (("ALL",), ("CHOWN",), security.ALL_CAPABILITIES & ~1),
        (("CHOWN",), ("CHOWN",), DEFAULT & ~1),
    ],
)
def test_capabilities(add: tuple[str, ...], drop: tuple[str, ...], mask: int) -> None:
    assert security.capability_mask(container(capabilities=objects.Capabilities(add=add, drop=drop))) == mask


@pytest.mark.parametrize("side", ["add", "drop"])
def test_an_unknown_capability_is_an_error(side: str) -> None:
    with pytest.raises(PodrunError, match='unknown capability: "CAP_FLY"'):
        security.capability_mask(container(capabilities=objects.Capabilities(**{side: ("CAP_FLY",)})))


def test_privileged_means_everything_and_no_filter() -> None:
    spec = container(privileged=True, seccomp_profile=objects.SeccompProfile(type="RuntimeDefault"))
    profile = security.seccomp_profile(pod(spec), spec)
    assert profile is not None
    assert profile.type == "Unconfined"
    assert security.capability_mask(spec) == security.ALL_CAPABILITIES
    assert security.walls(spec) == ()
    assert security.walls(container(proc_mount="Unmasked")) == ()
    assert security.walls(container()) == defaults.walls()
    assert security.walls(container(), ("/sys/x",)) == (*defaults.walls(), Mask("/sys/x"))
    assert security.walls(spec, ("/sys/x",)) == ()


def test_the_machines_shared_memory_comes_with_its_ipc_namespace() -> None:
    spec = container()
    for shared, kind in ((True, Bind), (False, PodShm)):
        mounts = security.system_mounts(pod(spec, host_ipc=shared), spec)
        assert [type(mount) for mount in mounts if mount.target == "/dev/shm"] == [kind]


def context(*names: str) -> objects.PodSecurityContext:
    return objects.PodSecurityContext(sysctls=tuple(objects.Sysctl(name=name, value="1") for name in names))


@pytest.mark.parametrize(
    ("names", "unsafe", "fields", "said"),
    [
        (("net.ipv4.tcp_syncookies", "kernel.shm_rmid_forced"), "", {}, ""),
        (("net/ipv4/tcp_syncookies",), "", {}, ""),
        (("net.core.somaxconn",), "", {}, 'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
        (("net.core.somaxconn", "kernel.msgmax"), "net.core.*, kernel.msg*", {}, ""),
        (("kernel.sem",), "kernel.sem", {"host_ipc": True}, '"kernel.sem" not allowed with host IPC enabled'),
        (("net.core.x",), "net.*", {"host_network": True}, '"net.core.x" not allowed with host Net enabled'),
        (("vm.swappiness",), "net.*", {}, 'forbidden sysctl: "vm.swappiness" not allowlisted'),
    ],
)
def test_sysctls_that_a_node_allows(names: tuple[str, ...], unsafe: str, fields: dict[str, object], said: str) -> None:
    spec = objects.PodSpec(security_context=context(*names), **fields)  # type: ignore[arg-type]
    refusal = sysctls.refusal(spec, sysctls.allowed(unsafe))
    assert (said in refusal) if said else refusal == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("Unconfined", "vm.swappiness", "-1"), 'the sysctl "vm.swappiness" is not known to be namespaced'),
        (("Unconfined", "net..x", "-1"), 'sysctl "net..x" must have at most 253 characters and match regex'),
        (("Maybe", "", "-1"), '--seccomp-default must be RuntimeDefault or Unconfined, not "Maybe"'),
        (("Unconfined", "", "0"), '--pod-max-pids must be a number above 0, or -1, not "0"'),
        (("Unconfined", "", "x"), '--pod-max-pids must be a number above 0, or -1, not "x"'),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: tuple[str, str, str], said: str) -> None:
    with pytest.raises(PodrunError) as refused:
        node_policy.policy(*given)
    assert said in str(refused.value)


def test_what_pause_sets() -> None:
    ordinary = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
    assert sysctls.values(objects.PodSpec()) == ordinary
    assert sysctls.values(objects.PodSpec(host_network=True)) == {}
    own = objects.PodSpec(security_context=context("net/ipv4/conf/eth0.1/mtu", "net.ipv4.ip_unprivileged_port_start"))
    named = {"net.ipv4.conf.eth0/1.mtu": "1", "net.ipv4.ip_unprivileged_port_start": "1"}
    assert sysctls.values(own) == ordinary | named


def test_options_for_windows_are_refused_as_kubernetes_refuses_them() -> None:
    options = objects.WindowsSecurityContextOptions(run_as_user_name="x")
    silent = pod(container(windows_options=options), context={"windows_options": options})
    assert "windowsOptions" not in str(list(validate_pod(silent))), "no word on its system"
    wrong = replace(silent, spec=replace(silent.spec, os=objects.PodOS(name="linux")))
    said = [str(error) for error in validate_pod(wrong)]
    for where in ("spec.securityContext", "spec.containers[0].securityContext"):
        assert f"{where}.windowsOptions: Forbidden: windows options cannot be set for a linux pod" in said
