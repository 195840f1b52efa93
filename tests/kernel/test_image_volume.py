"""An image's layers as a volume: all of them, read-only, and nothing else."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest
from container_stage import Failed, Stage, scratch_pod

from podrun.container.plan import ImageTree


@pytest.fixture
def pod() -> Iterator[Stage]:
    with scratch_pod() as stage:
        layers = stage.image.parent
        for name, files in {"low": ("both", "only-low", "sub/deep"), "high": ("both",)}.items():
            for file in files:
                (layers / name / file).parent.mkdir(parents=True, exist_ok=True)
                (layers / name / file).write_text(f"{name}\n")
        (layers / "low" / "out").symlink_to("/etc")
        (layers / "low" / "short").symlink_to("sub")
        stage.make_sandbox()
        yield stage


def tree(pod: Stage, *layers: str, target: str = "/img", subpath: str = "") -> ImageTree:
    return ImageTree(target, str(pod.image.parent), layers, subpath)


def test_all_layers_are_seen_and_none_can_be_changed(pod: Stage) -> None:
    mounts = (tree(pod, "high", "low"), tree(pod, "low", target="/one"))
    words = (
        "cat /img/both then cat /img/only-low then cat /one/both then write /img/x y then write /one/x y then mounts"
    )
    lines = pod.run(*words.split(), mounts=mounts).lines
    assert lines[:3] == ["high", "low", "low"]
    assert lines[3:5] == ["write: Read-only file system"] * 2
    rows = {row[4]: row[5] for row in map(str.split, lines[5:])}
    for path in ("/img", "/one"):
        assert rows[path].startswith("ro,nosuid,nodev,noexec")
    assert len([path for path in rows if "layers" in path]) == 0, "what it was made of stays outside"
    kinds = {row[4]: row[row.index("-") + 1] for row in map(str.split, lines[5:])}
    assert {kinds["/img"], kinds["/one"]} == {"overlay"}, "no inode of a layer, on which a lease would be everybody's"


def test_a_part_of_an_image_is_beneath_it(pod: Stage) -> None:
    for layers in (("high", "low"), ("low",)):
        for part in ("sub", "short"):
            assert pod.run("cat", "/img/deep", mounts=(tree(pod, *layers, subpath=part),)).output == "low\n"
        assert pod.run("cat", "/img", mounts=(tree(pod, *layers, subpath="sub/deep"),)).output == "low\n"
        for part, error in (("out", errno.EXDEV), ("../high", errno.EXDEV), ("absent", errno.ENOENT)):
            plan = pod.plan("ids", mounts=(tree(pod, *layers, subpath=part),))
            with pytest.raises(Failed) as caught:
                pod.start(plan)
            pod.wait(f"c{plan.attempt}")
            assert (caught.value.step, caught.value.errno) == ("build root", error)
