"""`podrun get`: lists as tables made by the server, or objects in any other form; with -w what changes, too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from podrun.cli import command as shared
from podrun.cli import output, resources
from podrun.cli.client import JSON, TABLE, Client
from podrun.cli.failures import QuietFailureError, StatusFailure
from podrun.cli.resources import Target
from podrun.errors import PodrunError

EXAMPLES = """
# List all pods of the namespace
podrun get pods

# List all pods of all namespaces with their addresses
podrun get pods -A -o wide

# Show one pod as YAML
podrun get pod web -o yaml

# List pods by label, and then every change
podrun get pods -l app=web -w

# Print one field of one pod, or a table of one's own
podrun get pod web -o jsonpath='{.status.podIP}'
podrun get pods -o custom-columns=POD:.metadata.name,IMAGES:.spec.containers[*].image

# List pods and ConfigMaps, or single objects of both kinds
podrun get pods,configmaps
podrun get pod/web cm/settings
"""


@click.command(
    "get",
    cls=shared.Verb,
    synopsis="[(-o|--output=)json|yaml|name|wide|jsonpath|jsonpath-as-json|jsonpath-file|custom-columns|"
    "custom-columns-file] (TYPE[,TYPE ...] [NAME ... | -l label] | TYPE/NAME ... | -f FILENAME) [options]",
    examples=EXAMPLES,
    help="Display one or many resources.",
)
@click.argument("arguments", nargs=-1)
@click.option("-o", "--output", "form", default="", help=f"Output format. One of: ({', '.join(output.FORMS[1:])}).")
@click.option("-w", "--watch", is_flag=True, help="After listing the requested objects, watch for changes.")
@click.option("--watch-only", is_flag=True, help="Watch for changes without listing first.")
@click.option(
    "--output-watch-events",
    is_flag=True,
    help="Output watch event objects when --watch or --watch-only is used. "
    "Existing objects are output as initial ADDED events.",
)
@click.option("-A", "--all-namespaces", is_flag=True, help="List the requested objects across all namespaces.")
@click.option("--no-headers", is_flag=True, help="Don't print headers (default print headers).")
@click.option("--show-labels", is_flag=True, help="Show all labels as the last column.")
@click.option("-L", "--label-columns", multiple=True, help="Labels that are shown as columns, comma separated.")
@click.option("--show-kind", is_flag=True, help="If present, list the resource type for the requested object(s).")
@click.option("--sort-by", default="", help="Sort by this field, a JSONPath such as '{.metadata.name}'.")
@click.option("--raw", default="", help="Raw URI to request from the server.")
@click.option("--chunk-size", type=int, default=500, hidden=True)
@click.option("--template", default="", hidden=True)
@click.option("--show-managed-fields", is_flag=True, hidden=True, expose_value=False)  # there are none to be hidden
@shared.filename_options
@click.option("--field-selector", default="", help="Selector (field query) to filter on, supports '=', '==', and '!='.")
@click.option(
    "--ignore-not-found",
    is_flag=True,
    help="A missing object is no error.",
)
@shared.selector_option
@shared.namespace_option
@click.pass_obj
def command(
    session: shared.Session,
    arguments: tuple[str, ...],
    form: str,
    watch: bool,
    watch_only: bool,
    output_watch_events: bool,
    all_namespaces: bool,
    no_headers: bool,
    show_labels: bool,
    label_columns: tuple[str, ...],
    show_kind: bool,
    sort_by: str,
    raw: str,
    chunk_size: int,
    template: str,
    filenames: tuple[str, ...],
    recursive: bool,
    field_selector: str,
    ignore_not_found: bool,
    selector: str,
    namespace: str | None,
) -> None:
    if raw:
        _raw(session.client, raw)
        return
    form = f"{form}={template}" if template and "=" not in form else form
    if not arguments and not filenames:
        print(f"You must specify the type of resource to get. {resources.SEE_ALL}\n", file=sys.stderr)
        raise PodrunError(
            "Required resource not specified.\n"
            'Use "podrun explain <resource>" for a detailed description of that resource (e.g. podrun explain pods).\n'
            "See 'podrun get -h' for help and examples"
        )
    output.check(form)
    if output_watch_events and not (watch or watch_only):
        raise PodrunError("--output-watch-events option can only be used with --watch or --watch-only")
    if filenames:
        from podrun.cli import selecting

        if arguments or selector or field_selector:
            raise PodrunError("names and selectors can't be given together with -f")
        targets, namespace = selecting.targets_of_files(
            session.client, filenames, recursive=recursive, namespace=session.chosen_namespace(namespace)
        )
    else:
        targets = resources.targets(arguments)
    names = [name for target in targets for name in target.names]
    if names and (selector or field_selector):
        raise PodrunError("name cannot be provided when a selector is specified")
    if names and all_namespaces:
        raise PodrunError("a resource cannot be retrieved by name across all namespaces")
    where = None if all_namespaces else session.namespace_of(namespace)
    request = Request(session.client, where, selector, field_selector, ignore_not_found, sort_by)
    look = output.Look(
        form,
        no_headers=no_headers,
        show_labels=show_labels,
        label_columns=tuple(one for words in label_columns for one in words.split(",") if one),
        namespaces=all_namespaces,
        kinds=show_kind or len(targets) > 1 or arguments[:1] == (resources.ALL,),
        events=output_watch_events,
    )
    if watch or watch_only:
        from podrun.cli import watching

        watching.show(request, targets, look, first=not watch_only)
    elif output.shows_objects(form):
        _objects(request, targets, look)
    else:
        _tables(request, targets, look)


def _raw(client: Client, path: str) -> None:
    if not path.startswith("/"):
        raise PodrunError(f'cannot request "{path}": a path begins with /')
    with client.open("GET", path) as stream:
        while piece := stream.read():
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


class Request:
    """What is asked of the server for each target; a name that is not there is said, and counted in `missing`."""

    def __init__(
        self,
        client: Client,
        namespace: str | None,
        selector: str = "",
        field_selector: str = "",
        ignore_not_found: bool = False,
        sort_by: str = "",
    ) -> None:
        self.client = client
        self.namespace = namespace
        self.query = {"labelSelector": selector, "fieldSelector": field_selector}
        self.sort_by = sort_by
        self._ignore_not_found = ignore_not_found
        self.missing = 0

    def ask(self, target: Target, accept: str) -> list[Any]:
        """One answer for each name; for none, the list."""
        if not target.names:
            query = {**self.query, "includeObject": "Object" if self.sort_by and accept == TABLE else ""}
            return [self.client.get(target.resource.list_path(self.namespace), query, accept=accept)]
        found = []
        for name in target.names:
            path = target.resource.path(self.namespace or shared.DEFAULT_NAMESPACE, name)
            try:
                query = {"includeObject": "Object" if self.sort_by and accept == TABLE else ""}
                found.append(self.client.get(path, query, accept=accept))
            except StatusFailure as error:
                if error.reason != "NotFound":
                    raise
                if not self._ignore_not_found:
                    self.missing += 1
                    sys.stdout.flush()
                    print(error.message, file=sys.stderr)
        return found

    def finish(self) -> None:
        if self.missing:
            sys.stdout.flush()
            raise QuietFailureError


def _objects(request: Request, targets: Sequence[Target], look: output.Look) -> None:
    items: list[dict[str, Any]] = []
    is_list = False
    show = output.object_printer(look.form, no_headers=look.no_headers)
    for target in targets:
        for answer in request.ask(target, JSON):
            if target.names:
                items.append(answer)
            else:
                is_list = True
                items += output.items_of(answer)
    if request.sort_by:
        items = _sorted(items, request.sort_by, lambda one: one)
    if len(items) == 1 and not is_list:
        show(items[0])
    elif items or is_list:
        whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
        show(whole)
    request.finish()


def _tables(request: Request, targets: Sequence[Target], look: output.Look) -> None:
    shown = False
    for target in targets:
        printer = output.TablePrinter(target.resource, look)
        answers = request.ask(target, TABLE)
        columns = answers[0]["columnDefinitions"] if answers else []
        rows = [row for answer in answers for row in answer.get("rows") or []]
        if request.sort_by:
            rows = _sorted(rows, request.sort_by, lambda row: row["object"])
        if rows and shown and look.form != "name":
            print()
        printer.show(columns, rows)
        shown = shown or bool(rows)
    if not shown and not request.missing and not any(target.names for target in targets):
        say_nothing_found(request, targets)
    request.finish()


def _sorted(
    items: list[dict[str, Any]], path: str, object_of: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    from podrun.cli import sorting

    return sorting.by_path(items, path, object_of)


def say_nothing_found(request: Request, targets: Sequence[Target]) -> None:
    sys.stdout.flush()
    where = ""
    if request.namespace is not None and any(target.resource.namespaced for target in targets):
        where = f" in {request.namespace} namespace"
    print(f"No resources found{where}{'.' if where else ''}", file=sys.stderr)
