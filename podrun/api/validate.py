"""Is this object one that Kubernetes would take? The whole of a pod and its parts, for creation.

Expects defaults to be set. What podrun does not carry out is another question (api/supported).
"""

from __future__ import annotations

from podrun.api import field_errors, objects
from podrun.api import validate_names as names
from podrun.api.field_errors import FieldError
from podrun.api.objects import Pod, PodSpec
from podrun.api.validate_containers import RESTART_POLICIES, check_containers
from podrun.api.validate_meta import check_meta
from podrun.api.validate_names import Errors
from podrun.api.validate_resources import check_pod_resources, check_resources
from podrun.api.validate_scheduling import check_scheduling
from podrun.api.validate_security import check_pod_security
from podrun.api.validate_volumes import check_volumes

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARACTERS = 2048
MAX_KERNEL_HOSTNAME = 64  # uname(2)


def validate_pod(pod: Pod) -> list[FieldError]:
    """Every error of a pod that is to be created, in Kubernetes' order and words."""
    return [*check_pod(pod), *_only_on_create(pod)]


def check_pod(pod: Pod) -> Errors:
    """What must hold for new and changed pods alike."""
    yield from check_meta(pod.metadata)
    yield from check_spec(pod.spec, "spec")


def _only_on_create(pod: Pod) -> Errors:
    if pod.spec.ephemeral_containers:
        yield field_errors.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if pod.spec.node_name and pod.spec.scheduling_gates:
        detail = "cannot be set until all schedulingGates have been cleared"
        yield field_errors.forbidden("spec.nodeName", detail)


def check_spec(spec: PodSpec, path: str) -> Errors:
    """A pod spec that stands at `path`."""
    yield from check_volumes(f"{path}.volumes", spec.volumes)
    yield from _resource_claims(f"{path}.resourceClaims", spec)
    yield from check_containers(spec, path)
    yield from check_pod_resources(path, spec)
    yield from _host_network_ports(spec, path)
    yield from names.check_choice(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from names.check_choice(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    yield from check_pod_security(spec, path)
    yield from _dns_config(f"{path}.dnsConfig", spec)
    yield from check_scheduling(spec, path)
    yield from _names(spec, path)
    yield from _hostname_override(spec, path)
    deadline = spec.active_deadline_seconds
    if deadline is not None:
        yield from names.check_range(f"{path}.activeDeadlineSeconds", deadline, 1, names.LARGEST_ID)
    for index, alias in enumerate(spec.host_aliases):
        where = f"{path}.hostAliases[{index}]"
        yield from names.check_ip(f"{where}.ip", alias.ip)
        for position, hostname in enumerate(alias.hostnames):
            yield from names.check(f"{where}.hostnames[{position}]", hostname, names.subdomain_problems)
    if spec.preemption_policy is not None:
        choices = ("PreemptLowerPriority", "Never")
        yield from names.check_choice(f"{path}.preemptionPolicy", spec.preemption_policy, choices)
    yield from check_resources(f"{path}.overhead", objects.ResourceRequirements(limits=spec.overhead))
    if spec.os is not None:
        yield from names.check_choice(f"{path}.os.name", spec.os.name, ("linux", "windows"))


def _names(spec: PodSpec, path: str) -> Errors:
    for shown, value, problems in (
        ("serviceAccountName", spec.service_account_name, names.subdomain_problems),
        ("nodeName", spec.node_name, names.subdomain_problems),
        ("hostname", spec.hostname, names.label_problems),
        ("subdomain", spec.subdomain, names.label_problems),
        ("priorityClassName", spec.priority_class_name, names.subdomain_problems),
        ("runtimeClassName", spec.runtime_class_name, names.subdomain_problems),
    ):
        if value:
            yield from names.check(f"{path}.{shown}", value, problems)


def _hostname_override(spec: PodSpec, path: str) -> Errors:
    """KEP-4762."""
    if spec.hostname_override is None:
        return
    where = f"{path}.hostnameOverride"
    yield from names.check(where, spec.hostname_override, names.subdomain_problems)
    if len(spec.hostname_override) > MAX_KERNEL_HOSTNAME:
        yield field_errors.too_long(where, MAX_KERNEL_HOSTNAME)
    for shown, used in (("setHostnameAsFQDN", spec.set_hostname_as_fqdn), ("hostNetwork", spec.host_network)):
        if used:
            yield field_errors.forbidden(where, f"may not be specified when `{shown}` is true")


def _host_network_ports(spec: PodSpec, path: str) -> Errors:
    if not spec.host_network:
        return
    for index, container in enumerate(spec.containers):
        for position, port in enumerate(container.ports):
            if port.host_port != port.container_port:
                where = f"{path}.containers[{index}].ports[{position}].hostPort"
                detail = "must match `containerPort` when `hostNetwork` is true"
                yield field_errors.invalid(where, port.host_port, detail)


def _dns_config(path: str, spec: PodSpec) -> Errors:
    config = spec.dns_config
    if spec.dns_policy == "None":
        if config is None:
            yield field_errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        elif not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield field_errors.required(f"{path}.nameservers", detail)
    if config is None:
        return
    if len(config.nameservers) > MAX_NAMESERVERS:
        detail = f"must not have more than {MAX_NAMESERVERS} nameservers"
        yield field_errors.invalid(f"{path}.nameservers", config.nameservers, detail)
    for index, server in enumerate(config.nameservers):
        yield from names.check_ip(f"{path}.nameservers[{index}]", server)
    if len(config.searches) > MAX_SEARCHES:
        detail = f"must not have more than {MAX_SEARCHES} search paths"
        yield field_errors.invalid(f"{path}.searches", config.searches, detail)
    if len(" ".join(config.searches)) > MAX_SEARCH_CHARACTERS:
        detail = f"must not have more than {MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield field_errors.invalid(f"{path}.searches", config.searches, detail)
    for index, domain in enumerate(config.searches):
        yield from names.check(f"{path}.searches[{index}]", domain, names.search_domain_problems)
    for index, option in enumerate(config.options):
        if not option.name:
            yield field_errors.required(f"{path}.options[{index}]", "must not be empty")


def _resource_claims(path: str, spec: PodSpec) -> Errors:
    seen = set()
    for index, claim in enumerate(spec.resource_claims):
        where = f"{path}[{index}]"
        if claim.name and claim.name in seen:
            yield field_errors.duplicate(f"{where}.name", claim.name)
        else:
            yield from names.check_required(f"{where}.name", claim.name, names.label_problems)
        seen.add(claim.name)
        sources = [claim.resource_claim_name, claim.resource_claim_template_name]
        if None not in sources:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield field_errors.invalid(where, claim, detail)
        if sources == [None, None]:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield field_errors.invalid(where, claim, detail)
