"""Names, labels, paths and numbers: the rules that many fields share, in Kubernetes' words.

The `*_problems` functions give details without a path; the others give whole field errors.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from podrun.api import field_errors
from podrun.api.field_errors import FieldError

Errors = Iterator[FieldError]
Problems = Callable[[str], list[str]]

LARGEST_ID = 2**31 - 1
ANNOTATIONS_LIMIT = 256 * 1024
NOT_NEGATIVE = "must be greater than or equal to 0"
FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
IMMUTABLE = "field is immutable"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_UNDERSCORE = r"[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?(\.[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?)*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"


def _matches(expression: str, text: str) -> bool:
    return re.fullmatch(expression, text) is not None


def _expected(words: str, expression: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{words} (e.g. {shown}regex used for validation is '{expression}')"


def _length_problems(text: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(text.encode()) > limit else []


def label_problems(text: str) -> list[str]:
    """A DNS label (RFC 1123): names of containers, volumes, namespaces, hosts."""
    problems = _length_problems(text, 63)
    if not _matches(_LABEL, text):
        words = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
        dots = _matches(_SUBDOMAIN, text)
        problems.append("must not contain dots" if dots else _expected(words, _LABEL, "my-name", "123-abc"))
    return problems


def subdomain_problems(text: str) -> list[str]:
    """A DNS subdomain (RFC 1123): names of pods, nodes and most other objects."""
    words = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character"
    )
    problems = _length_problems(text, 253)
    return problems if _matches(_SUBDOMAIN, text) else [*problems, _expected(words, _SUBDOMAIN, "example.com")]


def search_domain_problems(text: str) -> list[str]:
    """A DNS search domain: a subdomain that may have underscores, `.` alone, or a dot at the end."""
    if text == ".":
        return []
    words = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', "
        "and must start and end with an alphanumeric character"
    )
    text = text.removesuffix(".")
    problems = _length_problems(text, 253)
    good = _matches(_SUBDOMAIN_UNDERSCORE, text)
    return problems if good else [*problems, _expected(words, _SUBDOMAIN_UNDERSCORE, "example.com")]


def qualified_name_problems(text: str) -> list[str]:
    """A key of a label or annotation: `name` or `prefix/name`."""
    words = (
        "must consist of alphanumeric characters, '-', '_' or '.', "
        "and must start and end with an alphanumeric character"
    )
    examples = ("MyName", "my.name", "123-abc")
    parts = text.split("/")
    if len(parts) > 2:
        rule = _expected(f"a qualified name {words}", _QUALIFIED, *examples)
        return [f"{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems = []
    if len(parts) == 2:
        details = subdomain_problems(parts[0]) if parts[0] else ["must be non-empty"]
        problems += [f"prefix part {detail}" for detail in details]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {detail}" for detail in _length_problems(name, 63)]
    if not _matches(_QUALIFIED, name):
        problems.append(_expected(f"name part {words}", _QUALIFIED, *examples))
    return problems


def label_value_problems(text: str) -> list[str]:
    words = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
        "and must start and end with an alphanumeric character"
    )
    problems = _length_problems(text, 63)
    if not _matches(_LABEL_VALUE, text):
        problems.append(_expected(words, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return problems


def environment_name_problems(text: str) -> list[str]:
    """Since v1.32: any printable ASCII but `=`."""
    good = text.isascii() and text.isprintable() and "=" not in text
    words = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return [] if good else [words]


def config_key_problems(text: str) -> list[str]:
    """A key of a ConfigMap or Secret, which is a file name in a volume."""
    words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    problems = _length_problems(text, 253)
    if not _matches(_CONFIG_KEY, text):
        problems.append(_expected(words, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text in (".", ".."):
        problems.append(f"must not be '{text}'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def header_problems(text: str) -> list[str]:
    words = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [] if _matches(_HEADER, text) else [_expected(words, _HEADER, "X-Header-Name")]


def port_name_problems(text: str) -> list[str]:
    """An IANA service name (RFC 6335)."""
    problems = _length_problems(text, 15)
    if not _matches("[-a-z0-9]+", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return problems


def check(path: str, text: str, problems: Problems) -> Errors:
    """A text against one of the rules above."""
    for problem in problems(text):
        yield field_errors.invalid(path, text, problem)


def check_required(path: str, text: str, problems: Problems) -> Errors:
    """The same for a text that must be there."""
    yield from check(path, text, problems) if text else (field_errors.required(path),)


def check_choice(path: str, text: str, choices: Iterable[str]) -> Errors:
    """A text that must be there and be one of a few words."""
    if not text:
        yield field_errors.required(path)
    elif text not in choices:
        yield field_errors.not_supported(path, text, choices)


def check_range(path: str, number: int, lowest: int, highest: int) -> Errors:
    if not lowest <= number <= highest:
        yield field_errors.invalid(path, number, f"must be between {lowest} and {highest}, inclusive")


def check_port(path: str, port: int) -> Errors:
    yield from check_range(path, port, 1, 65535)


def check_id(path: str, number: int | None) -> Errors:
    """A user or group id, if there is one."""
    if number is not None:
        yield from check_range(path, number, 0, LARGEST_ID)


def check_mode(path: str, mode: int | None) -> Errors:
    if mode is not None and not 0 <= mode <= 0o777:
        yield field_errors.invalid(path, mode, FILE_MODE)


def check_not_negative(path: str, number: int) -> Errors:
    if number < 0:
        yield field_errors.invalid(path, number, NOT_NEGATIVE)


def check_ip(path: str, text: str) -> Errors:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield field_errors.invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def check_no_backsteps(path: str, text: str) -> Errors:
    if ".." in text.split("/"):
        yield field_errors.invalid(path, text, "must not contain '..'")


def check_descending(path: str, text: str) -> Errors:
    """A path that stays below where it starts."""
    if text.startswith("/"):
        yield field_errors.invalid(path, text, "must be a relative path")
    yield from check_no_backsteps(path, text)


def check_file_path(path: str, text: str) -> Errors:
    """A descending path that also keeps clear of the names that atomic updates of a volume use."""
    yield from check_descending(path, text)
    if text.startswith("..") and not text.startswith("../"):
        yield field_errors.invalid(path, text, "must not start with '..'")


def check_labels(path: str, labels: Mapping[str, str]) -> Errors:
    for key, value in labels.items():
        yield from check(path, key, qualified_name_problems)
        yield from check(path, value, label_value_problems)


def check_annotations(path: str, annotations: Mapping[str, str]) -> Errors:
    total = 0
    for key, value in annotations.items():
        for problem in qualified_name_problems(key.lower()):
            yield field_errors.invalid(path, key, problem)
        total += len(key.encode()) + len(value.encode())
    if total > ANNOTATIONS_LIMIT:
        yield field_errors.too_long(path, ANNOTATIONS_LIMIT)
