"""Lets click and the verbs be imported without what their seldom parts alone need: half of the time of click's import.

inspect brings ast, dis and tokenize, for the indentation of help texts; uuid brings platform, for a type of parameter
that no verb has; gettext looks for translations into languages that no verb speaks.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class _Inspect(ModuleType):
    """inspect, which is imported when something else than a line of help is asked about."""

    def cleandoc(self, text: str) -> str:
        if "\n" in text:
            cleaned: str = self._real().cleandoc(text)
            return cleaned
        return text.expandtabs().lstrip()

    def signature(self, described: Any, **options: Any) -> Any:
        """Dataclasses without a docstring get one of it when they are made, which nobody here reads."""
        return "" if sys.modules.get("inspect") is self else self._real().signature(described, **options)

    def get_annotations(self, described: type) -> dict[str, Any]:
        """As dataclasses ask from Python 3.12 on."""
        return dict(vars(described).get("__annotations__", {}))

    def unwrap(self, function: Any) -> Any:
        """As dataclasses with slots ask from Python 3.14 on."""
        return self._real().unwrap(function) if hasattr(function, "__wrapped__") else function

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def _real(self) -> ModuleType:
        if sys.modules.get("inspect") is self:
            del sys.modules["inspect"]
        return importlib.import_module("inspect")


class _Uuid(ModuleType):
    """What click's own type of parameter for UUIDs is declared with, and no more."""

    class UUID:
        pass


class _Gettext(ModuleType):
    @staticmethod
    def gettext(text: str) -> str:
        return text

    @staticmethod
    def ngettext(one: str, many: str, count: int) -> str:
        return one if count == 1 else many


def prepare() -> None:
    """Imports click. Afterwards all three can be imported as ever."""
    if "click" not in sys.modules:
        with without_inspect(), _instead(_Uuid("uuid")), _instead(_Gettext("gettext")):
            importlib.import_module("click")


def without_inspect() -> contextlib.AbstractContextManager[None]:
    """What is imported meanwhile, dataclasses for one, gets inspect when it asks for something."""
    return _instead(_Inspect("inspect"))


@contextlib.contextmanager
def _instead(module: ModuleType) -> Iterator[None]:
    """`module` is there under its name, unless the real one is already."""
    if module.__name__ in sys.modules:
        yield
        return
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        if sys.modules.get(module.__name__) is module:
            del sys.modules[module.__name__]
