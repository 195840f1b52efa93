"""Directories that are removed by several at once: when all are through, nothing is left."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from podrun.image import snapshots
from podrun.kubelet import log_links, trees


def at_once(*works: Callable[[], object]) -> None:
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_pod_goes_while_runs_of_it_are_forgotten(tmp_path: Path) -> None:
    for number in range(5):
        pod = tmp_path / str(number) / "pod"
        for name in ("a", "b", "c"):
            for place in range(15):
                (pod / "containers" / name / "0" / "upper" / f"{place}" / "deeper").mkdir(parents=True)
        forgetting = [lambda pod=pod, name=name: snapshots.remove(pod, name, 0) for name in ("a", "b", "c")]
        at_once(lambda pod=pod: trees.remove_shaped(pod), *forgetting)  # type: ignore[misc]
        assert not list((tmp_path / str(number)).iterdir())


def test_what_is_set_aside_is_out_of_the_way_and_goes_later_however_it_is_shaped(tmp_path: Path) -> None:
    pod = tmp_path / "pod"
    deep = pod
    for _ in range(300):
        deep /= "d"
        for name in ("empty", "full", "0", "1", os.fsdecode(b"\xff\x1b[31m\n")):
            (deep / name).mkdir(parents=True)
        (deep / "full" / "link").symlink_to(tmp_path)
        (deep / "full" / "file").touch()
    aside = trees.set_aside(pod)
    assert aside is not None
    assert list(tmp_path.iterdir()) == [aside]
    pod.mkdir()
    (aside / "1" / "2").mkdir(parents=True)  # as an interrupted removal leaves it
    trees.remove_set_aside(aside)
    assert list(tmp_path.iterdir()) == [pod]
    trees.remove_set_aside(aside)
    trees.remove_shaped(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == [pod]


def test_a_log_goes_while_it_is_compressed_and_links_go_beside_those_of_others(tmp_path: Path) -> None:
    logs, links = [tmp_path / "pods" / name for name in ("one", "two")], tmp_path / "containers"
    for number in range(8):
        for pod in logs:
            (pod / "main").mkdir(parents=True)
            for run in range(20):
                (pod / "main" / f"{run}.log").touch()
                log_links.link(tmp_path, f"{pod.name}-{run}.log", pod / "main" / f"{run}.log")
        at_once(*(lambda pod=pod: log_links.remove(tmp_path, pod) for pod in logs))  # type: ignore[misc]
        assert not list(links.iterdir()), number
        at_once(*(lambda: trees.remove_own(logs[0]) for _ in range(3)), lambda: trees.remove_own(logs[1]))
        assert not list((tmp_path / "pods").iterdir()), number
