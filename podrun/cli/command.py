"""What all verbs share: kubectl's way of reading options and of showing help, and where the kubelet is."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from podrun.address import socket_path
from podrun.cli.client import Client
from podrun.cli.failures import UsageError
from podrun.errors import PodrunError

if TYPE_CHECKING:
    from podrun.paths import Paths

DEFAULT_NAMESPACE = "default"

_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Session:
    """One run of the command line: the instance that it is about, and what was said before the verb."""

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace

    @property
    def paths(self) -> Paths:
        from podrun.paths import Paths

        return Paths.from_environment()

    def start_kubelet(self) -> None:
        from podrun.cli import starting

        starting.start(self.paths)

    def chosen_namespace(self, option: str | None) -> str | None:
        """The one that the user insists on, after the verb or before it."""
        return option or self.namespace

    def namespace_of(self, option: str | None) -> str:
        return option or self.namespace or DEFAULT_NAMESPACE

    @property
    def client(self) -> Client:
        """Starts the kubelet where it does not answer."""
        return Client(socket_path(), self.start_kubelet)

    @property
    def passive_client(self) -> Client:
        """Never starts the kubelet."""
        return Client(socket_path())


class Verb(click.Command):
    """A command whose options and help look like kubectl's. `synopsis` follows the command's name under Usage."""

    def __init__(self, *arguments: Any, synopsis: str = "[options]", examples: str = "", **keywords: Any) -> None:
        keywords.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*arguments, **keywords)
        self.synopsis = synopsis
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, as_click_reads(self, args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(help_text(ctx, self, self.synopsis, self.examples))


class OptionalValue(click.Option):
    """An option that may stand without a value, `--dry-run`, and then has `alone`. Its value never stands apart."""

    def __init__(self, *arguments: Any, alone: str, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.alone = alone


def as_click_reads(command: click.Command, args: list[str]) -> list[str]:
    """Go's flags in click's words: `--wait=false` is `--no-wait`, `-o=json` is `-ojson`."""
    optional = {name: one.alone for one in _options(command) if isinstance(one, OptionalValue) for name in one.opts}
    flags = {name: one for one in _options(command) if one.is_flag for name in one.opts}
    valued = {name for one in _options(command) for name in one.opts} - flags.keys() - optional.keys()
    # A short one is looked for among the long ones first, and among names that are like it.
    longer = {one.opts[0]: one.opts[1] for one in _options(command) if [len(name) > 2 for name in one.opts] == [0, 1]}
    end = args.index("--") if "--" in args else len(args)
    read: list[str] = []
    for place, argument in enumerate(args[:end]):
        name, equals, value = argument.partition("=")
        if place and args[place - 1] in valued:
            read.append(argument)
        elif argument in longer and (argument in flags or place + 1 < end):
            read.append(longer[argument])
        elif equals and name in flags and value in _TRUE:
            read.append(name)
        elif equals and name in flags and value in _FALSE:
            read += flags[name].secondary_opts[:1]
        elif argument in optional:
            read.append(f"{argument}={optional[argument]}")
        elif equals and name in flags:
            text = f'invalid argument "{value}" for "{name}" flag: strconv.ParseBool: parsing "{value}": invalid syntax'
            raise click.UsageError(text, ctx=click.get_current_context(silent=True))
        elif equals and len(name) == 2 and name[0] == "-" and name[1].isascii() and name[1].isalpha():
            read += [name, value]
        else:
            read.append(argument)
    return read + args[end:]


def help_text(ctx: click.Context, command: click.Command, synopsis: str, examples: str, more: str = "") -> str:
    parts = [(command.help or "").strip()]
    if examples:
        parts.append("Examples:\n" + "\n".join(f"  {line}".rstrip() for line in examples.strip().splitlines()))
    if more:
        parts.append(more)
    if options := [_option_text(one) for one in _options(command) if not one.hidden]:
        parts.append("Options:\n" + "\n\n".join(options))
    parts.append(f"Usage:\n  {ctx.command_path} {synopsis}")
    return "\n\n".join(parts) + "\n"


def _options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option)]


def _option_text(option: click.Option) -> str:
    default: object = option.default
    if option.is_flag:
        shown = str(default is True).lower()
    elif option.multiple:
        shown = "[]"
    elif isinstance(default, int | float):
        shown = str(default)
    else:
        shown = f"'{default if isinstance(default, str) else ''}'"
    names = sorted(option.opts, key=len)
    indent = "    " if len(names[0]) == 2 else "        "
    return f"{indent}{', '.join(names)}={shown}:\n\t{option.help or ''}"


def namespace_option(command: Decorated) -> Decorated:
    return click.option("-n", "--namespace", default=None, help="The namespace of the request.")(command)


def selector_option(command: Decorated) -> Decorated:
    text = "Selector (label query) to filter on, supports '=', '==', '!='. (e.g. -l key1=value1,key2=value2)"
    return click.option("-l", "--selector", default="", help=text)(command)


def filename_options(command: Decorated) -> Decorated:
    """`-f` (several), `-R`, and `-k`, which is refused."""
    command = click.option("-R", "--recursive", is_flag=True, help="Look into directories inside directories too.")(
        command
    )
    command = click.option("-k", "--kustomize", hidden=True, expose_value=False, callback=_refuse_kustomize)(command)
    text = "A file, a directory, a URL or - (standard input) with manifests."
    return click.option("-f", "--filename", "filenames", multiple=True, help=text)(command)


def _refuse_kustomize(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value:
        raise PodrunError(
            "cannot read a kustomization: podrun has no kustomize", hint=f"kustomize build {value} | podrun ... -f -"
        )


DRY_RUNS = ("none", "client", "server")


def dry_run_option(command: Decorated) -> Decorated:
    """`dry_run`: none, client or server."""
    text = (
        'Must be "none", "server", or "client". With client, only print the object that would be sent; '
        "with server, send it without persisting the resource."
    )
    return click.option(
        "--dry-run", cls=OptionalValue, alone="client", default="none", callback=_read_dry_run, help=text
    )(command)


def _read_dry_run(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if value not in DRY_RUNS:
        raise PodrunError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')
    return value


def output_option(command: Decorated) -> Decorated:
    """`-o` of verbs that change something: name, or the object in any form."""
    text = "Output format. One of: (json, yaml, name, jsonpath, jsonpath-as-json, jsonpath-file)."
    return click.option("-o", "--output", "form", default="", help=text)(command)


def choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Objects by name, file, label or all of a kind: the command gets a `choice` (selecting.Choice)."""

    @functools.wraps(command)
    def with_choice(*, namespace: str | None, **given: Any) -> Any:
        from podrun.cli.selecting import Choice

        session: Session = click.get_current_context().obj
        names = ("arguments", "filenames", "recursive", "selector", "field_selector", "every", "all_namespaces")
        said = {name: given.pop(name) for name in names}
        return command(choice=Choice(namespace=session.chosen_namespace(namespace), **said), **given)

    options = (
        namespace_option,
        click.option("-A", "--all-namespaces", is_flag=True, help="With --all or -l: in all namespaces."),
        click.option("--all", "every", is_flag=True, help="All resources of the type, in the namespace."),
        click.option("--field-selector", default="", help="Selector (field query), supports '=', '==', and '!='."),
        selector_option,
        filename_options,
        click.argument("arguments", nargs=-1),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), options, with_choice)


def timeout_option(default: str, text: str) -> Callable[[Decorated], Decorated]:
    return click.option("--timeout", default=default, callback=read_duration, help=text)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def read_duration(ctx: click.Context, parameter: click.Parameter, value: str) -> float:
    """Seconds of a duration as Go writes it (time.ParseDuration): 5s, 2m30s, 1.5h, -1s, 0."""
    if value == "0":
        return 0.0
    amount = value.removeprefix("-")
    total, rest = 0.0, amount
    while rest or not amount:
        number, rest = _split_after(rest, "0123456789.")
        unit, rest = _split_after(rest, "hmsuµn")
        if number in ("", ".") or number.count(".") > 1 or unit not in _UNITS:
            text = f'invalid argument "{value}" for "--{parameter.name}" flag: time: invalid duration "{value}"'
            raise click.UsageError(text, ctx)
        total += float(number) * _UNITS[unit]
    return total if amount == value else -total


def _split_after(text: str, characters: str) -> tuple[str, str]:
    """The longest start of `text` that is made of `characters`, and what follows."""
    rest = text.lstrip(characters)
    return text[: len(text) - len(rest)], rest


class Family(click.Group):
    """Verbs below a verb: `podrun image ls`. `verbs` holds for each name the command and one line about it."""

    def __init__(
        self,
        name: str,
        *,
        help: str,
        verbs: dict[str, tuple[click.Command, str]],
        aliases: dict[str, str] | None = None,
    ) -> None:
        settings = {"help_option_names": ["-h", "--help"]}
        super().__init__(name, help=help, context_settings=settings, invoke_without_command=True, callback=_show_help)
        self.verbs = verbs
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = self.aliases.get(args[0], args[0])
        if name not in self.verbs:
            raise unknown_command(args[0], ctx.command_path, list(self.verbs))
        return name, self.verbs[name][0], args[1:]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(11, *map(len, self.verbs))
        listed = "\n".join(f"  {name:<{width}} {text}" for name, (_, text) in self.verbs.items())
        more = f'Use "{ctx.command_path} COMMAND --help" for more information about a given command.'
        usage = f"Usage:\n  {ctx.command_path} COMMAND [options]"
        formatter.write(f"{self.help}\n\nAvailable Commands:\n{listed}\n\n{usage}\n\n{more}\n")


class LazyFamily(click.Group):
    """Verbs below a verb that has options of its own: `create -f` and `create configmap`.

    `modules` holds for each name the file in podrun/cli and one line about it; `instead` for names that are none what
    to do instead.
    """

    def __init__(
        self,
        *arguments: Any,
        modules: dict[str, tuple[str, str]],
        aliases: dict[str, str] | None = None,
        instead: dict[str, str] | None = None,
        synopsis: str = "[options]",
        examples: str = "",
        **keywords: Any,
    ) -> None:
        keywords.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        keywords["invoke_without_command"] = True
        super().__init__(*arguments, **keywords)
        self.modules = modules
        self.aliases = aliases or {}
        self.instead = instead or {}
        self.synopsis = synopsis
        self.examples = examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        name = self.aliases.get(name, name)
        if name not in self.modules:
            return None
        command = importlib.import_module(f"podrun.cli.{self.modules[name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, as_click_reads(self, args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            text = f"Unexpected args: {_go_list(args)}\nSee '{ctx.command_path} -h' for help and examples"
            raise UsageError(text, hint=self.instead.get(args[0]))
        return self.aliases.get(args[0], args[0]), command, args[1:]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = "\n".join(f"  {name:<15} {text}" for name, (_, text) in self.modules.items())
        formatter.write(help_text(ctx, self, self.synopsis, self.examples, f"Available Commands:\n{listed}"))


def _go_list(words: Sequence[str]) -> str:
    return f"[{' '.join(words)}]"


@click.pass_context
def _show_help(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def unknown_command(word: str, command_path: str, known: list[str], instead: str | None = None) -> UsageError:
    import difflib

    text = f'unknown command "{word}" for "{command_path}"'
    if instead:
        return UsageError(text, hint=instead)
    if close := [name for name in known if name.startswith(word)] or difflib.get_close_matches(word, known):
        text += "\n\nDid you mean this?\n" + "\n".join(f"\t{name}" for name in close)
    else:
        text += f"\nSee '{command_path} --help' for usage."
    return UsageError(text)
