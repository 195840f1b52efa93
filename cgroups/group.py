"""One control group, by its path: life and death always by v2, limits where the controllers are.

Every group has a directory in v2, made first and removed last: whatever was cut short, v2 shows all that there is to
sweep. Nothing is written to groups that were not made here, save to enable controllers for the ones below.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from dataclasses import dataclass

from cgroups import bounds, bpf, cpuset, devices, events, files, knobs, trees
from cgroups.devices import DeviceRule
from cgroups.errors import CgroupError
from cgroups.hierarchies import ON_DEMAND, Hierarchies
from cgroups.knobs import Coupled, Knob
from cgroups.limits import Limits
from cgroups.stats import Places, Stats


@dataclass(frozen=True, slots=True)
class Group:
    """The group `path` (absolute, below the mount points), whether it exists or not. Errors are CgroupError."""

    path: str
    hierarchies: Hierarchies

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or (self.path != "/" and {"", ".", ".."} & set(self.path[1:].split("/"))):
            raise CgroupError(f'cannot use control group "{self.path}": not an absolute path of plain names')

    @property
    def directory(self) -> str:
        """In v2."""
        return self.hierarchies.unified.point + self.path.rstrip("/")

    @property
    def parent(self) -> Group:
        return Group(os.path.dirname(self.path), self.hierarchies)

    def child(self, name: str) -> Group:
        return Group(f"{self.path.rstrip('/')}/{name}", self.hierarchies)

    def children(self) -> list[Group]:
        """The groups directly below, by name; none if this one does not exist."""
        return [self.child(name) for name in sorted(trees.subdirectories(self.directory))]

    def exists(self) -> bool:
        return os.path.isdir(self.directory)

    # Making and limiting

    def create(self, *, limited: bool = True) -> None:
        """Make the group and missing parents; one that exists is fine.

        With `limited=False` it exists in v2 only, for life and death: no controllers are enabled for it, no v1
        directories are made.
        """
        try:
            self._make_v2(self.hierarchies.v2_controllers if limited else ())
            if limited:
                for point in self.hierarchies.v1_points:
                    self._make_v1(point)
        except CgroupError:
            raise
        except OSError as error:
            raise CgroupError(f"cannot create control group {self.path}", error.errno or 0) from error

    def create_everywhere(self) -> None:
        """`create`, in the v1 hierarchies without limits, too: a cgroup namespace made by a member ends here in each.

        Otherwise a program with a user namespace could mount the others from their very top, and freeze the machine.
        """
        self.create()
        try:
            for point in self._v1_points():
                self._make_v1(point)
        except OSError as error:
            raise CgroupError(f"cannot create control group {self.path}", error.errno or 0) from error

    def _make_v2(self, controllers: tuple[str, ...]) -> None:
        needed = tuple(c for c in controllers if c not in ON_DEMAND)
        if needed and self.path != "/":
            try:
                self.parent._enable(needed)
            except FileNotFoundError:
                self.parent._make_v2(controllers)
                self.parent._enable(needed)
        try:
            os.mkdir(self.directory)
        except FileExistsError:
            pass
        except FileNotFoundError:
            self.parent._make_v2(controllers)
            os.makedirs(self.directory, exist_ok=True)  # Another process may be making the same.

    def _make_v1(self, point: str) -> None:
        if point == self.hierarchies.v1_controllers.get("cpuset"):
            cpuset.make_v1(point, self.path)
            return
        try:
            os.mkdir(point + self.path)
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(point + self.path, exist_ok=True)

    def _enable(self, controllers: tuple[str, ...]) -> None:
        """Offer v2 controllers to the groups below; FileNotFoundError if this group does not exist.

        Reading first is on purpose: a write that changes nothing still waits for removed groups to go offline.
        """
        control = f"{self.directory}/cgroup.subtree_control"
        enabled = files.read(control).split()
        wanted = tuple(c for c in controllers if c not in enabled)
        if not wanted:
            return
        value = " ".join(f"+{c}" for c in wanted)
        try:
            try:
                files.write(control, value)
            except FileNotFoundError:  # Not offered to this group itself: ask above.
                if self.path == "/":
                    raise
                self.parent._enable(wanted)
                files.write(control, value)
        except CgroupError:
            raise
        except OSError as error:
            raise self._not_enabled(wanted, error) from error

    def _not_enabled(self, wanted: tuple[str, ...], error: OSError) -> CgroupError:
        offered = files.read(f"{self.directory}/cgroup.controllers").split()
        missing = [c for c in wanted if c not in offered]
        what = f"cannot enable the {' and '.join(missing or wanted)} controller below control group {self.path}"
        if missing:
            return CgroupError(f"{what}: it is not delegated to it", hint="a systemd unit needs Delegate=yes")
        if error.errno == errno.EBUSY:
            why = f"processes live in {self.path} itself"
            return CgroupError(f"{what}: {why}", hint="they must move into a group below it first")
        return CgroupError(what, error.errno or 0)

    def apply(self, limits: Limits) -> None:
        """Write what `limits` gives, on a new group or for a resize in place; a failure may leave some of it written.

        Under a parent with limits of its own: raise the parent first, lower it last (v1 refuses the other order for
        the CPU quota).
        """
        if limits.cpuset_cpus is not None:
            self._apply_cpuset(limits.cpuset_cpus)
        if limits.hugetlb:
            self._make_hugetlb()
        for controller in self.hierarchies.v2_controllers:
            for knob in knobs.v2(controller, limits):
                self._set(self.directory, knob)
        for controller, point in self.hierarchies.v1_controllers.items():
            for setting in knobs.v1(controller, limits):
                match setting:
                    case Knob():
                        self._set(point + self.path, setting)
                    case Coupled(first, second):
                        self._set_coupled(point + self.path, first, second)

    def _set_coupled(self, directory: str, first: Knob, second: Knob) -> None:
        try:
            self._set(directory, first)
            self._set(directory, second)
        except CgroupError as error:
            if error.errno != errno.EINVAL:
                raise
            self._set(directory, second)
            self._set(directory, first)

    def _set(self, directory: str, knob: Knob) -> None:
        try:
            files.write(f"{directory}/{knob.file}", knob.value)
        except OSError as error:
            what = f"cannot set {knob.file} of control group {self.path} to {knob.value.strip() or 'nothing'}"
            if not isinstance(error, FileNotFoundError):
                raise CgroupError(what, error.errno or 0) from error
            if not os.path.isdir(directory):
                raise CgroupError(f"{what}: the group does not exist", errno.ENOENT) from error
            if not knob.optional:
                raise CgroupError(
                    f"{what}: the {knob.controller} controller is not enabled there", errno.ENOENT
                ) from error

    def _apply_cpuset(self, cpus: str) -> None:
        if not self.hierarchies.has("cpuset"):
            raise CgroupError(
                f"cannot set the processors of control group {self.path}: no cpuset controller on this machine"
            )
        try:
            if "cpuset" in self.hierarchies.v2_controllers:
                self.parent._enable(("cpuset",))
                cpuset.confine_v2(self.directory, cpus)
                return
            directory = cpuset.make_v1(self.hierarchies.v1_controllers["cpuset"], self.path)
            cpuset.confine_v1(directory, cpus)
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    files.write(f"{directory}/cgroup.procs", str(pid))
        except CgroupError:
            raise
        except OSError as error:
            raise CgroupError(
                f'cannot set the processors of control group {self.path} to "{cpus}"', error.errno or 0
            ) from error

    def _make_hugetlb(self) -> None:
        """Before the first limit on huge pages. On v1, for processes that come later."""
        if "hugetlb" in self.hierarchies.v2_controllers:
            self.parent._enable(("hugetlb",))
        elif "hugetlb" in self.hierarchies.v1_controllers:
            os.makedirs(self.hierarchies.v1_controllers["hugetlb"] + self.path, exist_ok=True)

    def allow_devices(self, rules: tuple[DeviceRule, ...]) -> None:
        """Refuse every process here and below all devices but those of `rules`; a second call can only refuse more.

        Always by v2, which needs Linux 4.15 with CONFIG_CGROUP_BPF: works beside v1 controllers, too.
        """
        if rules == devices.EVERYTHING:
            return
        try:
            group = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                bpf.attach_device_program(group, _device_program(rules))
            except OSError as error:
                # The kernel does not attach one program to a group twice: it takes another one that says the same.
                if error.errno != errno.EINVAL or rules not in _device_programs:
                    raise
                os.close(_device_programs.pop(rules))
                bpf.attach_device_program(group, _device_program(rules))
            finally:
                os.close(group)
        except OSError as error:
            hint = "the kernel needs CONFIG_CGROUP_BPF, and the caller CAP_SYS_ADMIN"
            what = f"cannot limit the devices of control group {self.path}"
            raise CgroupError(what, error.errno or 0, None if error.errno == errno.ENOENT else hint) from error

    # Members

    def add(self, pid: int) -> None:
        """Move a process with all its threads here.

        A new process does better with `open_for_clone` and `v1_task_files`: this takes the kernel's lock on all forks,
        some milliseconds for each hierarchy.
        """
        try:
            files.write(f"{self.directory}/cgroup.procs", str(pid))
            for directory in self._v1_directories():
                with contextlib.suppress(FileNotFoundError):
                    files.write(f"{directory}/cgroup.procs", str(pid))
        except OSError as error:
            raise CgroupError(f"cannot move process {pid} into control group {self.path}", error.errno or 0) from error

    def open_for_clone(self) -> int:
        """A descriptor of the v2 group for clone3(2) with CLONE_INTO_CGROUP; close-on-exec."""
        try:
            return os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise CgroupError(f"cannot open control group {self.path}", error.errno or 0) from error

    def v1_task_files(self) -> tuple[str, ...]:
        """Where a process writes "0" to put its calling thread into the v1 groups; empty on pure v2.

        `tasks`, not cgroup.procs: for the calling thread alone the kernel skips the lock on all forks (0.1 ms instead
        of 4 to 8 ms). For a process that has one thread, as a newborn child has, both mean the same.
        """
        return tuple(f"{d}/tasks" for d in self._v1_directories() if os.path.isdir(d))

    def _v1_directories(self) -> tuple[str, ...]:
        return tuple(point + self.path for point in self._v1_points())

    def _v1_points(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.hierarchies.v1_controllers.values(), *self.hierarchies.v1_bystanders)))

    def pids(self, *, tree: bool = False) -> list[int]:
        """The processes in this group, with `tree` also those below. Never signal these numbers: see `kill`."""
        found: list[int] = []
        for directory in trees.walk(self.directory) if tree else (self.directory,):
            with contextlib.suppress(OSError):  # Gone, or threaded (EOPNOTSUPP): its processes are listed above.
                found.extend(int(pid) for pid in files.read(f"{directory}/cgroup.procs").split())
        return found

    def populated(self) -> bool:
        """Whether a process lives here or below. A zombie does not count, and neither does a missing group."""
        try:
            return files.keyed(files.read(f"{self.directory}/cgroup.events"))["populated"] == 1
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return False
            raise CgroupError(f"cannot read cgroup.events of control group {self.path}", error.errno or 0) from error

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing lives here or below; False after `timeout` seconds."""
        return events.wait_for(self.directory, "populated", 0, timeout)

    # Life and death

    def freeze(self, timeout: float = 10.0) -> None:
        """Stop all processes here and below; CgroupError if one (in disk sleep?) runs on after `timeout` seconds."""
        self._write_v2("cgroup.freeze", "1")
        if not events.wait_for(self.directory, "frozen", 1, timeout):
            raise CgroupError(f"cannot freeze control group {self.path}: a process did not stop within {timeout:g} s")

    def thaw(self) -> None:
        self._write_v2("cgroup.freeze", "0")

    def kill(self) -> None:
        """SIGKILL for every process here and below, forks in flight included, frozen ones too. A missing group is fine.

        Does not wait: see `wait_empty`. Kernels before 5.14 have no cgroup.kill, there signals do it.
        """
        try:
            self._write_v2("cgroup.kill", "1")
        except CgroupError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            if self.exists():
                self.kill_by_signals()
        self._thaw_v1()

    def _thaw_v1(self) -> None:
        """What a program has frozen by the v1 freezer heeds no signal before; a killed one does nothing afterwards."""
        for point in self.hierarchies.v1_bystanders:
            if os.path.exists(f"{point}{self.path}/freezer.state"):
                for directory in trees.walk(point + self.path):
                    with contextlib.suppress(OSError):
                        files.write(f"{directory}/freezer.state", "THAWED")

    def kill_by_signals(self, timeout: float = 10.0) -> None:
        """`kill` without cgroup.kill: signals, again and again while frozen, so that no fork gets away."""
        deadline = time.monotonic() + timeout
        self._write_v2("cgroup.freeze", "1")
        try:
            while pids := self.pids(tree=True):
                self._signal_members(pids, signal.SIGKILL)
                if time.monotonic() > deadline:
                    raise CgroupError(f"cannot kill control group {self.path}: processes {pids[:5]} survive SIGKILL")
                time.sleep(0.001)
        finally:
            self.thaw()

    def _signal_members(self, pids: list[int], number: int) -> None:
        pidfds: dict[int, int] = {}
        try:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    pidfds[pid] = os.pidfd_open(pid)
            # A number read before may be another process by now; one that is still a member while its pidfd is open
            # is not.
            for pid in set(self.pids(tree=True)) & pidfds.keys():
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfds[pid], number)
        finally:
            for descriptor in pidfds.values():
                os.close(descriptor)

    def _write_v2(self, file: str, value: str) -> None:
        try:
            files.write(f"{self.directory}/{file}", value)
        except OSError as error:
            raise CgroupError(
                f"cannot write {value} to {file} of control group {self.path}", error.errno or 0
            ) from error

    def remove(self, timeout: float = 2.0) -> None:
        """Remove the group and all below it, in every hierarchy, deepest first; what is missing is fine.

        Processes must be gone: the kernel needs a moment after the last one, for which EBUSY is retried up to
        `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        for directory in (*self._v1_directories(), self.directory):
            try:
                trees.remove(directory, deadline)
            except OSError as error:
                raise CgroupError(f"cannot remove control group {self.path}: {directory}", error.errno or 0) from error

    # Figures

    def _places(self) -> Places:
        on_v1 = {c: point + self.path for c, point in self.hierarchies.v1_controllers.items()}
        return Places(self.directory, on_v1.get("cpu"), on_v1.get("memory"), on_v1.get("pids"))

    def stats(self) -> Stats:
        """What the group and all below it use."""
        try:
            return self._places().read()
        except OSError as error:
            raise CgroupError(f"cannot read the statistics of control group {self.path}", error.errno or 0) from error

    def bounds(self) -> bounds.Bounds:
        """What the kernel holds it to now; of a group that is gone, nothing."""
        places = self._places()
        return bounds.read(places.v2, places.cpu_v1, places.memory_v1, places.pids_v1)

    def oom_kills(self) -> int:
        """How many processes the OOM killer took here, since the group was made. v1 does not count groups below."""
        try:
            return self._places().oom_kills()
        except OSError as error:
            raise CgroupError(f"cannot read the OOM kills of control group {self.path}", error.errno or 0) from error


_device_programs: dict[tuple[DeviceRule, ...], int] = {}
"""Descriptors by rules. For the kernel to check and compile a program takes as long as to make all directories of a
group, and the containers of a pod seldom differ."""


def _device_program(rules: tuple[DeviceRule, ...]) -> int:
    if rules not in _device_programs:
        _device_programs[rules] = bpf.load_device_program(devices.program(rules))
    return _device_programs[rules]
