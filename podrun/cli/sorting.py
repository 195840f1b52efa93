"""`get --sort-by`: objects in the order of one of their fields (kubectl/pkg/cmd/get/sorter.go). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from podrun.cli import jsonpath
from podrun.errors import PodrunError

T = TypeVar("T")

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d+))?")
_SCALES = {
    **{unit: 10.0 ** (3 * power) for power, unit in zip((-3, -2, -1, *range(1, 7)), "numkMGTPE", strict=True)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)},
}


def by_path(items: Sequence[T], path: str, object_of: Callable[[T], dict[str, Any]]) -> list[T]:
    """Sorted; those without the field come first. PodrunError: no path, a field of no item, or one without an order."""
    template = jsonpath.compile_relaxed(path)
    values = [_value(template, object_of(one)) for one in items]
    plain = "{." + path.strip("{}").lstrip(".") + "}"
    if items and all(value is None for value in values):
        raise PodrunError(f"couldn't find any field with path {json.dumps(plain)} in the list of objects")
    if wrong := next((value for value in values if isinstance(value, dict | list)), None):
        kind = "map[string]interface {}" if isinstance(wrong, dict) else "[]interface {}"
        raise PodrunError(f"cannot sort by {plain}: unsortable type: {kind}")
    order = sorted(range(len(items)), key=lambda index: _key(values[index]))
    return [items[index] for index in order]


def _value(template: jsonpath.Template, item: dict[str, Any]) -> Any:
    try:
        found = template.find(item)
    except jsonpath.JsonPathError as error:
        raise PodrunError(f"cannot sort: {error}") from None
    return found[0][0] if found and found[0] else None


def _key(value: Any) -> tuple[int, float, str]:
    """Nothing, then numbers and quantities by size, then texts."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, float(value), "")
    number = quantity(str(value))
    return (2, 0.0, str(value)) if number is None else (1, number, "")


def quantity(text: str) -> float | None:
    """The size of `100m`, `64Mi`, `1e3`; None: not a quantity."""
    found = _QUANTITY.fullmatch(text)
    if not found:
        return None
    if found[2]:
        return float(found[1]) * float(_SCALES[found[2]])
    return float(f"{found[1]}e{found[3] or 0}")
