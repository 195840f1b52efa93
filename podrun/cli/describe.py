"""`podrun describe`: everything about an object, events included, laid out as kubectl does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import describe_claim, describe_config, describe_events, describe_node, describe_pod, resources
from podrun.cli.client import TABLE, Client
from podrun.cli.columns import aligned
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.plain_text import plain
from podrun.cli.resources import (
    CLAIM,
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    Resource,
    Target,
)
from podrun.errors import PodrunError

EXAMPLES = """
# Describe a pod
podrun describe pod web

# Describe pods by label
podrun describe pods -l app=web

# Describe what pod.yaml names
podrun describe -f pod.yaml

# Describe this machine
podrun describe node

# Describe a claim, with the pods that use it
podrun describe pvc data
"""

PADDING = 2

PLAIN: dict[Resource, Callable[[dict[str, Any]], str]] = {
    CONFIG_MAP: describe_config.config_map,
    NAMESPACE: describe_config.namespace,
    POD: describe_pod.text,
    SECRET: describe_config.secret,
    SERVICE_ACCOUNT: describe_config.service_account,
}
"""What is described by the object alone."""

WITHOUT_EVENTS = (NAMESPACE, SECRET)


@click.command(
    "describe",
    cls=shared.Verb,
    synopsis="(-f FILENAME | TYPE [NAME ... | -l label] | TYPE/NAME) [options]",
    examples=EXAMPLES,
    help="Show details of a specific resource or group of resources.",
)
@click.argument("arguments", nargs=-1)
@click.option("-A", "--all-namespaces", is_flag=True, help="Describe the requested objects across all namespaces.")
@click.option("--show-events/--no-show-events", default=True, help="If true, display events related to the object.")
@shared.filename_options
@shared.selector_option
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    all_namespaces: bool,
    show_events: bool,
    filenames: tuple[str, ...],
    recursive: bool,
    selector: str,
    namespace: str | None,
) -> None:
    if filenames:
        from podrun.cli import selecting

        if arguments or selector:
            raise PodrunError(selecting.FILES_AND_ARGUMENTS)
        targets, namespace = selecting.targets_of_files(
            session.client, filenames, recursive=recursive, namespace=session.chosen_namespace(namespace)
        )
    elif not arguments:
        raise PodrunError(f"You must specify the type of resource to describe. {resources.SEE_ALL}")
    else:
        targets = resources.targets(arguments)
    if selector and any(target.names for target in targets):
        raise PodrunError("name cannot be provided when a selector is specified")
    for target in targets:
        if target.resource not in (*PLAIN, NODE, CLAIM):
            raise PodrunError(f"no description has been implemented for {target.resource.kind}")
    client = session.client
    where = None if all_namespaces else session.namespace_of(namespace)
    missing: list[StatusFailure] = []
    found = [pair for target in targets for pair in _found(client, target, where, selector, missing)]
    texts = [_description(client, resource, item, show_events=show_events) for resource, item in found]
    if texts:
        sys.stdout.write("\n\n".join(texts))
        sys.stdout.flush()
    for failure in missing:
        print(failure.message, file=sys.stderr)
    if missing:
        raise QuietFailureError
    if not texts:
        print(f"No resources found{f' in {where} namespace.' if where else ''}", file=sys.stderr)


def _found(
    client: Client, target: Target, namespace: str | None, selector: str, missing: list[StatusFailure]
) -> list[tuple[Resource, dict[str, Any]]]:
    """By name, or by the start of one, as kubectl does it; those that are not there go to `missing`."""
    resource = target.resource
    if not target.names:
        listed = client.get(resource.list_path(namespace), {"labelSelector": selector})
        return [(resource, item) for item in listed.get("items") or []]
    found = []
    for name in target.names:
        try:
            found.append((resource, client.get(resource.path(namespace or shared.DEFAULT_NAMESPACE, name))))
        except StatusFailure as error:
            if error.reason != "NotFound":
                raise
            items = client.get(resource.list_path(namespace)).get("items") or []
            alike = [(resource, item) for item in items if item["metadata"]["name"].startswith(name)]
            found += alike
            if not alike:
                missing.append(error)
    return found


def _description(client: Client, resource: Resource, item: dict[str, Any], *, show_events: bool) -> str:
    events = ""
    if show_events and resource not in WITHOUT_EVENTS:
        events = _events(client, resource, item["metadata"])
    if resource in PLAIN:
        body = PLAIN[resource](item)
    elif resource is CLAIM:
        pods = client.get(POD.list_path(item["metadata"]["namespace"])).get("items") or []
        body = describe_claim.text(item, pods)
    else:
        body = describe_node.text(item, client.get(POD.list_path(None), {"includeObject": "Object"}, accept=TABLE))
    return aligned(plain(body + events), padding=PADDING)


def _events(client: Client, resource: Resource, metadata: dict[str, Any]) -> str:
    query = {"fieldSelector": f"involvedObject.kind={resource.kind},involvedObject.name={metadata['name']}"}
    if resource in (POD, CLAIM):
        query["fieldSelector"] += f",involvedObject.uid={metadata['uid']}"
    table = client.get(EVENT.list_path(metadata.get("namespace")), {**query, "includeObject": "Object"}, accept=TABLE)
    return describe_events.text(table)
