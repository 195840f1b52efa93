"""`podrun tree`: the picture, line for line; strangers' texts; narrow terminals; terminals without Unicode."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from podrun.cli import drawing, pod_tree, tree
from podrun.cli.drawing import Branch, Line, Look, Span
from podrun.cli.process_tree import process_branches
from tests.fakes.cli_runs import Cli
from tests.fakes.prepared_server import PreparedServer

NOW = 1767323165.0  # 2026-01-02T03:06:05Z
PATH = "/podrun/v1/namespaces/default/pods/web/anatomy"
OWN = {"net": 1, "ipc": 2, "uts": 3, "pid": 4, "mnt": 5, "cgroup": 6, "user": 7}
Json = dict[str, Any]


def process(pid: int, inner: int, parent: int, *argv: str, **more: Any) -> Json:
    plain = {"uid": 0, "state": "S", "name": argv[0] if argv else "x", "memory": 4096, "threads": 1}
    return {"pid": pid, "innerPid": inner, "parent": parent, "argv": list(argv), **plain, **more}


def mounted(*paths: str) -> list[Json]:
    return [{"path": path, "fstype": "tmpfs", "readonly": path == "/www", "layers": 0} for path in paths]


def member(number: int, *processes: Json, **more: Any) -> Json:
    """With mnt, pid and cgroup of its own; net, ipc and uts are the pod's."""
    own = {"pid": number, "mnt": number + 1, "cgroup": number + 2}
    return {
        "group": {"path": f"/podrun/pod1/{number}", "cpuUsed": 2500000, "memory": 1 << 20, "pids": 2},
        "namespaces": {"net": 101, "ipc": 102, "uts": 103, **own, "user": OWN["user"]},
        "mounts": [{"path": "/", "fstype": "overlay", "readonly": False, "layers": 3}, *mounted("/proc", "/dev/shm")],
        "moreMounts": 0,
        "processes": list(processes),
        "moreProcesses": 0,
        **more,
    }


def answer() -> Json:
    running = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-02T03:04:05Z"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    web = member(4026532300, process(30, 1, 9, "nginx", "", ""), process(31, 7, 30, "worker", uid=33))
    web["group"] |= {"cpuMost": 500, "cpuWeight": 20, "memoryMost": 4 << 20, "oomKills": 1}
    web["mounts"] += mounted("/www", "/etc/hosts", "/etc/resolv.conf")
    pause = member(4026532100, process(20, 20, 9, "/pause"))
    pause["namespaces"] |= {"pid": OWN["pid"], "cgroup": OWN["cgroup"]}
    return {
        "pod": {
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "initContainers": [
                    {"name": "setup", "image": "busybox:1"},
                    {"name": "log", "image": "busybox:1", "restartPolicy": "Always"},
                ],
                "containers": [
                    {
                        "name": "nginx",
                        "image": "nginx:1",
                        "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP", "name": "http"}],
                        "volumeMounts": [{"name": "pages", "mountPath": "/www/"}],
                    },
                    {"name": "fails", "image": "busybox:1"},
                ],
                "volumes": [{"name": "pages", "configMap": {"name": "pages"}}],
            },
            "status": {
                "phase": "Running",
                "qosClass": "Burstable",
                "startTime": "2026-01-02T03:04:05Z",
                "initContainerStatuses": [
                    {"name": "setup", "state": ended},
                    {"name": "log", "state": running, "ready": True},
                ],
                "containerStatuses": [
                    {"name": "nginx", "state": running, "ready": False, "restartCount": 1},
                    {"name": "fails", "state": waiting, "restartCount": 2},
                ],
            },
        },
        "anatomy": {
            "machine": OWN,
            "group": {"path": "/podrun/pod1", "cpuUsed": 3000000, "memory": 3 << 20, "pids": 5, "pidsMost": 100},
            "shim": 9,
            "pause": pause,
            "containers": {
                "nginx": web,
                "log": member(4026532200, process(40, 1, 9, "tail", "-F"), moreProcesses=3),
            },
            "link": {
                "name": "eth0",
                "addresses": ["10.0.0.2/24", "fd00::2/64"],
                "mtu": 1500,
                "hostEnd": "pr0123456789abc",
                "bridge": "podrun0",
                "gateways": ["10.0.0.1", "fd00::1"],
            },
        },
    }


DRAWN = """\
web  pod in namespace default                             Running · 2m · Burstable
├─ network
│     eth0 10.0.0.2/24 ──── pr0123456789abc ── podrun0 10.0.0.1
│          fd00::2/64  by fd00::1
│     port *:8080 → 80/TCP nginx (http)
├─ cgroup  /podrun/pod1
│     cpu     3.0s used · 5 of 100 tasks
│     memory  3Mi · no limit
├─ namespaces  equal numbers are shared
│             pause         log           nginx
│     net     101 ───────────── ● ─────────── ●
│     ipc     102 ───────────── ● ─────────── ●
│     uts     103 ───────────── ● ─────────── ●
│     pid     4*            4026532200    4026532300
│     mnt     4026532101    4026532201    4026532301
│     cgroup  6*            4026532202    4026532302
│     user    7*─────────────── ● ─────────── ●
│             * the machine's own
├─ ● pause  holds the namespaces that the containers join                host 20
│     its parent, and that of all containers, is the shim, host 9
├─ ✔ setup  init container, busybox:1           Completed · exit code 0 · 2m ago
├─ ● log  sidecar, busybox:1                                  running 2m · ready
│  │  cpu     2.5s used · 2 tasks
│  │  memory  1Mi · no limit
│  │  mounts  /     overlay over 3 layers
│  │          and 2 in /proc /dev
│  ├─ 1 tail -F                                                          host 40
│  └─ … and 3 more processes
├─ ◐ nginx  container, nginx:1                            running 2m · 1 restart
│  │  cpu     2.5s used · at most 500m CPU · weight 20 · 2 tasks
│  │  memory  ██░░░░░░░░ 1Mi of 4Mi · 1 OOM kill
│  │  mounts  /     overlay over 3 layers
│  │          /www  configMap pages, read-only
│  │          /etc  hosts resolv.conf, by podrun
│  │          and 2 in /proc /dev
│  └─ 1 nginx                                                            host 30
│     └─ 7 worker · uid 33                                               host 31
└─ ○ fails  container, busybox:1                   CrashLoopBackOff · 2 restarts
      back-off 10s restarting failed container
"""


def drawn(given: Json, **look: Any) -> str:
    chosen = Look(**look)
    return drawing.draw(pod_tree.tree(given, NOW, width=chosen.width), chosen)


def test_a_pod_is_drawn_with_all_its_parts() -> None:
    assert drawn(answer()) == DRAWN.replace(
        "                             Running", "                           Running", 1
    )


@pytest.mark.parametrize("columns", [40, 66, 80, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_terminal(columns: int, ascii_only: bool) -> None:
    given = answer()
    given["anatomy"]["containers"]["log"]["processes"] = [process(40, 1, 9, "x" * 500), process(41, 2, 40, "名" * 300)]
    text = drawn(given, width=columns, cut=True, ascii=ascii_only)
    assert max(drawing.width(line) for line in text.splitlines()) <= columns
    assert text.isascii() == ascii_only


def test_without_unicode_everything_is_ascii() -> None:
    given = answer()
    given["anatomy"]["containers"]["log"]["processes"] = [process(40, 1, 9, "größe")]
    text = drawn(given, ascii=True)
    assert text.isascii()
    assert "|  |- 1 gr\\xf6\\xdfe" in text
    assert "`- . fails" in text
    assert "|     net     101 ------------- * ----------- *" in text


def test_colours_change_nothing_but_colours() -> None:
    coloured = drawn(answer(), colour=True)
    assert "\x1b[1mweb\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == drawn(answer())


def test_nothing_of_a_stranger_reaches_the_terminal_as_it_is() -> None:
    evil = "a\x1b[2J\nb\u202ec\u0301d\x9be\u2028f"
    given = answer()
    log = given["anatomy"]["containers"]["log"]
    log["processes"] = [process(40, 1, 9, evil, state="T"), process(41, 2, 40, name=evil, state="Z")]
    log["mounts"] += mounted(f"/{evil}", f"/proc/{evil}")
    given["pod"]["status"]["containerStatuses"][1]["state"]["waiting"]["message"] = evil
    text = drawn(given)
    assert "a\\x1b[2J\\nb\\u202ec\\u0301d\\x9be\\u2028f stopped" in text
    assert "[a\\x1b[2J\\nb\\u202ec\\u0301d\\x9be\\u2028f] zombie" in text
    assert "also /a\\x1b[2J" in text
    assert all(one.isprintable() for line in text.split("\n") for one in line)


def test_a_sandbox_without_pause_and_processes_that_went_apart_are_told_of() -> None:
    given = answer()
    given["anatomy"]["containers"]["log"]["processes"] = [
        process(40, 1, 9, "sh"),
        process(41, 2, 40, "x", apart=["net"]),
    ]
    assert "2 x · own net " in drawn(given)
    given["anatomy"] |= {"pause": None, "link": None}
    text = drawn(given)
    assert f"├─ ✘ pause{'does not run'.rjust(70)}" in text
    assert "│     none now" in text
    assert "namespaces" not in text


def test_only_what_the_status_says_is_drawn_of_a_pod_that_does_not_run() -> None:
    given = answer()
    given["anatomy"] = None
    given["pod"]["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}],
    }
    assert drawn(given).splitlines() == [
        f"web  pod in namespace default{'Pending'.rjust(51)}",
        "│  Unschedulable: no node",
        *(
            f"├─ ○ {left}{'waiting'.rjust(75 - len(left))}"
            for left in ("setup  init container, busybox:1", "log  sidecar, busybox:1", "nginx  container, nginx:1")
        ),
        f"└─ ○ {'fails  container, busybox:1'}{'waiting'.rjust(48)}",
    ]


def test_namespaces_that_are_not_side_by_side_are_not_joined_and_many_members_wrap() -> None:
    given = answer()
    given["anatomy"]["containers"]["log"]["namespaces"]["net"] = 999
    lines = drawn(given).splitlines()
    assert "│     net     101           999           101" in lines
    narrow = drawn(given, width=50).splitlines()
    assert "│             pause         log" in narrow
    assert "│             pause         nginx" in narrow
    assert "│     net     101 ───────────── ●" in narrow


def test_many_of_a_kind_are_folded_and_deep_families_end() -> None:
    alike = [process(100 + n, n, 1, "worker") for n in range(2, 42)]
    chain = [process(200 + n, 200 + n, 199 + n, "x") for n in range(60)]
    branches = process_branches([process(1, 1, 0, "main"), *alike, *chain], 0)
    look = Look(width=400)
    text = drawing.draw(Branch(Line((Span("top"),)), (), branches), look)
    assert text.count("worker") == 1
    assert "… 39 more like it" in text
    assert text.count(" x\n") == 60
    assert max(len(line) for line in text.splitlines() if "host" not in line) < 60
    loop = [process(5, 5, 6, "a"), process(6, 6, 5, "b"), process(7, 7, 7, "self")]
    assert len(process_branches(loop, 0)) == 1


@pytest.mark.parametrize(
    ("environment", "was_c", "expected"),
    [
        ({"LANG": "C.UTF-8"}, False, True),
        ({"LC_ALL": "de_DE.utf8@euro", "LANG": "C"}, False, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, True, False),
        ({"LC_CTYPE": "C.UTF-8"}, True, False),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, True, False),
        ({}, False, False),
    ],
)
def test_the_users_locale_says_whether_there_is_unicode(
    environment: dict[str, str], was_c: bool, expected: bool
) -> None:
    assert tree.shows_unicode(environment, "utf-8", was_c=was_c) == expected
    assert not tree.shows_unicode(environment, "iso8859-1", was_c=was_c)


def test_the_command_draws_plain_text_into_a_pipe(
    server: PreparedServer, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    given = copy.deepcopy(answer())
    server.answer(f"GET {PATH}", given)
    run = cli("tree", "pod/web")
    assert run.code == 0
    assert "├─ namespaces" in run.out
    assert "\x1b" not in run.out
    assert "\x1b[1mweb" in cli("tree", "web", "--color=always").out
    assert '"machine": {' in cli("tree", "web", "-o", "json").out
    assert cli("tree", "pod", "web", "-o", "yaml").out.startswith("anatomy:")
    assert cli("tree").err == "error: pod or type/name must be specified\n"
    assert cli("tree", "web", "-o", "xml").code == 1
    assert (
        cli("tree", "web", "--color=red").err
        == 'error: Invalid color value (red). Must be "auto", "always", or "never".\n'
    )
