"""The command `podrun`: finds the verb, and is the only place that turns errors into words and an exit code."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import sys
from typing import Any

import click

from podrun.cli import bare_click
from podrun.cli.command import Session, as_click_reads, unknown_command
from podrun.cli.failures import QuietFailureError
from podrun.cli.plain_text import plain
from podrun.errors import PodrunError

INTERRUPTED = 130
BROKEN_PIPE = 141
COMPLETE = "__complete"

SECTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "Basic Commands",
        {
            "apply": "Apply a manifest to the machine, by file name or stdin",
            "create": "Create a resource from a file or from stdin",
            "run": "Run a particular image on this machine",
            "get": "Display one or many resources",
            "edit": "Edit a resource from the default editor",
            "delete": "Delete resources by file names, stdin, names, or label selector",
        },
    ),
    (
        "Advanced Commands",
        {
            "diff": "Diff the live version against a would-be applied version",
            "patch": "Update fields of a resource",
            "replace": "Replace a resource by file name or stdin",
            "wait": "Wait for a specific condition on one or many resources",
            "label": "Update the labels on a resource",
            "annotate": "Update the annotations on a resource",
        },
    ),
    (
        "Troubleshooting and Debugging Commands",
        {
            "describe": "Show details of a specific resource or group of resources",
            "tree": "Draw a pod: containers, processes, namespaces, control groups, mounts",
            "top": "Display resource (CPU/memory) usage",
            "events": "List events",
            "logs": "Print the logs for a container in a pod",
            "attach": "Attach to a running container",
            "exec": "Execute a command in a container",
            "debug": "Create debugging sessions for troubleshooting pods",
            "port-forward": "Forward one or more local ports to a pod",
            "cp": "Copy files and directories to and from containers",
        },
    ),
    (
        "Node Commands",
        {
            "cordon": "Mark node as unschedulable",
            "uncordon": "Mark node as schedulable",
            "taint": "Update the taints on one or more nodes",
        },
    ),
    ("Image Commands", {"image": "Pull, import, load, list, save and remove images"}),
    (
        "Other Commands",
        {
            "api-resources": "Print the supported API resources on the server",
            "explain": "Get documentation for a resource",
            "options": "Print the flags that every command has, and the settings",
            "api-versions": "Print the supported API versions on the server",
            "completion": "Output shell completion code for the specified shell (bash, zsh, fish)",
        },
    ),
    (
        "Machine Commands",
        {
            "kubelet": "Run the kubelet in the foreground",
            "system": "Start, stop, inspect and reset the kubelet of this machine",
            "version": "Print the client and server version information",
        },
    ),
)

HELP = """podrun runs Kubernetes pods on this machine, with no cluster and no Docker.

 Commands, flags and output are kubectl's."""


class Podrun(click.Group):
    """Imports a verb's file when the verb is used, and no sooner."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for _, verbs in SECTIONS for name in verbs]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name != COMPLETE and name not in self.list_commands(ctx):
            return None
        module = "complete" if name == COMPLETE else name.replace("-", "_")
        with bare_click.without_inspect():
            command = importlib.import_module(f"podrun.cli.{module}").command
        gc.freeze()  # what was imported stays: `entry` has let nobody look through it until now
        gc.enable()
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, as_click_reads(self, args[:1]) + args[1:])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            from podrun.cli import unserved

            raise unknown_command(args[0], ctx.command_path, self.list_commands(ctx), unserved.COMMANDS.get(args[0]))
        return args[0], command, args[1:]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        parts = [HELP]
        for title, verbs in SECTIONS:
            parts.append(f"{title}:\n" + "\n".join(f"  {name:<13} {text}" for name, text in verbs.items()))
        parts.append("Usage:\n  podrun [-n NAMESPACE] [--debug] COMMAND [options]")
        parts.append(
            'Use "podrun COMMAND --help" for more information about a given command.\n'
            'Use "podrun options" for a list of global command-line options and of the settings.'
        )
        formatter.write("\n\n".join(parts) + "\n")


@click.command(cls=Podrun, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-n", "--namespace", default=None)
@click.option("--debug", is_flag=True)
@click.pass_context
def podrun(ctx: click.Context, namespace: str | None, debug: bool) -> None:
    ctx.obj = Session(namespace=namespace)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 for any error; of `exec`, the command's own; 130 after Ctrl-C."""
    _open_standard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    # --debug is taken from any place before `--`, as kubectl's global options are.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    debug = "--debug" in arguments[:end]
    arguments = [one for one in arguments[:end] if one != "--debug"] + arguments[end:]
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return _quiet(INTERRUPTED)
    except BrokenPipeError:
        return _quiet(BROKEN_PIPE)
    except Exception as error:
        if debug and not isinstance(error, QuietFailureError):
            raise
        return _report(error)


def _open_standard_streams() -> None:
    """A caller may have closed descriptors 0, 1 or 2: the next socket or file would take the number, and get what is
    printed. As Go's runtime does, they become /dev/null."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _run(arguments: list[str]) -> int:
    try:
        with podrun.make_context("podrun", arguments) as ctx:
            result: Any = podrun.invoke(ctx)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return result if isinstance(result, int) else 0


def _quiet(code: int) -> int:
    """Nothing more is said, not by the interpreter either when it flushes stdout at its end."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return code


def _report(error: Exception) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        return _quiet(1)
    match error:
        case QuietFailureError():
            return error.code
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "podrun"
            _complain(f"error: {_usage_words(error)}\nSee '{path} --help' for usage.")
        case click.ClickException():
            _complain(f"error: {error.format_message()}")
        case PodrunError():
            said = ("Error from server", "The ", "error: ")
            _complain(error.message if error.message.startswith(said) else f"error: {error.message}")
            if error.hint:
                _complain(f"hint: {error.hint}")
        case OSError(errno=errno.ENOSPC | errno.EIO | errno.EDQUOT | errno.EFBIG, filename=None):
            _complain(f"error: write /dev/stdout: {(error.strerror or '').lower()}")
        case UnicodeEncodeError(reason="surrogates not allowed", object=str() as text):
            _complain(f"error: not UTF-8: {os.fsencode(text)!r}")
        case _:
            _complain(f"error: {type(error).__name__}: {error}\nhint: --debug shows where this comes from")
    return 1


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(plain(text), file=sys.stderr)


def _usage_words(error: click.UsageError) -> str:
    """pflag's words for what click found."""
    match error:
        case click.NoSuchOption(option_name=name):
            if name.startswith("--"):
                return f"unknown flag: {name}"
            return f"unknown shorthand flag: '{name[-1]}' in {name}"
        case click.BadOptionUsage(option_name=name) if "requires an argument" in error.message:
            return (
                f"flag needs an argument: {name}"
                if name.startswith("--")
                else f"flag needs an argument: '{name[-1]}' in {name}"
            )
        case click.BadParameter(param=click.Option() as option) if isinstance(option.type, click.types.IntParamType):
            value = error.message.split("'")[1] if "'" in error.message else ""
            return (
                f'invalid argument "{value}" for "{max(option.opts, key=len)}" flag: '
                f'strconv.ParseInt: parsing "{value}": invalid syntax'
            )
        case _:
            return error.format_message().rstrip(".")
