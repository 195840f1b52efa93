"""A container's command line and environment: Kubernetes' `$(NAME)` expansion and the order of precedence. Pure.

Rules: third_party/forked/golang/expansion, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from podrun.api import objects
from podrun.errors import PodrunError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known and left where not; `$$` is a dollar sign that begins nothing."""
    pieces: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0 and dollar + 1 < len(text):
        pieces.append(text[position:dollar])
        following = text[dollar + 1]
        if following == "(" and (close := text.find(")", dollar)) >= 0:
            name = text[dollar + 2 : close]
            pieces.append(variables.get(name, f"$({name})"))
            position = close + 1
        elif following == "(":
            pieces.append("$(")
            position = dollar + 2
        else:
            pieces.append("$" if following == "$" else f"${following}")
            position = dollar + 2
    pieces.append(text[position:])
    return "".join(pieces)


def variables_of(env: Iterable[objects.EnvVar]) -> dict[str, str]:
    """The container's own variables, each expanded with those before it."""
    variables: dict[str, str] = {}
    for variable in env:
        variables[variable.name] = expand(variable.value, variables)
    return variables


def whole(image_env: Sequence[str], hostname: str, variables: Mapping[str, str], *, tty: bool) -> tuple[str, ...]:
    """`NAME=value` in the order image, runtime, pod; a later one replaces an earlier one of the same name."""
    merged = {"PATH": DEFAULT_PATH}
    merged |= {"TERM": "xterm"} if tty else {}
    merged["HOSTNAME"] = hostname
    merged |= dict(entry.partition("=")[::2] for entry in image_env)
    merged |= variables
    return tuple(f"{name}={value}" for name, value in merged.items())


def argv_of(
    container: objects.Container, entrypoint: Sequence[str], cmd: Sequence[str], variables: Mapping[str, str]
) -> tuple[str, ...]:
    """What is run: `command` replaces ENTRYPOINT and drops CMD, `args` replace CMD. PodrunError: nothing to run."""
    command = [expand(word, variables) for word in container.command]
    args = [expand(word, variables) for word in container.args]
    argv = (*command, *args) if command else (*entrypoint, *(args or cmd))
    if not argv:
        raise PodrunError("no command specified")
    return argv
