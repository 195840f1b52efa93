"""Who may import whom, which files stay pure, and what starting a command or a shim may not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FREE = {
    "podrun.address",
    "podrun.errors",
    "podrun.paths",
    "podrun",
}  # for all of podrun but linux; `podrun` itself holds the version
BELOW_KUBELET = {
    "api",
    "container",
    "image",
    "linux",
    "network",
    "probe",
    "registry",
    "seccomp",
    "shim",
    "store",
    "volume",
}

# Each package and what of the project it may import.
MAY_IMPORT = {
    "cgroups": set[str](),
    "pause": set[str](),
    "podrun.linux": set[str](),
    "podrun.probe": {"podrun.linux"},
    "podrun.image": {"podrun.linux"},
    "podrun.registry": {"podrun.image", "podrun.linux"},
    "podrun.network": {"podrun.linux"},
    "podrun.volume": {"podrun.linux"},
    "podrun.container": {"podrun.linux", "cgroups", "pause"},
    "podrun.seccomp": {"podrun.linux"},
    "podrun.shim": {"podrun.container", "podrun.linux", "cgroups", "pause"},
    "podrun.api": set[str](),
    "podrun.store": {"podrun.api"},
    "podrun.kubelet": {"cgroups", "pause", *(f"podrun.{name}" for name in BELOW_KUBELET)},
    "podrun.controllers": {"podrun.api", "podrun.kubelet", "podrun.store", "podrun.volume"},
    "podrun.server": {"cgroups", "podrun.controllers", "podrun.kubelet", *(f"podrun.{name}" for name in BELOW_KUBELET)},
    "podrun.cli": set[str](),
}
EXCEPTIONS = {
    ("podrun/cli/kubelet.py", "podrun.server"),
    ("podrun/cli/resetting.py", "podrun.server"),
    ("podrun/cli/run_overrides.py", "podrun.server"),
}  # `podrun kubelet` is the server, loaded by that verb alone; --overrides are patches, by the server's pure rules
ONLY_STANDARD_LIBRARY_AND = {"cgroups": {"prctl"}, "pause": {"prctl"}, "podrun.linux": {"prctl"}}

# Decisions: functions of their arguments, with no clock and no system below them.
PURE = [
    "cgroups/devices.py",
    "cgroups/limits.py",
    "podrun/cli/drawing.py",
    "podrun/cli/jsonpath.py",
    "podrun/cli/namespace_table.py",
    "podrun/cli/pod_tree.py",
    "podrun/cli/process_tree.py",
    "podrun/cli/run_overrides.py",
    "podrun/cli/sorting.py",
    "podrun/cli/taints.py",
    "podrun/container/plan.py",
    "podrun/controllers/binding.py",
    "podrun/controllers/ephemeral_volumes.py",
    "podrun/kubelet/backoff.py",
    "podrun/kubelet/container_life.py",
    "podrun/kubelet/downward.py",
    "podrun/kubelet/environment.py",
    "podrun/kubelet/event_correlation.py",
    "podrun/kubelet/eviction.py",
    "podrun/kubelet/image_gc.py",
    "podrun/kubelet/lives.py",
    "podrun/kubelet/node_match.py",
    "podrun/kubelet/node_settings.py",
    "podrun/kubelet/mount_plan.py",
    "podrun/kubelet/planner.py",
    "podrun/kubelet/outcomes.py",
    "podrun/kubelet/places.py",
    "podrun/kubelet/pod_life.py",
    "podrun/kubelet/pod_match.py",
    "podrun/kubelet/pod_names.py",
    "podrun/kubelet/pod_ports.py",
    "podrun/kubelet/pod_steps.py",
    "podrun/kubelet/volume_files.py",
    "podrun/kubelet/volume_places.py",
    "podrun/kubelet/probe_life.py",
    "podrun/kubelet/references.py",
    "podrun/kubelet/resizing.py",
    "podrun/kubelet/resources.py",
    "podrun/kubelet/security.py",
    "podrun/kubelet/node_policy.py",
    "podrun/kubelet/scheduler.py",
    "podrun/kubelet/security.py",
    "podrun/kubelet/static_manifests.py",
    "podrun/kubelet/status.py",
    "podrun/kubelet/stopping.py",
    "podrun/kubelet/taint_eviction.py",
    "podrun/kubelet/sysctls.py",
    "podrun/seccomp/compact.py",
    "podrun/seccomp/profile.py",
    "podrun/seccomp/stub.py",
    "podrun/api/defaults.py",
    "podrun/api/exposition.py",
    "podrun/api/instruments.py",
    "podrun/api/pod_claims.py",
    "podrun/api/explanations.py",
    "podrun/api/openapi.py",
    "podrun/api/pod_resources.py",
    "podrun/api/protobuf.py",
    "podrun/api/quantity.py",
    "podrun/api/selector.py",
    "podrun/api/validate.py",
    "podrun/image/choice.py",
    "podrun/registry/credentials.py",
    "podrun/registry/messages.py",
    "podrun/registry/skopeo.py",
    "podrun/server/channels.py",
    "podrun/server/json_patch.py",
    "podrun/server/spdy.py",
    "podrun/server/log_frames.py",
]
IMPURE = {"os", "socket", "asyncio", "time", "subprocess", "random", "secrets", "threading", "shutil", "select"}

HEAVY = {"asyncio", "sqlite3", "aiohttp", "msgspec", "pyroute2"}


def sources() -> list[Path]:
    return sorted(path for top in ("podrun", "cgroups", "pause") for path in (PROJECT / top).rglob("*.py"))


def package_of(name: str) -> str:
    """`podrun.linux` for `podrun.linux.mount.bind`, `cgroups` for `cgroups.group`."""
    words = name.split(".")
    return ".".join(words[:2]) if words[0] == "podrun" else words[0]


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports, at its top or anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom(level=level) if level > 0:
                yield "a relative import"


def project_imports(path: Path) -> set[str]:
    """Packages of the project that a file imports. `from podrun import x` counts as podrun.x only where that exists."""
    found = set()
    for name in imports(path):
        package = package_of(name)
        if package.split(".")[0] in ("podrun", "cgroups", "pause"):
            place = PROJECT / package.replace(".", "/")
            found.add(package if place.is_dir() or place.with_suffix(".py").exists() else package.split(".")[0])
    return found


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {package_of(path.relative_to(PROJECT).parent.as_posix().replace("/", ".")) for path in sources()}
    assert packages - {"podrun"} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    if package not in ONLY_STANDARD_LIBRARY_AND:
        allowed |= FREE
    offences = []
    for path in (PROJECT / package.replace(".", "/")).rglob("*.py"):
        name = path.relative_to(PROJECT).as_posix()
        wrong = {other for other in project_imports(path) - allowed if (name, other) not in EXCEPTIONS}
        offences += [f"{name} imports {other}" for other in sorted(wrong)]
    assert offences == []


@pytest.mark.parametrize("package", sorted(ONLY_STANDARD_LIBRARY_AND))
def test_the_lowest_packages_need_little_beside_the_standard_library(package: str) -> None:
    allowed = sys.stdlib_module_names | ONLY_STANDARD_LIBRARY_AND[package]
    files = (PROJECT / package.replace(".", "/")).rglob("*.py")
    tops = {name.split(".")[0] for path in files for name in imports(path)}
    assert tops - allowed <= {package.split(".")[0]}


def test_no_import_is_relative() -> None:
    assert [path for path in sources() if "a relative import" in imports(path)] == []


def test_modules_import_each_other_without_a_circle() -> None:
    modules = {module_name(path): path for path in sources()}
    graph = {
        name: {module for found in top_imports(path) if (module := module_of(found, modules))}
        for name, path in modules.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "import circle: " + " → ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def top_imports(path: Path) -> Iterator[str]:
    """What a file imports when it is itself imported: not inside functions, not for type checkers only."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)


def module_of(name: str, modules: dict[str, Path]) -> str | None:
    """The module that an imported name stands for: `podrun.linux.mount` for `podrun.linux.mount.bind`."""
    return next((n for n in (name, name.rpartition(".")[0]) if n in modules and "." in n), None)


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_stays_pure(name: str) -> None:
    assert {module.split(".")[0] for module in imports(PROJECT / name)} & IMPURE == set()


@pytest.mark.parametrize("module", ["podrun.cli.entry", "podrun.cli.main", "podrun.shim.fork_server"])
def test_starting_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) & HEAVY == set()


@pytest.mark.parametrize("verb", ["get", "apply", "exec", "logs", "delete", "wait", "run"])
def test_a_verb_of_every_day_loads_nothing_that_takes_longer_than_itself(verb: str) -> None:
    seldom = ["inspect", "uuid", "gettext", "locale", "pathlib", "socket", "urllib", "ipaddress"]
    start = "from podrun.cli import bare_click; bare_click.prepare(); from podrun.cli import main"
    code = f"{start}; main.podrun.get_command(None, {verb!r}); print([m for m in {seldom} if m in sys.modules])"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.append({str(PROJECT)!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_libseccomp_is_the_kubelets_alone() -> None:
    code = "import sys, podrun.shim.fork_server; print([name for name in sys.modules if 'libseccomp' in name])"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
