"""A container's command line and environment: its variables, `$(NAME)` expansion, what comes before what. Pure.

Rules: third_party/forked/golang/expansion, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables). There are no
variables of services, as there are no services.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import downward

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_FILE_KEY = 128  # characters
LARGEST_FILE_VALUE = 32 << 10  # bytes

LONGEST = 1 << 17  # characters; no program can be given a string of as many bytes: MAX_ARG_STRLEN, execve(2)
MOST = 2 << 20  # characters; nor all its arguments and variables together: ARG_MAX with the usual stack


class UnresolvedError(PodrunError):
    """What a variable is taken from is not there, in the kubelet's words."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What variables are taken from besides the pod. The functions give None for what is not there."""

    facts: downward.Facts
    config_map: Callable[[str], objects.ConfigMap | None]
    secret: Callable[[str], objects.Secret | None]
    file_value: Callable[[objects.FileKeySelector], str | None]
    """The value of a key in a volume's file. PodrunError: the file can't be used."""


def variables_of(pod: objects.Pod, container: objects.Container, sources: Sources) -> dict[str, str]:
    """The container's own variables: envFrom first, then env, each expanded with those before it. UnresolvedError."""
    variables: dict[str, str] = {}
    for each in container.env_from:
        variables |= {each.prefix + key: value for key, value in _all_of(each, sources)}
    size = sum(len(name) + len(value) for name, value in variables.items())
    for variable in container.env:
        value = _value(pod, container, variable, variables, sources)
        if value is not None:
            variables[variable.name] = value
            size += len(variable.name) + len(value)
        if size > MOST:
            raise UnresolvedError(f"the environment variables are longer than the {MOST} bytes that a program can have")
    for name, value in variables.items():
        if "\0" in value:
            raise UnresolvedError(f"the environment variable {name} holds a null character")
    return variables


def _all_of(source: objects.EnvFromSource, sources: Sources) -> Iterator[tuple[str, str]]:
    if (reference := source.config_map_ref) is not None:
        config = sources.config_map(reference.name)
        if config is None and not reference.optional:
            raise UnresolvedError(f'configmap "{reference.name}" not found')
        yield from config.data.items() if config else ()
    elif (named := source.secret_ref) is not None:
        secret = sources.secret(named.name)
        if secret is None and not named.optional:
            raise UnresolvedError(f'secret "{named.name}" not found')
        yield from ((key, _text(named.name, key, value)) for key, value in (secret.data if secret else {}).items())


def _value(
    pod: objects.Pod,
    container: objects.Container,
    variable: objects.EnvVar,
    known: Mapping[str, str],
    sources: Sources,
) -> str | None:
    """None: an optional reference leads to nothing, and the variable is not set."""
    source = variable.value_from
    if variable.value or source is None:
        return expand(variable.value, known)
    if source.field_ref is not None:
        return downward.field_text(pod, source.field_ref.field_path, sources.facts)
    if source.resource_field_ref is not None:
        named = source.resource_field_ref.container_name
        other = downward.container_called(pod, named) if named else container
        if other is None:
            raise UnresolvedError(f"container {named} not found")
        return downward.resource_text(pod, other, source.resource_field_ref, sources.facts)
    if source.config_map_key_ref is not None:
        return _of_config_map(pod, source.config_map_key_ref, sources)
    if source.secret_key_ref is not None:
        return _of_secret(pod, source.secret_key_ref, sources)
    if source.file_key_ref is not None:
        return _of_file(source.file_key_ref, sources)
    return ""


def _of_config_map(pod: objects.Pod, key: objects.ConfigMapKeySelector, sources: Sources) -> str | None:
    config = sources.config_map(key.name)
    if config is not None and key.key in config.data:
        return config.data[key.key]
    if key.optional:
        return None
    if config is None:
        raise UnresolvedError(f'configmap "{key.name}" not found')
    raise UnresolvedError(f"couldn't find key {key.key} in ConfigMap {pod.metadata.namespace}/{key.name}")


def _of_secret(pod: objects.Pod, key: objects.SecretKeySelector, sources: Sources) -> str | None:
    secret = sources.secret(key.name)
    if secret is not None and key.key in secret.data:
        return _text(key.name, key.key, secret.data[key.key])
    if key.optional:
        return None
    if secret is None:
        raise UnresolvedError(f'secret "{key.name}" not found')
    raise UnresolvedError(f"couldn't find key {key.key} in Secret {pod.metadata.namespace}/{key.name}")


def _of_file(key: objects.FileKeySelector, sources: Sources) -> str | None:
    if len(key.key) > LONGEST_FILE_KEY:
        raise UnresolvedError(
            f'environment variable key "{key.key}" exceeds maximum length of {LONGEST_FILE_KEY} characters'
        )
    value = sources.file_value(key)
    if not value:
        if key.optional:
            return None
        raise UnresolvedError(f'environment variable key "{key.key}" not found in file "{key.path}"')
    if len(value.encode()) > LARGEST_FILE_VALUE:
        raise UnresolvedError(f'environment variable value for key "{key.key}" exceeds maximum size of 32 KB')
    return value


def _text(secret: str, key: str, encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        raise UnresolvedError(f'key {key} of secret "{secret}" is no text (UTF-8), which variables must be') from None


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known and left where not; `$$` is a dollar sign that begins nothing.

    Of what becomes longer than LONGEST, the rest is left out: values may stand for each other over and over, and the
    kernel will say that it is too long.
    """
    pieces: list[str] = []
    position = size = 0
    last = text.rfind(")")
    while (dollar := text.find("$", position)) >= 0 and dollar + 1 < len(text):
        pieces.append(text[position:dollar])
        following = text[dollar + 1]
        if following == "(" and dollar < last:
            close = text.find(")", dollar)
            name = text[dollar + 2 : close]
            pieces.append(variables.get(name, f"$({name})"))
            size += len(pieces[-1])
            if size > LONGEST:
                return "".join(pieces)[: LONGEST + 1]
            position = close + 1
        elif following == "(":
            pieces.append("$(")
            position = dollar + 2
        else:
            pieces.append("$" if following == "$" else f"${following}")
            position = dollar + 2
    pieces.append(text[position:])
    return "".join(pieces)


def expand_all(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Each of them. PodrunError: together they become longer than MOST."""
    expanded: list[str] = []
    size = 0
    for word in words:
        expanded.append(expand(word, variables))
        size += len(expanded[-1])
        if size > MOST:
            raise PodrunError(f"the command is longer than the {MOST} bytes that a program can be given")
    return expanded


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
    command, args = expand_all(container.command, variables), expand_all(container.args, variables)
    argv = (*command, *args) if command else (*entrypoint, *(args or cmd))
    if not argv:
        raise PodrunError("no command specified")
    return argv
