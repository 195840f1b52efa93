"""The command itself: help, wrong words, quiet ends, how little it imports, and how it starts a kubelet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from podrun.cli import columns, command, get, main, starting
from podrun.cli.client import Client, quote
from podrun.errors import PodrunError
from podrun.paths import Paths
from tests.fakes.cli_runs import Cli, pod_table
from tests.fakes.prepared_server import PreparedServer

VERBS = [name for _, verbs in main.SECTIONS for name in verbs]
PODS = "/api/v1/namespaces/default/pods"
HEAVY = {"http.client", "yaml", "msgspec", "asyncio", "aiohttp", "pyroute2", "subprocess", "sqlite3"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(cli: Cli, verb: str) -> None:
    for flag in ("-h", "--help"):
        run = cli(verb, flag)
        assert (run.code, run.err) == (0, "")
        assert f"Usage:\n  podrun {verb}" in run.out


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_are_as_good_as_dev_null(closed: tuple[int, ...]) -> None:
    script = (
        "import os, sys; [os.close(int(one)) for one in sys.argv[1:]]; os.execv(sys.executable, [sys.executable, *%r])"
    )
    command = ["-m", "podrun.cli", "--help"]
    run = subprocess.run(
        [sys.executable, "-c", script % (command,), *map(str, closed)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert ("Basic Commands" in run.stdout) == (1 not in closed)


def test_an_argument_that_is_not_utf_8_is_named(cli: Cli) -> None:
    run = cli("get", "pod", "\udcff")
    assert (run.code, run.err) == (1, "error: not UTF-8: b'\\xff'\n")


def test_podrun_alone_lists_its_verbs(cli: Cli) -> None:
    run = cli()
    assert run.code == 0
    assert run.out == cli("--help").out
    assert all(f"\n  {verb} " in run.out for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gett"], 'error: unknown command "gett" for "podrun"\n\nDid you mean this?\n\tget\n'),
        (["zzz"], 'error: unknown command "zzz" for "podrun"\nSee \'podrun --help\' for usage.\n'),
        (["image", "lss"], 'error: unknown command "lss" for "podrun image"\n\nDid you mean this?\n\tls\n'),
        (["get", "--foo"], "error: unknown flag: --foo\nSee 'podrun get --help' for usage.\n"),
        (["get", "-x"], "error: unknown shorthand flag: 'x' in -x\nSee 'podrun get --help' for usage.\n"),
        (["get", "pods", "-n"], "error: flag needs an argument: 'n' in -n\nSee 'podrun get --help' for usage.\n"),
        (
            ["delete", "pod", "x", "--grace-period=a"],
            'error: invalid argument "a" for "--grace-period" flag: strconv.ParseInt: parsing "a": invalid syntax\n'
            "See 'podrun delete --help' for usage.\n",
        ),
        (
            ["delete", "pod", "x", "--wait=maybe"],
            'error: invalid argument "maybe" for "--wait" flag: strconv.ParseBool: parsing "maybe": invalid syntax\n'
            "See 'podrun delete --help' for usage.\n",
        ),
    ],
)
def test_wrong_words_get_a_short_error_and_a_hint(cli: Cli, arguments: list[str], said: str) -> None:
    run = cli(*arguments)
    assert (run.out, run.err, run.code) == ("", said, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scale", "deploy", "x"], 'error: unknown command "scale" for "podrun"\nhint: podrun runs Pods alone'),
        (["help", "zzz"], 'error: unknown command "zzz" for "podrun"\nSee'),
        (["create", "-f"], "error: flag needs an argument: 'f' in -f\nSee 'podrun create --help' for usage.\n"),
        (
            ["create", "deployment", "x"],
            "error: Unexpected args: [deployment x]\nSee 'podrun create -h' for help and examples\nhint: podrun runs",
        ),
        (["apply", "-f", "x", "--force"], "error: cannot apply with --force: apply deletes nothing\nhint: podrun repl"),
        (["apply", "-f", "x", "--validate=false"], "error: cannot apply with --validate=false: podrun checks every"),
    ],
)
def test_what_kubectl_has_and_podrun_has_not_is_refused_with_a_way_out(
    cli: Cli, arguments: list[str], said: str
) -> None:
    run = cli(*arguments)
    assert (run.out, run.code) == ("", 1)
    assert run.err.startswith(said)


def test_help_is_a_word_too(cli: Cli) -> None:
    assert cli("help").out == cli().out
    assert cli("help", "image", "ls").out == cli("image", "ls", "--help").out


def test_output_that_cannot_be_written_is_said() -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "podrun.cli", "--help"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (run.stderr, run.returncode) == (b"error: write /dev/stdout: no space left on device\n", 1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("2m30s", 150), ("1.5h", 5400), ("300ms", 0.3), ("0", 0), ("0s", 0), ("-1s", -1)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    parameter = click.Option(["--since"])
    assert command.read_duration(click.Context(main.podrun), parameter, text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "--1s", "-", "1s2"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="invalid duration"):
        command.read_duration(click.Context(main.podrun), click.Option(["--since"]), text)


def test_columns_are_as_wide_as_their_neighbours_above_and_below() -> None:
    text = "Name:\tx\nLonger name:\ty\nplain\na:\tb\tc"
    assert columns.aligned(text, padding=2) == "Name:         x\nLonger name:  y\nplain\na:  b  c"


def test_what_is_not_unreserved_is_percent_encoded() -> None:
    assert quote("a-b.c_~/ä=?") == "a-b.c_~%2F%C3%A4%3D%3F"


def test_an_answer_that_is_no_http_is_an_error(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", b"not JSON")
    run = cli("get", "pods")
    assert (run.err, run.code) == ("error: cannot understand the kubelet's answer: it is not JSON\n", 1)


def test_an_error_page_is_shown_as_it_is(server: PreparedServer, cli: Cli) -> None:
    server.answer(f"GET {PODS}", b"Bad Gateway", 502)
    assert cli("get", "pods").err == "Error from server: Bad Gateway\n"


@pytest.mark.parametrize("arguments", [["get", "pods"], ["version"], ["logs", "x"], ["delete", "pod", "x"]])
def test_nothing_slow_is_imported(server: PreparedServer, arguments: list[str]) -> None:
    script = "import sys; from podrun.cli import main; main.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    server.answer(f"GET {PODS}", pod_table(("web", "1/1", "Running", 0, "5s", "")))
    run = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert HEAVY & set(run.stderr.split()) == set()


def test_a_closed_stdout_ends_it_quietly(server: PreparedServer) -> None:
    rows = [(f"pod-{number}", "1/1", "Running", 0, "5s", "") for number in range(5000)]
    server.answer(f"GET {PODS}", pod_table(*rows))
    reading, writing = os.pipe()
    os.close(reading)
    command_line = [sys.executable, "-m", "podrun.cli", "get", "pods"]
    run = subprocess.run(command_line, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (run.stderr, run.returncode) == (b"", main.BROKEN_PIPE)


def test_an_interrupt_ends_it_quietly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Client, "get", interrupted)
    monkeypatch.setattr(main, "_quiet", lambda code: code)
    run = cli("get", "pods")
    assert (run.out, run.err, run.code) == ("", "", main.INTERRUPTED)


def test_who_may_not_ask_is_not_told_that_nothing_runs(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("podrun.cli.client.connect", closed)
    status = cli("system", "status")
    assert (status.out, status.code) == ("", 1)
    assert status.err == "error: cannot reach the kubelet: must be run as root\nhint: use sudo\n"
    assert cli("version").out.startswith("Client Version: v")


def test_status_and_version_never_start_a_kubelet(instance: Paths, cli: Cli) -> None:
    assert cli("system", "status").code == 3
    assert cli("version").out.startswith("Client Version: v")
    assert cli("system", "stop").out == "The kubelet is not running\n"
    assert not instance.root.exists()


def test_a_reset_must_be_forced(instance: Paths, cli: Cli) -> None:
    run = cli("system", "reset")
    assert (run.code, run.err.splitlines()[-1]) == (1, "hint: podrun system reset --force")


def test_only_root_starts_a_kubelet(instance: Paths, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for arguments, doing in ((["get", "pods"], "start the kubelet"), (["kubelet"], "run the kubelet")):
        run = cli(*arguments)
        assert (run.code, run.err) == (1, f"error: cannot {doing}: must be run as root\nhint: use sudo\n")


def test_a_kubelet_sees_the_settings_and_little_else() -> None:
    caller = {
        "PATH": "/bin",
        "SECRET": "x",
        "LC_ALL": "C",
        "PYTHONPATH": "/evil",
        "HTTPS_PROXY": "p",
        "LD_PRELOAD": "y",
    }
    given = starting.environment(Paths(root=Path("/r")), caller)
    assert given == {"PATH": "/bin", "LC_ALL": "C", "HTTPS_PROXY": "p"} | Paths(root=Path("/r")).environment()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("INFO a\nerror: cannot x: y\nhint: z\nINFO b\n", "cannot x: y\nhint: z"),
        ("error: one\nerror: two\n", "two"),
        ("Traceback\n  File\nKeyError: 'x'\n\n", "KeyError: 'x'"),
    ],
)
def test_the_last_error_of_a_log_is_found(log: str, words: str) -> None:
    assert starting.last_error(log) == words


def test_a_kubelet_that_ends_at_once_is_reported_in_its_own_words(
    instance: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = instance.run_dir / "kubelet"
    script.write_text("#!/bin/sh\necho 'error: cannot run the kubelet: no cgroups' >&2\necho 'hint: mount them' >&2\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PodrunError) as raised:
        starting.start(instance)
    assert (raised.value.message, raised.value.hint) == ("cannot start the kubelet: no cgroups", "mount them")


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_a_command_gets_by_without_standard_streams(closed: tuple[int, ...]) -> None:
    close = " ".join(f"{number}>&-" for number in closed)
    script = f'"$@" {close}'
    words = ["sh", "-c", script, "sh", sys.executable, "-m", "podrun.cli", "--help"]
    run = subprocess.run(words, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_what_was_printed_arrives_although_the_command_ends_at_once() -> None:
    run = subprocess.run([sys.executable, "-m", "podrun.cli", "zzz"], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith('error: unknown command "zzz"')


def test_short_options_become_long_ones_and_values_stay_what_they_are() -> None:
    given = ["pods", "-l", "-w", "-w", "-oyaml", "-n=x", "-A"]
    read = ["pods", "--selector", "-w", "--watch", "-oyaml", "-n", "x", "--all-namespaces"]
    assert command.as_click_reads(get.command, given) == read
    assert command.as_click_reads(get.command, ["pods", "-n"]) == ["pods", "-n"]
