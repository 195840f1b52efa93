"""`podrun create secret generic|tls|docker-registry`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import click

from podrun.cli import command as shared
from podrun.cli import create, resources, sources
from podrun.errors import PodrunError

GENERIC_EXAMPLES = """
# Create a Secret of a literal value and of a file
podrun create secret generic key --from-literal=user=me --from-file=ssh-key=./id_rsa
"""
TLS_EXAMPLES = """
# Create a Secret of a certificate and its key
podrun create secret tls web --cert=./tls.crt --key=./tls.key
"""
REGISTRY_EXAMPLES = """
# Create a Secret to pull images with
podrun create secret docker-registry pull --docker-server=r.example --docker-username=me --docker-password=word

# Create it of a file that another tool wrote
podrun create secret docker-registry pull --from-file=./config.json
"""
DOCKER_HUB = "https://index.docker.io/v1/"


@click.command(
    "generic",
    cls=shared.Verb,
    synopsis="NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1] [options]",
    examples=GENERIC_EXAMPLES,
    help="Create a Secret based on a file, directory, or specified literal value.",
)
@click.argument("names", nargs=-1)
@click.option("--type", "type_", default="", help="The type of secret to create.")
@click.option("--from-literal", "literals", multiple=True, help="A key and its literal value (key=value).")
@click.option("--from-file", "files", multiple=True, help="A file, a directory, or key=file.")
@click.option("--from-env-file", "env_files", multiple=True, help="A file of lines key=value.")
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def generic(
    session: shared.Session,
    names: tuple[str, ...],
    type_: str,
    literals: tuple[str, ...],
    files: tuple[str, ...],
    env_files: tuple[str, ...],
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    name = create.one_name(names, "secret generic")
    _create(session, name, sources.read("Secret", name, literals, files, env_files), type_, namespace, dry_run, form)


@click.command(
    "tls",
    cls=shared.Verb,
    synopsis="NAME --cert=path/to/cert/file --key=path/to/key/file [options]",
    examples=TLS_EXAMPLES,
    help="Create a TLS Secret from the given public/private key pair, both in PEM.",
)
@click.argument("names", nargs=-1)
@click.option("--cert", default="", help="Path to PEM encoded public key certificate.")
@click.option("--key", default="", help="Path to private key associated with given certificate.")
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def tls(
    session: shared.Session,
    names: tuple[str, ...],
    cert: str,
    key: str,
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    name = create.one_name(names, "secret tls")
    if not cert or not key:
        raise PodrunError("key and cert must be specified")
    values = {"tls.crt": _content(cert), "tls.key": _content(key)}
    _check_pair(cert, key)
    _create(session, name, values, "kubernetes.io/tls", namespace, dry_run, form)


@click.command(
    "docker-registry",
    cls=shared.Verb,
    synopsis="NAME --docker-username=user --docker-password=password [--docker-server=string] [--from-file=path] "
    "[options]",
    examples=REGISTRY_EXAMPLES,
    help="Create a Secret for use with image registries.",
)
@click.argument("names", nargs=-1)
@click.option("--docker-server", "server", default=DOCKER_HUB, help="Server location for the registry.")
@click.option("--docker-username", "user", default="", help="Username for authentication.")
@click.option("--docker-password", "password", default="", help="Password for authentication.")
@click.option("--docker-email", "email", default="", help="Email of the user.")
@click.option("--from-file", "files", multiple=True, help="A file of the form of ~/.docker/config.json.")
@shared.dry_run_option
@shared.output_option
@shared.namespace_option
@click.pass_obj
def docker_registry(
    session: shared.Session,
    names: tuple[str, ...],
    server: str,
    user: str,
    password: str,
    email: str,
    files: tuple[str, ...],
    dry_run: str,
    form: str,
    namespace: str | None,
) -> None:
    name = create.one_name(names, "secret docker-registry")
    if files:
        values = sources.read(
            "Secret", name, (), [one if "=" in one else f".dockerconfigjson={one}" for one in files], ()
        )
    else:
        if not user or not password:
            raise PodrunError(
                "either --from-file or the combination of --docker-username, --docker-password and --docker-server "
                "is required"
            )
        entry = {"username": user, "password": password, **({"email": email} if email else {})}
        entry["auth"] = base64.b64encode(f"{user}:{password}".encode()).decode()
        values = {".dockerconfigjson": json.dumps({"auths": {server: entry}}, separators=(",", ":")).encode()}
    _create(session, name, values, "kubernetes.io/dockerconfigjson", namespace, dry_run, form)


def _create(
    session: shared.Session,
    name: str,
    values: dict[str, bytes],
    type_: str,
    namespace: str | None,
    dry_run: str,
    form: str,
) -> None:
    session.namespace = namespace or session.namespace
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    fields = {**({"data": data} if data else {}), **({"type": type_} if type_ else {})}
    create.create(session, resources.SECRET, name, fields, dry_run=dry_run, form=form)


def _content(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise PodrunError(f"open {name}: {(error.strerror or str(error)).lower()}") from None


def _check_pair(cert: str, key: str) -> None:
    """PodrunError: no certificate and key in PEM, or not of one pair."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise PodrunError(f"failed to load key pair {_pair_words(cert, key, error)}") from None


def _pair_words(cert: str, key: str, error: Exception) -> str:
    """Go's words (crypto/tls, X509KeyPair) for what OpenSSL has no good ones for."""
    for name, what, mark in ((cert, "certificate", b"CERTIFICATE-----"), (key, "key", b"PRIVATE KEY-----")):
        if mark not in _content(name):
            return f"tls: failed to find any PEM data in {what} input"
    if "KEY_VALUES_MISMATCH" in str(error):
        return "tls: private key does not match public key"
    return str(getattr(error, "reason", None) or error)


command = shared.Family(
    "secret",
    help="Create a Secret: of files and values, of a certificate and key, or with the login of a registry.",
    verbs={
        "generic": (generic, "Create a Secret from a local file, directory, or literal value"),
        "tls": (tls, "Create a TLS Secret"),
        "docker-registry": (docker_registry, "Create a Secret for use with an image registry"),
    },
)
