"""The layout of the fork server's memory: code that is moved does what it did, and the list of it is up to date."""

from __future__ import annotations

import gc
import sys
from types import CodeType

from podrun.shim import common_code, density, fork_server, wire

OWN = ("podrun", "cgroups", "pause")


def counter(start: int, step: int = 2) -> object:
    total = start

    def count(*more: int) -> list[int]:
        nonlocal total
        total += step
        return [total + each for each in more]

    return count


def test_moved_code_does_the_same() -> None:
    count = counter(1)
    before = count.__code__  # type: ignore[attr-defined]
    gc.freeze()
    kept = density.lay_out({__name__: "counter counter.<locals>.count absent", "absent": "absent"})
    assert before in kept
    assert count.__code__ is not before  # type: ignore[attr-defined]
    assert count(0, 10) == [3, 13]  # type: ignore[operator]
    assert counter(5, step=1)(0) == [6]  # type: ignore[operator]


def test_the_list_names_what_there_is() -> None:
    wire.warm_up()
    assert fork_server.__name__ in sys.modules
    missing, number = [], 0
    known = density.functions(gc.get_objects())
    nested = {module: {name for f in found for name in within(found[f][0].__code__)} for module, found in known.items()}
    for module, names in common_code.COMMON_CODE.items():
        for name in names.split() if module.startswith(OWN) else ():
            number += 1
            if name not in nested.get(module, ()):
                missing.append(f"{module}: {name}")
    assert number > 100
    assert len(missing) < number / 10, f"run `python -m bench.common_code`: it is not there any more, {missing}"


def within(code: CodeType) -> list[str]:
    inner = [name for each in code.co_consts if isinstance(each, CodeType) for name in within(each)]
    return [code.co_qualname, *inner]
