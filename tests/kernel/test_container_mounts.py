"""What a container sees mounted, and that no image and no volume leads a mount to any other place."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_stage import Failed, Stage, make_image, scratch_pod

from podrun.container import defaults
from podrun.container.plan import Bind, Dev, Identity, Mount, Proc, Propagation, Root, Tmpfs


@pytest.fixture
def pod() -> Iterator[Stage]:
    with scratch_pod() as stage:
        stage.make_sandbox()
        yield stage


@pytest.fixture
def volume(pod: Stage) -> Path:
    directory = pod.directory / "volume"
    directory.mkdir()
    (directory / "inside").write_text("in the volume\n")
    return directory


def mount_table(pod: Stage, *mounts: Mount) -> dict[str, tuple[str, str]]:
    """Mount point -> (options of the mount, file system type)."""
    rows = [line.split() for line in pod.run("mounts", mounts=mounts).lines]
    return {row[4]: (row[5].removesuffix(",relatime"), row[row.index("-") + 1]) for row in rows}


def failure(pod: Stage, *argv: str, mounts: tuple[Mount, ...] = (), **changed: object) -> Failed:
    plan = pod.plan(*argv, mounts=mounts, **changed)
    with pytest.raises(Failed) as caught:
        pod.start(plan)
    pod.wait(f"c{plan.attempt}")
    return caught.value


# What is there


def test_the_standard_mounts_have_the_usual_options(pod: Stage) -> None:
    table = mount_table(pod)
    safe = "nosuid,nodev,noexec"
    assert table["/"] == ("rw", "overlay")
    assert table["/proc"] == (f"rw,{safe}", "proc")
    assert table["/sys"] == (f"ro,{safe}", "sysfs")
    assert table["/dev"] == ("rw,nosuid", "tmpfs")
    assert table["/dev/pts"] == ("rw,nosuid,noexec", "devpts")
    assert table["/dev/shm"] == (f"rw,{safe}", "tmpfs")
    assert table["/dev/mqueue"] == (f"rw,{safe}", "mqueue")
    assert table["/sys/fs/cgroup"][0] == f"ro,{safe}"
    for path in filter(os.path.exists, defaults.READONLY_PATHS):
        assert table[path] == (f"ro,{safe}", "proc")
    assert not [path for path in table if path.startswith(("/tmp", "/run", "/var"))]


def test_the_containers_own_group_is_all_that_it_sees_of_cgroups(pod: Stage) -> None:
    group = pod.group.hierarchies
    place = "/sys/fs/cgroup" if group.mode == "v2" else "/sys/fs/cgroup/unified"
    lines = pod.run("cat", f"{place}/cgroup.procs", "then", "mkdir", f"{place}/x", "then", "mkdir", "/sys/x").lines
    assert lines == ["1", "mkdir: Read-only file system", "mkdir: Read-only file system"]
    if group.mode == "hybrid":
        names = pod.run("ls", "/sys/fs/cgroup").lines
        assert {"memory", "pids", "unified"} <= set(names)
        tasks = [f"/sys/fs/cgroup/{name}/tasks" for name in names if name not in ("unified", "cpuset")]
        assert pod.run(*" then ".join(f"cat {task}" for task in tasks).split()).lines == ["1"] * len(tasks)


def test_devices_are_the_standard_ones(pod: Stage) -> None:
    names = ("null", "zero", "full", "random", "urandom", "tty")
    assert pod.run("ls", "/dev").lines == sorted(
        (*names, "core", "fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout")
    )
    lines = pod.run(*" then ".join(f"stat /dev/{name}" for name in names).split()).lines
    assert [line.split()[-1] for line in lines] == ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]
    assert {" ".join(line.split()[:3]) for line in lines} == {"char 0666 0:0"}
    seen = pod.run("readlink", "/dev/ptmx", "then", "readlink", "/dev/fd", "then", "stat", "/dev/pts/ptmx").lines
    assert seen[:2] == ["pts/ptmx", "/proc/self/fd"]
    assert seen[2].startswith("char 0666")


def test_masked_paths_are_empty_and_cannot_be_changed(pod: Stage) -> None:
    masked = [path for path in defaults.MASKED_PATHS if Path(path).exists()]
    assert masked
    for path in masked:
        if Path(path).is_dir():
            assert pod.run("ls", path).output == ""
            assert pod.run("mkdir", f"{path}/x").output == "mkdir: Read-only file system\n"
        else:
            changed, status = pod.run("cat", path, "then", "chmod", path, "0", "then", "stat", path).lines
            assert changed == "chmod: Read-only file system"
            assert status.startswith("char 0666")
    assert os.stat("/dev/null").st_mode & 0o777 == 0o666


def test_read_only_paths_cannot_be_written(pod: Stage) -> None:
    paths = ("/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger")
    for path in filter(os.path.exists, paths):
        assert pod.run("open", path, "w").output == "open: Read-only file system\n"


def test_the_pods_shared_memory_is_shared_and_bounded(pod: Stage) -> None:
    pod.run("write", "/dev/shm/note", "from the first")
    assert pod.run("cat", "/dev/shm/note").output == "from the first\n"
    assert pod.run("stat", "/dev/shm").output.startswith("dir 1777")
    sized = [line for line in pod.run("mounts").lines if " /dev/shm " in line]
    assert "size=65536k" in sized[0]
    assert not os.path.ismount(pod.directory / "shm"), "nothing appears on the machine"


def test_each_run_writes_to_its_own_upper_directory(pod: Stage) -> None:
    pod.run("write", "/etc/note", "x")
    assert not (pod.image / "etc" / "note").exists()
    assert (pod.directory / "attempt1" / "upper" / "etc" / "note").read_text() == "x\n"
    assert pod.run("cat", "/etc/note").output == "cat: No such file or directory\n"


def test_a_read_only_root_leaves_volumes_and_dev_writable(pod: Stage, volume: Path) -> None:
    plan = pod.plan(
        "mkdir", "/x", "then", "mkdir", "/data/x", "then", "mkdir", "/dev/x", mounts=(Bind(str(volume), "/data"),)
    )
    name = pod.start(dataclasses.replace(plan, root=dataclasses.replace(plan.root, readonly=True)))
    assert pod.wait(name).lines == ["mkdir: Read-only file system", "made", "made"]


def test_127_layers_make_one_root(pod: Stage) -> None:
    layers = []
    for number in range(126):
        layer = pod.image.parent / f"{number:026}"
        layer.mkdir()
        (layer / "top").write_text(f"{number}\n")
        layers.append(layer.name)
    plan = pod.plan("cat", "/top")
    root = dataclasses.replace(plan.root, layers=(*layers, "image"))
    assert pod.wait(pod.start(dataclasses.replace(plan, root=root))).output == "0\n"
    plan = pod.plan("cat", "/top")
    root = dataclasses.replace(plan.root, layers=(*layers, *(f"../layers/{layer}" for layer in layers), "image"))
    with pytest.raises(Failed, match="253 layers do not fit in one page"):
        pod.start(dataclasses.replace(plan, root=root))
    pod.wait(f"c{plan.attempt}")


# Volumes


def test_a_directory_and_a_file_are_bound_where_nothing_was(pod: Stage, volume: Path) -> None:
    mounts = (Bind(str(volume), "/data/deep"), Bind(str(volume / "inside"), "/etc/new/file", readonly=True))
    ended = pod.run(
        "cat", "/data/deep/inside", "then", "cat", "/etc/new/file", "then", "open", "/etc/new/file", "w", mounts=mounts
    )
    assert ended.lines == ["in the volume", "in the volume", "open: Read-only file system"]


def test_a_subpath_stays_in_its_volume(pod: Stage, volume: Path) -> None:
    (volume / "sub").mkdir()
    (volume / "sub" / "file").write_text("sub\n")
    (volume / "short").symlink_to("sub")
    (volume / "out").symlink_to("/etc")
    (volume / "up").symlink_to("../layers")
    for subpath in ("sub", "short"):
        assert pod.run("cat", "/data/file", mounts=(Bind(str(volume), "/data", subpath=subpath),)).output == "sub\n"
    pod.run("write", "/data/note", "x", mounts=(Bind(str(volume), "/data", subpath="new/one"),))
    assert (volume / "new" / "one" / "note").exists()
    for subpath in ("out", "up", "..", "/etc"):
        told = failure(pod, "ids", mounts=(Bind(str(volume), "/data", subpath=subpath),))
        assert (told.step, told.errno) == ("build root", errno.EXDEV)
        assert "leads out of the volume" in told.message


def test_propagation_is_as_planned(pod: Stage, volume: Path) -> None:
    mounts = tuple(Bind(str(volume), f"/{kind.value}", propagation=kind) for kind in Propagation)
    rows = {line.split()[4]: line for line in pod.run("mounts", mounts=mounts).lines}
    assert not re.search(r"shared:|master:", rows["/private"])
    assert "shared:" not in rows["/slave"]
    assert "shared:" in rows["/shared"]


def test_what_the_machine_mounted_later_is_found(pod: Stage, volume: Path) -> None:
    """The machine's mounts need not propagate to the shim's namespace: the sources are opened in the machine's own."""
    (volume / "late").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "late", str(volume / "late")], check=True)
    try:
        (volume / "late" / "file").write_text("late\n")
        mounts = (
            Bind(str(volume / "late"), "/one"),
            Bind(str(volume), "/two"),
            Bind(str(volume), "/three", recursive=False),
        )
        paths = ("/one/file", "/two/late/file", "/three/late/file")
        lines = pod.run(*" then ".join(f"cat {path}" for path in paths).split(), mounts=mounts).lines
        assert lines == ["late", "late", "cat: No such file or directory"]
    finally:
        subprocess.run(["umount", str(volume / "late")], check=True)


def test_a_missing_source_is_named(pod: Stage) -> None:
    told = failure(pod, "ids", mounts=(Bind("/nowhere/at/all", "/data"),))
    assert (told.step, told.errno) == ("build root", errno.ENOENT)
    assert "/nowhere/at/all" in told.message
    assert "/data" in told.message


def test_a_tmpfs_has_its_options(pod: Stage) -> None:
    table = mount_table(pod, Tmpfs("/scratch", "mode=1777,size=4m"), Tmpfs("/frozen", readonly=True))
    assert table["/scratch"] == ("rw,nosuid,nodev", "tmpfs")
    assert table["/frozen"] == ("ro,nosuid,nodev", "tmpfs")


# Hostile images and volumes


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_system_directory_that_is_none_is_refused(pod: Stage, name: str, kind: str) -> None:
    (pod.image / name).rmdir()
    if kind == "link":
        (pod.image / name).symlink_to("/tmp")
    else:
        (pod.image / name).write_text("")
    told = failure(pod, "ids")
    assert told.step == "build root"
    assert told.message == f"cannot mount on /{name}: in this image it is no plain directory"


def test_links_in_the_image_lead_to_places_in_the_image(pod: Stage, volume: Path) -> None:
    outside = pod.directory / "outside"
    outside.mkdir()
    (pod.image / "absolute").symlink_to(outside)
    (pod.image / "climbing").symlink_to("../../../../../.." + str(outside))
    (pod.image / "root").symlink_to("/")
    (pod.image / outside.relative_to("/")).mkdir(parents=True)
    mounts = tuple(Bind(str(volume), f"/{name}/data") for name in ("absolute", "climbing", "root"))
    paths = (f"{outside}/data", "/data", "/absolute/data", "/climbing/data")
    ended = pod.run(*" then ".join(f"cat {path}/inside" for path in paths).split(), mounts=mounts)
    assert ended.lines == ["in the volume"] * 4
    assert list(outside.iterdir()) == []


def test_etc_as_a_link_to_the_root_is_harmless(pod: Stage, volume: Path) -> None:
    shutil.rmtree(pod.image / "etc")
    (pod.image / "etc").symlink_to("/")
    before = os.stat("/hosts") if Path("/hosts").exists() else None
    assert pod.run("cat", "/hosts", mounts=(Bind(str(volume / "inside"), "/etc/hosts"),)).output == "in the volume\n"
    assert (os.stat("/hosts") if Path("/hosts").exists() else None) == before


def test_a_dangling_link_to_a_file_is_filled_in_the_image(pod: Stage, volume: Path) -> None:
    (pod.image / "etc" / "resolv.conf").symlink_to("../run/deep/stub.conf")
    (pod.image / "etc" / "loop").symlink_to("loop")
    mounts = (Bind(str(volume / "inside"), "/etc/resolv.conf"),)
    assert pod.run("cat", "/run/deep/stub.conf", mounts=mounts).output == "in the volume\n"
    assert failure(pod, "ids", mounts=(Bind(str(volume / "inside"), "/etc/loop"),)).errno == errno.ELOOP


def test_a_target_in_a_shared_volume_that_became_a_link_stays_in_the_container(pod: Stage, volume: Path) -> None:
    outside = pod.directory / "outside"
    (outside / "victim").mkdir(parents=True)
    (pod.image / outside.relative_to("/")).mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    mounts = (Bind(str(volume), "/data"), Bind(str(volume), "/data/link/victim"))
    assert pod.run("cat", f"{outside}/victim/inside", mounts=mounts).output == "in the volume\n"
    assert list((outside / "victim").iterdir()) == []


def test_nothing_is_mounted_inside_of_proc(pod: Stage, volume: Path) -> None:
    (volume / "link").symlink_to("/proc")
    for target in ("/data/link", "/proc", "/proc/sys", "/data/link/sys/kernel"):
        told = failure(pod, "ids", mounts=(Bind(str(volume), "/data"), Bind(str(volume), target)))
        assert told.message == f"cannot mount on {target}: it lies inside of /proc"
    mounts = (Bind(str(volume / "inside"), "/proc/uptime"),)
    assert pod.run("cat", "/proc/uptime", mounts=mounts).output == "in the volume\n"


def test_a_directory_and_a_file_are_not_mounted_on_each_other(pod: Stage, volume: Path) -> None:
    (volume / "file").touch()
    told = failure(pod, "self", mounts=(Bind(str(volume), "/etc/passwd"),))
    assert told.message == "cannot mount a directory on /etc/passwd: a file is in the way"
    told = failure(pod, "self", mounts=(Bind(str(volume / "file"), "/etc"),))
    assert told.message == "cannot mount a file on /etc: a directory is there"


@pytest.mark.parametrize("target", ["/", "/self", "/etc/.."])
def test_nothing_covers_the_root(pod: Stage, volume: Path, target: str) -> None:
    (pod.image / "self").symlink_to("/")
    told = failure(pod, "ids", mounts=(Bind(str(volume), target),))
    assert told.message == f"cannot mount on {target}: it is the root of the container"


def test_a_working_directory_cannot_be_a_descriptor(pod: Stage) -> None:
    for cwd in (*(f"/proc/self/fd/{number}" for number in range(3, 12)), "/proc/self/cwd", "/proc/1/root"):
        told = failure(pod, "self", cwd=cwd)
        assert told.step == "enter working directory"
        assert told.errno in (errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM)


def test_a_fifo_or_a_huge_file_as_passwd_does_not_hang_a_start(pod: Stage) -> None:
    (pod.image / "etc" / "passwd").unlink()
    os.mkfifo(pod.image / "etc" / "passwd")
    assert pod.run("ids").code == 0
    (pod.image / "etc" / "passwd").unlink()
    (pod.image / "etc" / "passwd").write_bytes(b"")
    os.truncate(pod.image / "etc" / "passwd", 1 << 40)
    assert failure(pod, "ids", identity=Identity(user="web")).errno == errno.EFBIG


def test_an_image_without_a_dev_still_gets_an_input_that_ends(pod: Stage) -> None:
    mounts = tuple(item for item in defaults.standard_mounts() if isinstance(item, Proc))
    (pod.image / "dev" / "null").write_text("not a device")
    plan = dataclasses.replace(pod.plan("stdin", "then", "echo", "over"), mounts=mounts)
    assert pod.wait(pod.start(plan)).output == "over\n"


def test_an_image_that_runs_our_interpreter_cannot_write_to_it(pod: Stage) -> None:
    """The attack of CVE-2019-5736: an entrypoint that is /proc/self/exe, kept open over an exec, opened for writing."""
    interpreter = Path(sys.executable).resolve()
    listed = subprocess.run(["ldd", str(interpreter)], capture_output=True, text=True, check=True).stdout
    library = Path(f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/encodings")
    for path in (*map(Path, re.findall(r"(/\S+) \(", listed)), *library.glob("*.py")):
        copy = pod.image / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (pod.image / "bin" / "attack").write_text(
        "#!/proc/self/exe -IS\nimport posix\n"
        "fd = posix.open('/proc/self/exe', posix.O_RDONLY)\nposix.set_inheritable(fd, True)\n"
        "posix.execv('/bin/witness', ['witness', 'readlink', f'/proc/self/fd/{fd}',\n"
        "  'then', 'flags', f'/proc/self/fd/{fd}', 'then', 'open', f'/proc/self/fd/{fd}', 'w'])\n"
    )
    (pod.image / "bin" / "attack").chmod(0o755)
    for who in (Identity(capabilities=defaults.DEFAULT_CAPABILITIES), Identity(capabilities=(1 << 41) - 1)):
        lines = pod.run(argv=("/bin/attack",), identity=who).lines
        assert lines[-3:-1] == [str(interpreter), "read-only"]
        assert lines[-1] in ("open: Read-only file system", "open: Text file busy")  # busy: the tests run on it, too


def test_a_missing_system_directory_is_made(pod: Stage) -> None:
    other = pod.directory / "layers" / "other"
    make_image(other)
    (other / "dev").rmdir()
    plan = pod.plan("ls", "/dev/pts")
    root = Root(plan.root.layers_dir, ("other",), plan.root.upper, plan.root.work)
    assert pod.wait(pod.start(dataclasses.replace(plan, root=root, mounts=(Dev(),)))).lines == ["ptmx"]
