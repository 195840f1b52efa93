"""What a hostile image tries before its program even runs. Each test shows that an honest one does run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pod import manifests, pods
from tests.pod.instance import Instance

MakeImage = Callable[..., str]


@pytest.fixture
def make_image(node: Instance, roots: Path, tmp_path: Path) -> MakeImage:
    """An image like the witness's, after `change` has had its root, with these options of `image import`."""

    def make(name: str, change: Callable[[Path], object] = lambda root: None, *options: str) -> str:
        root = tmp_path / name
        subprocess.run(["cp", "-a", roots / "witness", root], check=True)
        change(root)
        node.run("image", "import", root, f"{name}:1", *options)
        return f"{name}:1"

    return make


def container(image: str, *words: str, **fields: object) -> manifests.Json:
    command = {"command": ["/witness", *words]} if words else {}
    return {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent"} | command | fields


def identity(path: Path) -> tuple[int, ...]:
    """All of stat(2) but the time of the last access."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_uid, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def ended(node: Instance, name: str, spec: manifests.Json) -> manifests.Json:
    """How a pod of this one container ended."""
    node.submit(manifests.pod(name, spec, restartPolicy="Never"))
    return pods.terminated(node.wait_for(name, pods.has_ended, "to have ended"))


def with_interpreter(root: Path) -> None:
    """Our own interpreter's libraries, so that it works in there, too, and an entrypoint that has it run."""
    interpreter = Path(sys.executable).resolve()
    listed = subprocess.run(["ldd", str(interpreter)], capture_output=True, text=True, check=True).stdout
    library = Path(f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}/encodings")
    for path in (*map(Path, re.findall(r"(/\S+) \(", listed)), *library.glob("*.py")):
        copy = root / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (root / "attack").write_text(
        "#!/proc/self/exe -IS\nimport posix\n"
        "fd = posix.open('/proc/self/exe', posix.O_RDONLY)\nposix.set_inheritable(fd, True)\n"
        "it = f'/proc/self/fd/{fd}'\n"
        "posix.execv('/witness', ['witness', 'readlink', it, 'then', 'flags', it, 'then', 'chmod', it, '0777',\n"
        "  'then', 'open', it, 'w'])\n"
    )
    (root / "attack").chmod(0o755)


def test_an_entrypoint_that_is_our_interpreter_cannot_change_it(node: Instance, make_image: MakeImage) -> None:
    """CVE-2019-5736, with all capabilities, short of privileged."""
    interpreter = Path(sys.executable).resolve()
    before = identity(interpreter)
    image = make_image("interpreter", with_interpreter, "--entrypoint", "/attack")
    capable = container(image, securityContext={"capabilities": {"add": ["ALL"]}})
    assert ended(node, "interpreter", capable)["exitCode"] == 0
    refused = ("open: Read-only file system", "open: Text file busy")
    said = node.logs("interpreter")[-4:]  # behind what the interpreter misses
    assert said[:3] == [str(interpreter), "read-only", "chmod: Read-only file system"]
    assert said[3] in refused
    assert identity(interpreter) == before


def test_a_hostile_config_of_an_image_is_an_error_and_no_way_out(node: Instance, make_image: MakeImage) -> None:
    wrong = {
        "--user": ("../../root", "4294967295", "0:-1", "root:x:y", "nobody-knows"),
        "--workdir": ("/proc/self/fd/9", "/proc/1/root", "/proc/self/cwd/../.."),
        "--entrypoint": ("/proc/self/exe/..", "/absent", "/etc", ""),
    }
    for option, values in wrong.items():
        for index, value in enumerate(values):
            name = f"wrong-{option.strip('-')}-{index}"
            image = make_image(name, lambda root: None, option, value)
            words = () if option == "--entrypoint" else ("exit", "0")
            state = ended(node, name, container(image, *words))
            assert (state["reason"], state["exitCode"]) == ("StartError", 128), (option, value, state)
    climbing = make_image("climbing", lambda root: None, "--workdir", "/../../../..", "--env", "LD_PRELOAD=/evil.so")
    state = ended(node, "climbing", container(climbing, "self", "then", "ls", "/"))
    assert state["exitCode"] == 0, "control"
    said = node.logs("climbing")
    assert " cwd=/ " in said[0]
    assert "witness" in said


def test_links_in_an_image_lead_nowhere_outside(node: Instance, make_image: MakeImage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0::/:/bin/sh\nevil:x:0:0::/:/bin/sh\n")

    def passwd(root: Path) -> None:
        (root / "etc" / "passwd").symlink_to(secret)

    def etc(root: Path) -> None:
        (root / "etc").rmdir()
        (root / "etc").symlink_to("/proc/self/root/../../" + "../" * 20 + str(tmp_path).lstrip("/"))

    def proc(root: Path) -> None:
        (root / "proc").rmdir()
        (root / "proc").symlink_to("/tmp")

    state = ended(node, "passwd", container(make_image("passwd", passwd, "--user", "evil"), "ids"))
    assert state["reason"] == "StartError"
    assert "unable to find user evil" in state["message"]
    ended(node, "etc", container(make_image("etc", etc), "ids"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["secret"]
    state = ended(node, "proc", container(make_image("proc", proc), "ids"))
    assert "cannot mount on /proc: in this image it is no plain directory" in state["message"]
    honest = make_image(
        "honest", lambda root: (root / "etc" / "passwd").write_text("good:x:7:8::/:/x\n"), "--user", "good"
    )
    assert ended(node, "honest", container(honest, "ids"))["exitCode"] == 0
    assert node.logs("honest") == ["uid=7 euid=7 gid=8 egid=8 groups=8"]
