"""Laying out the fork server's memory so that a shim unshares few pages of it.

A shim is a fork: each page that it writes to becomes its own. CPython writes to whatever it uses, since references are
counted in the objects; and what shims use lies scattered among what they never do. So the code of the functions that
every shim runs is copied to lie together, and the holes that imports have left are filled, for else a shim's new
objects would go there, one to a page. Nothing here changes what a program does.
"""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType

_POOL = 16 << 10  # bytes that CPython's allocator gives to objects of one size (Objects/obmalloc.c)
_POOL_HEADER = 48
_LARGEST = 512  # bytes; what is larger comes from malloc
_MOST = 2000  # objects of one size: a limit for an allocator that works otherwise


def lay_out(common: Mapping[str, str]) -> list[object]:
    """Once, after all imports and before the first fork. The caller keeps what is returned, or the holes are back.

    `common` has the names of functions (`__code__.co_qualname`, with blanks between) by module.
    """
    kept = [*_fillings()]
    kept += _moved(common)
    sys._clear_type_cache()  # a shim that puts something in the place of an entry writes to the name that was there
    kept += _fillings()
    return kept


def functions(everything: Iterable[object]) -> dict[str, dict[str, list[FunctionType]]]:
    """By module and `co_qualname`, which several may share: generated methods, closures."""
    found: dict[str, dict[str, list[FunctionType]]] = defaultdict(lambda: defaultdict(list))
    for each in everything:
        if type(each) is FunctionType:
            spec = each.__globals__.get("__spec__")  # of the program itself __name__ is "__main__"
            module = spec.name if spec is not None else each.__module__
            found[module][each.__code__.co_qualname].append(each)
    return found


def _moved(common: Mapping[str, str]) -> Iterator[CodeType]:
    """The code as it was, of which nothing is used any more."""
    gc.unfreeze()
    known = functions(gc.get_objects())
    copies: dict[int, CodeType] = {}
    for module, names in common.items():
        for name in names.split():
            for function in known[module][name]:
                old = function.__code__
                if id(old) not in copies:
                    copies[id(old)] = _copy(old)
                    yield old
                function.__code__ = copies[id(old)]


def _copy(code: CodeType) -> CodeType:
    return code.replace(co_consts=tuple(_copy(each) if type(each) is CodeType else each for each in code.co_consts))


def _fillings() -> Iterator[object]:
    """Objects of each size in all pools that have room, until one comes from a pool of its own."""
    overhead = sys.getsizeof(b"")
    for size in range(16, _LARGEST + 1, 16):
        for number in range(_MOST):
            filling = object() if size == 16 else (1 << 30) + number if size == 32 else bytes(size - overhead)
            if id(filling) % _POOL == _POOL_HEADER:
                break
            yield filling
