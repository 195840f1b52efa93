"""Which unused images go when the disk fills up."""

from __future__ import annotations

import pytest

from podrun.errors import PodrunError
from podrun.kubelet import image_gc, node_settings
from podrun.kubelet.image_gc import ImagePolicy, Record
from podrun.paths import Paths

POLICY = ImagePolicy(high=85, low=80, age=120.0)


@pytest.mark.parametrize(("available", "bytes"), [(160, 0), (150, 50), (40, 160), (0, 200)])
def test_images_go_from_the_high_threshold_down_to_the_low_one(available: int, bytes: int) -> None:
    assert image_gc.to_free(available, 1000, POLICY) == bytes


def test_who_was_used_longest_ago_goes_first_and_neither_used_nor_new_images_go() -> None:
    records = image_gc.renewed({}, ["old", "fresh", "busy", "older"], ["old", "older", "busy"], 10.0)
    records = image_gc.renewed(records, ["old", "fresh", "busy", "older"], ["old", "busy"], 20.0)
    records = image_gc.renewed(records, ["old", "fresh", "busy", "older", "new"], ["busy"], 100.0)
    assert records["old"] == Record(10.0, 20.0)
    assert image_gc.removable(records, ["busy"], 200.0, POLICY) == ["fresh", "older", "old"]
    assert image_gc.renewed(records, ["old"], [], 200.0) == {"old": Record(10.0, 20.0)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_gc_high_threshold": "101"},
        {"image_gc_low_threshold": "90"},
        {"image_gc_low_threshold": "-1"},
        {"minimum_image_ttl_duration": "2"},
    ],
)
def test_thresholds_that_mean_nothing_are_refused(wrong: dict[str, str]) -> None:
    assert node_settings.from_paths(Paths()).images == POLICY
    with pytest.raises(PodrunError, match="cannot use --"):
        node_settings.from_paths(Paths(**wrong))  # type: ignore[arg-type]
