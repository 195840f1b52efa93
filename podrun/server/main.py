"""The kubelet process: takes the instance's lock, opens what is there, serves the API until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from cgroups import delegation
from cgroups.errors import CgroupError
from cgroups.group import Group
from cgroups.hierarchies import Hierarchies, current, own_group
from podrun.api import objects
from podrun.controllers.claims import Claims
from podrun.controllers.namespaces import Namespaces
from podrun.errors import PodrunError
from podrun.image import filesystem
from podrun.image.store import Images
from podrun.kubelet import huge_pages, id_ranges, node_policy, node_settings
from podrun.kubelet import node as this_node
from podrun.kubelet.account_tokens import AccountTokens
from podrun.kubelet.id_ranges import IdRanges
from podrun.kubelet.kubelet import Kubelet
from podrun.kubelet.measures import Measures
from podrun.kubelet.node_policy import NodePolicy
from podrun.kubelet.protection import Protection
from podrun.kubelet.recorder import Recorder
from podrun.kubelet.resources import Node
from podrun.kubelet.services import Services
from podrun.kubelet.shims import ForkServer
from podrun.kubelet.static_pods import StaticPods
from podrun.kubelet.status import Host
from podrun.kubelet.wiring import Wiring
from podrun.linux import mallopt
from podrun.network import addresses, resolv
from podrun.paths import Paths
from podrun.registry.pulls import Pulls
from podrun.server import admission, app, listen
from podrun.server.agent import LocalAgent
from podrun.store import Store, errors

logger = logging.getLogger(__name__)

DEFAULT_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRUNE_PERIOD = 60.0  # seconds
_HEAPS = 2  # threads here wait for disks most of the time


def run(paths: Paths) -> None:
    """Serve until SIGTERM or SIGINT. PodrunError: already served, no cgroup controller, an unfit root."""
    if os.geteuid() != 0:
        raise PodrunError("cannot run the kubelet: must be run as root", hint="use sudo")
    _check_settings(paths)
    mallopt.share_heaps(_HEAPS)
    gc.freeze()  # what was imported stays: no collection looks through it
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with _only_one(paths), _in_its_group(paths) as (hierarchies, cgroup_parent):
        asyncio.run(_serve(paths, hierarchies, cgroup_parent))


def _check_settings(paths: Paths) -> None:
    """What can be wrong with them is said before anything is touched. PodrunError."""
    addresses.pod_networks(paths.pod_cidr)
    resolv.cluster(paths.cluster_dns, paths.cluster_domain)
    _policy(paths)
    node_settings.from_paths(paths)


def _policy(paths: Paths) -> NodePolicy:
    return node_policy.policy(paths.seccomp_default, paths.allowed_unsafe_sysctls, paths.pod_max_pids)


@contextlib.contextmanager
def _only_one(paths: Paths) -> Iterator[None]:
    """The instance's directories and its lock, held as long as this process lives."""
    try:
        for directory in (paths.root, paths.run_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            pods = directory / "pods"
            pods.mkdir(exist_ok=True)
            pods.chmod(0o700)  # volumes anybody may write, set-user-ID programs: also where the admin opened the root
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PodrunError(f"cannot use {error.filename}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        text = f"cannot run the kubelet: another one already serves {paths.socket}"
        raise PodrunError(text, hint="stop it with `podrun system stop`") from error
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _in_its_group(paths: Paths) -> Iterator[tuple[Hierarchies, str]]:
    """Run in a leaf of our own; afterwards go back, and take our empty groups away."""
    try:
        hierarchies = current()
        parent = delegation.resolve_parent(paths.cgroup_parent, hierarchies)
        origin = Group(own_group(hierarchies), hierarchies)
        leaf = delegation.enter_leaf(parent, hierarchies)
    except CgroupError as error:
        raise PodrunError(f"cannot use control groups: {error}", hint=getattr(error, "hint", None)) from error
    try:
        yield hierarchies, parent
    finally:
        with contextlib.suppress(CgroupError):
            if origin.path != leaf.path:
                origin.add(os.getpid())
            parent_group = Group(parent, hierarchies)
            parent_group.child(delegation.LEAF).remove(timeout=1.0)
            if not parent_group.children():
                parent_group.remove(timeout=0.0)


async def _serve(paths: Paths, hierarchies: Hierarchies, cgroup_parent: str) -> None:
    store = Store.open(paths.database)
    disk = ThreadPoolExecutor(4, thread_name_prefix="disk")
    services = _services(paths, store, hierarchies, cgroup_parent, disk)
    kubelet = Kubelet(services)
    runner = None
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        await _introduce(store, services)
        warming = loop.run_in_executor(disk, services.protection.warm_up)
        await services.fork_server.start()
        await warming
        running = asyncio.create_task(kubelet.run())
        files = asyncio.create_task(StaticPods(services, admission.admit_local, admission.admit_change).run())
        controlling = asyncio.create_task(_control(services))
        pruning = asyncio.create_task(_prune(store))
        adopted = asyncio.create_task(kubelet.adopted.wait())
        await asyncio.wait({running, adopted}, return_when=asyncio.FIRST_COMPLETED)
        adopted.cancel()
        runner = await listen.serve(app.make_app(store, LocalAgent(kubelet, services), paths), paths.socket)
        logger.info("serving %s", paths.socket)
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({running, files, controlling, pruning, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, files, controlling, pruning):
            if task.done():
                task.result()
        for each in (pruning, files, controlling, running, waiting):
            each.cancel()
        await asyncio.gather(pruning, files, controlling, running, return_exceptions=True)
    finally:
        if runner is not None:
            await runner.cleanup()
        await services.pulls.close()
        await services.recorder.drain()
        await services.fork_server.stop()
        kubelet.remove_class_groups()
        services.wiring.close()
        disk.shutdown()
        store.close()


def _services(
    paths: Paths, store: Store, hierarchies: Hierarchies, cgroup_parent: str, disk: ThreadPoolExecutor
) -> Services:
    filesystem.check_root_filesystem(paths.root)
    images = Images(paths.images)
    images.sweep()
    name = this_node.node_name()
    settings = node_settings.from_paths(paths)
    pod_networks = addresses.pod_networks(paths.pod_cidr)
    return Services(
        paths=paths,
        store=store,
        recorder=Recorder(store, name),
        fork_server=ForkServer(sys.stderr.fileno()),
        images=images,
        pulls=Pulls(images, paths.pulls_dir, paths.auth_file, _insecure(paths), disk),
        wiring=Wiring(paths.bridge, paths.pod_cidr),
        id_ranges=IdRanges(paths.pods_dir, id_ranges.subordinate_ids()),
        cluster=resolv.cluster(paths.cluster_dns, paths.cluster_domain),
        hierarchies=hierarchies,
        cgroup_parent=cgroup_parent,
        boot_id=this_node.boot_id(),
        host=Host(name, this_node.host_addresses(ipv6=len(pod_networks) > 1)),
        tokens=AccountTokens(store, paths.account_key, paths.cluster_domain),
        measures=Measures(),
        started_at=time.time(),
        node=Node(
            memory=this_node.memory_bytes(),
            layers_dir=str(images.layers_directory),
            huge_page_sizes=huge_pages.sizes_in_use(),
            memory_qos=settings.memory_qos,
            log_max_bytes=settings.log_max_bytes,
            log_max_files=settings.log_max_files,
            masked=this_node.masked_paths(),
        ),
        policy=_policy(paths),
        protection=Protection(paths.seccomp_default, paths.seccomp),
        disk=disk,
    )


def _insecure(paths: Paths) -> list[str]:
    return [name.strip() for name in paths.insecure_registry.split(",") if name.strip()]


async def _introduce(store: Store, services: Services) -> None:
    """The objects that every node has: itself, and Kubernetes' own namespaces."""
    pod_cidrs = tuple(str(network) for network in addresses.pod_networks(services.paths.pod_cidr))
    host, paths = services.host, services.paths
    thresholds = node_settings.from_paths(paths).thresholds
    fresh = this_node.node(host.name, host.addresses, pod_cidrs, paths.root, thresholds, time.time())
    for namespace in DEFAULT_NAMESPACES:
        with contextlib.suppress(errors.AlreadyExistsError):
            await store.create(
                objects.Namespace(
                    metadata=objects.ObjectMeta(name=namespace, labels={"kubernetes.io/metadata.name": namespace}),
                    status=objects.NamespaceStatus(phase="Active"),
                ),
                durable=False,
            )
    try:
        await store.create(fresh, durable=False)
    except errors.AlreadyExistsError:
        await store.update(
            objects.Node,
            "",
            fresh.metadata.name,
            lambda known: this_node.renewed(known, fresh),
            durable=False,
        )


async def _control(services: Services) -> None:
    """Until cancelled; the first one that fails ends all."""
    claims = Claims(services.store, services.recorder, services.paths.persistent, admission.admit_local)
    async with asyncio.TaskGroup() as group:
        group.create_task(claims.run())
        group.create_task(Namespaces(services.store).run())


async def _prune(store: Store) -> None:
    while True:
        await asyncio.sleep(PRUNE_PERIOD)
        with contextlib.suppress(errors.StoreError):
            await store.prune_events(time.time())
