"""`podrun top pod|node`: processor and memory, as kubectl's metrics show them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import resources, sorting
from podrun.cli.client import Client, path_of
from podrun.cli.columns import Table
from podrun.cli.failures import StatusFailure
from podrun.errors import PodrunError

POD_EXAMPLES = """
# Show metrics for all pods in the default namespace, or for one with its containers
podrun top pod
podrun top pod web --containers

# Show metrics for the pods with a label, those that take most first
podrun top pod -l app=web --sort-by=memory
"""
NODE_EXAMPLES = """
# Show metrics for this machine
podrun top node
"""
METRICS = "/apis/metrics.k8s.io/v1beta1"
SORTS = ("", "cpu", "memory")

Json = dict[str, Any]
Used = tuple[float, float]
"""Cores and bytes."""


@click.command(
    "pod",
    cls=shared.Verb,
    synopsis="[NAME | -l label] [options]",
    examples=POD_EXAMPLES,
    help="Display resource (CPU/memory) usage of pods.",
)
@click.argument("names", nargs=-1)
@click.option("-A", "--all-namespaces", is_flag=True, help="The pods of all namespaces.")
@click.option("--containers", "each", is_flag=True, help="If present, print usage of containers within a pod.")
@click.option("--sum", "summed", is_flag=True, help="Print the sum of the resource usage.")
@click.option("--sort-by", default="", help="If non-empty, sort by cpu or memory.")
@click.option("--no-headers", is_flag=True, help="If present, print output without headers.")
@click.option("--field-selector", default="", help="Selector (field query), supports '=', '==', and '!='.")
@shared.selector_option
@shared.namespace_option
@click.pass_obj
def pod(
    session: shared.Session,
    names: tuple[str, ...],
    all_namespaces: bool,
    each: bool,
    summed: bool,
    sort_by: str,
    no_headers: bool,
    field_selector: str,
    selector: str,
    namespace: str | None,
) -> None:
    _check(names, selector, sort_by)
    where = None if all_namespaces else session.namespace_of(namespace)
    query = {"labelSelector": selector, "fieldSelector": field_selector}
    items = _pods(session.client, where, names, query)
    if not items:
        print(f"No resources found{f' in {where} namespace.' if where else ''}", file=sys.stderr)
        return
    found = [(item["metadata"], _sum(item["containers"]), item["containers"]) for item in items]
    found.sort(key=lambda one: (one[0].get("namespace", ""), one[0]["name"]))
    if sort_by:
        found.sort(key=lambda one: -one[1][SORTS.index(sort_by) - 1])
    before = ["NAMESPACE"] if all_namespaces else []
    rows = [] if no_headers else [[*before, *(["POD"] if each else []), "NAME", "CPU(cores)", "MEMORY(bytes)"]]
    for metadata, used, containers in found:
        place = [metadata["namespace"]] if all_namespaces else []
        if each:
            rows += [[*place, metadata["name"], one["name"], *words(_used(one["usage"]))] for one in containers]
        else:
            rows.append([*place, metadata["name"], *words(used)])
    if summed:
        total = (sum(used[0] for _, used, _ in found), sum(used[1] for _, used, _ in found))
        blank = [""] * (len(before) + each)
        rows += [[*blank, "", "________", "________"], [*blank, "", *words(total)]]
    _print(rows)


@click.command(
    "node",
    cls=shared.Verb,
    synopsis="[NAME | -l label] [options]",
    examples=NODE_EXAMPLES,
    help="Display resource (CPU/memory) usage of this machine.",
)
@click.argument("names", nargs=-1)
@click.option("--sort-by", default="", help="If non-empty, sort by cpu or memory.")
@click.option("--no-headers", is_flag=True, help="If present, print output without headers.")
@click.option("--show-capacity", is_flag=True, help="Percentages of what the machine has, not of what pods may have.")
@shared.selector_option
@click.pass_obj
def node(
    session: shared.Session,
    names: tuple[str, ...],
    sort_by: str,
    no_headers: bool,
    show_capacity: bool,
    selector: str,
) -> None:
    _check(names, selector, sort_by)
    client = session.client
    if names:
        items = [client.get(f"{METRICS}{path_of('nodes', names[0])}")]
    else:
        items = client.get(f"{METRICS}/nodes", {"labelSelector": selector}).get("items") or []
    rows = [] if no_headers else [["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]]
    for item in items:
        name = item["metadata"]["name"]
        status = client.get(resources.NODE.path("", name))["status"]
        whole = _used((status.get("capacity") if show_capacity else status.get("allocatable")) or {})
        used = _used(item["usage"])
        cpu, memory = words(used)
        rows.append([name, cpu, _percent(used[0], whole[0]), memory, _percent(used[1], whole[1])])
    _print(rows)


def _check(names: Sequence[str], selector: str, sort_by: str) -> None:
    if len(names) > 1:
        raise PodrunError("only one name may be given")
    if names and selector:
        raise PodrunError("only one of NAME or --selector can be provided")
    if sort_by not in SORTS:
        raise PodrunError("--sort-by accepts only cpu or memory")


def _pods(client: Client, namespace: str | None, names: Sequence[str], query: dict[str, str]) -> list[Json]:
    place = path_of("namespaces", namespace) if namespace else ""
    if not names:
        return list(client.get(f"{METRICS}{place}/pods", query).get("items") or [])
    where = namespace or shared.DEFAULT_NAMESPACE
    try:
        return [client.get(f"{METRICS}{path_of('namespaces', where, 'pods', names[0])}")]
    except StatusFailure as error:
        # A pod that does not run has no metrics; that it is not there at all is better said by its own resource.
        if error.reason == "NotFound":
            client.get(resources.POD.path(where, names[0]))
        raise


def _used(usage: Json) -> Used:
    return sorting.quantity(str(usage.get("cpu", "0"))) or 0.0, sorting.quantity(str(usage.get("memory", "0"))) or 0.0


def _sum(containers: Sequence[Json]) -> Used:
    used = [_used(one["usage"]) for one in containers]
    return sum(one[0] for one in used), sum(one[1] for one in used)


def words(used: Used) -> tuple[str, str]:
    """As kubectl rounds them: whole millicores upwards, whole mebibytes downwards."""
    return f"{-(-round(used[0] * 1e9) // 1_000_000)}m", f"{int(used[1] // (1 << 20))}Mi"


def _percent(used: float, whole: float) -> str:
    return f"{int(used / whole * 100)}%" if whole else "<unknown>"


def _print(rows: Sequence[Sequence[str]]) -> None:
    sys.stdout.write("".join(line.rstrip() + "\n" for line in Table().rows(rows)))


command = shared.Family(
    "top",
    help="Display resource (CPU/memory) usage of pods or of this machine.",
    verbs={
        "node": (node, "Display resource (CPU/memory) usage of this machine"),
        "pod": (pod, "Display resource (CPU/memory) usage of pods"),
    },
    aliases={"pods": "pod", "po": "pod", "nodes": "node", "no": "node"},
)
