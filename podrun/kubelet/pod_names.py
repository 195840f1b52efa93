"""What a pod is called, and whom it asks for the names of others. Pure.

Rules: pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain), pkg/kubelet/network/dns/dns.go (GetPodDNS).
"""

from __future__ import annotations

from podrun.api import objects
from podrun.network import hosts, resolv
from podrun.network.hosts import Names
from podrun.network.resolv import Cluster, ResolvConf

MISSING_CLUSTER_DNS = (
    'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. '
    'Falling back to "Default" policy.'
)

Warnings = tuple[tuple[str, str], ...]
"""Reason and message of each event."""


def names(pod: objects.Pod, node_name: str, cluster_domain: str) -> Names:
    """PodrunError: the kernel can't take the name."""
    meta, spec = pod.metadata, pod.spec
    if spec.host_network:
        return Names(node_name, "", node_name)
    if spec.hostname_override is not None:
        return hosts.overridden(spec.hostname_override)
    short = hosts.hostname(meta.name, spec.hostname)
    qualified = hosts.fully_qualified(short, spec.subdomain, meta.namespace, cluster_domain)
    return hosts.pod_names(short, qualified, set_hostname_as_fqdn=bool(spec.set_hostname_as_fqdn))


def is_without_cluster(pod: objects.Pod, cluster: Cluster) -> bool:
    """Whether the pod asks for a DNS of the cluster where there is none."""
    wanted = resolv.wants_cluster(pod.spec.dns_policy, host_network=pod.spec.host_network)
    return wanted and not cluster.servers


def dns(pod: objects.Pod, host: ResolvConf, cluster: Cluster) -> tuple[ResolvConf, Warnings]:
    """The pod's resolv.conf, and what Kubernetes says of it in events."""
    meta, spec = pod.metadata, pod.spec
    conf = resolv.start_conf(spec.dns_policy, host, cluster, meta.namespace, host_network=spec.host_network)
    if spec.dns_config is not None:
        conf = resolv.with_config(conf, _config(spec.dns_config))
    conf, cuts = resolv.limited(conf)
    warnings = [("DNSConfigForming", message) for message in cuts]
    if is_without_cluster(pod, cluster):
        whose = f'pod: "{meta.name}_{meta.namespace}({meta.uid})". '
        warnings.insert(0, ("MissingClusterDNS", whose + MISSING_CLUSTER_DNS))
    return conf, tuple(warnings)


def _config(given: objects.PodDNSConfig) -> ResolvConf:
    options = tuple(f"{each.name}:{each.value}" if each.value else each.name for each in given.options)
    return ResolvConf(given.nameservers, given.searches, options)
