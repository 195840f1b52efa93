"""`podrun api-resources`: the kinds that the server knows."""

from __future__ import annotations

import sys
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli.client import Client
from podrun.cli.columns import Table
from podrun.errors import PodrunError

EXAMPLES = """
# Print the supported API resources
podrun api-resources

# Print them with their verbs
podrun api-resources -o wide

# Print those of one group, and those within namespaces
podrun api-resources --api-group=metrics.k8s.io
podrun api-resources --namespaced=true
"""

HEADER = ("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND")
WIDE = ("VERBS", "CATEGORIES")


@click.command(
    "api-resources",
    cls=shared.Verb,
    examples=EXAMPLES,
    help="Print the supported API resources on the server.",
)
@click.option("-o", "--output", "form", default="", help="Output format. One of: (wide, name).")
@click.option("--no-headers", is_flag=True, help="When using the default output, don't print headers.")
@click.option("--api-group", "group", default=None, help="Limit to resources in the specified API group.")
@click.option("--namespaced", default=None, help="true or false: only those within namespaces, or outside of them.")
@click.option("--verbs", multiple=True, help="Limit to resources that support the specified verbs.")
@click.pass_obj
def command(
    session: shared.Session,
    form: str,
    no_headers: bool,
    group: str | None,
    namespaced: str | None,
    verbs: tuple[str, ...],
) -> None:
    if form not in ("", "wide", "name"):
        raise PodrunError(f'--output {form} is not available: it is "wide" or "name"')
    wanted = {verb for word in verbs for verb in word.split(",") if verb}
    chosen = [
        one
        for one in known(session.client)
        if (group is None or one["group"] == group)
        and (namespaced is None or one["namespaced"] is (namespaced == "true"))
        and wanted <= set(one["verbs"])
    ]
    if form == "name":
        lines = [f"{one['name']}.{one['group']}" if one["group"] else one["name"] for one in chosen]
    else:
        rows = [_row(one, wide=form == "wide") for one in chosen]
        lines = Table().rows(([] if no_headers else [[*HEADER, *(WIDE if form == "wide" else ())]]) + rows)
    sys.stdout.write("".join(line + "\n" for line in lines))


def known(client: Client) -> list[dict[str, Any]]:
    """Every resource of every group, subresources left out, each with its `group` and `groupVersion`."""
    paths = ["/api/v1"]
    for group in client.get("/apis").get("groups") or []:
        paths.append(f"/apis/{group['preferredVersion']['groupVersion']}")
    found = []
    for path in paths:
        listed = client.get(path)
        version = listed["groupVersion"]
        group = version.partition("/")[0] if "/" in version else ""
        for one in listed.get("resources") or []:
            if "/" not in one["name"]:
                found.append({**one, "group": group, "groupVersion": version})
    return sorted(found, key=lambda one: (one["group"], one["name"]))


def _row(one: dict[str, Any], *, wide: bool) -> list[str]:
    row = [
        one["name"],
        ",".join(one.get("shortNames") or []),
        one["groupVersion"],
        str(one["namespaced"]).lower(),
        one["kind"],
    ]
    if wide:
        row += [",".join(one["verbs"]), ",".join(one.get("categories") or [])]
    return row
