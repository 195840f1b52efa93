"""Objects as YAML, laid out as kubectl's: keys sorted, lists not indented, long texts as blocks. Imports PyYAML."""

from __future__ import annotations

from typing import Any

import yaml

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Kubernetes(_Dumper):  # type: ignore[misc]
    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif dumper.resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str":
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Kubernetes.add_representer(str, _text)


def of(value: object) -> str:
    dumped = yaml.dump(
        value, Dumper=_Kubernetes, default_flow_style=False, sort_keys=True, allow_unicode=True, width=1 << 16
    )
    return str(dumped)
