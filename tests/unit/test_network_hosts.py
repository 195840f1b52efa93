"""The managed hosts file and hostnames."""

from __future__ import annotations

import pytest

from podrun.errors import PodrunError
from podrun.network import hosts

PLAIN = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
10.244.0.7\tweb
"""


def test_a_plain_pod_finds_itself_under_its_hostname() -> None:
    assert hosts.pod_hosts(["10.244.0.7"], "web") == PLAIN


def test_every_address_of_the_pod_has_a_line() -> None:
    assert hosts.pod_hosts(["10.244.0.7", "fd00::7"], "web") == PLAIN + "fd00::7\tweb\n"


def test_host_aliases_follow_after_an_empty_line() -> None:
    aliases = [hosts.HostAlias("1.2.3.4", ("db", "db.test")), hosts.HostAlias("1.2.3.5", ("mail",))]
    expected = PLAIN + "\n# Entries added by HostAliases.\n1.2.3.4\tdb\tdb.test\n1.2.3.5\tmail\n"
    assert hosts.pod_hosts(["10.244.0.7"], "web", aliases=aliases) == expected


def test_with_a_subdomain_the_full_name_comes_first() -> None:
    qualified = hosts.fully_qualified("web", "shop", "default", "cluster.local")
    content = hosts.pod_hosts(["10.244.0.7"], "web", qualified)
    assert content.endswith("10.244.0.7\tweb.shop.default.svc.cluster.local\tweb\n")


def test_there_is_no_full_name_without_a_subdomain() -> None:
    assert hosts.fully_qualified("web", "", "default", "cluster.local") == ""


def test_a_host_network_pod_sees_the_hosts_file_and_its_aliases() -> None:
    content = hosts.host_network_hosts("127.0.0.1\tme\n", [hosts.HostAlias("1.2.3.4", ("db",))])
    assert content == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tme\n"
        "\n# Entries added by HostAliases.\n1.2.3.4\tdb\n"
    )


def test_a_hostname_is_cut_to_a_label_and_loses_what_may_not_end_one() -> None:
    assert hosts.hostname("a" * 62 + "-bcd") == "a" * 62
    assert hosts.hostname("a" * 80) == "a" * 63


def test_the_hostname_in_the_spec_wins() -> None:
    assert hosts.hostname("pod", "other") == "other"


def test_the_kernel_gets_the_full_name_only_when_asked() -> None:
    assert hosts.kernel_hostname("web", "web.a.b", set_hostname_as_fqdn=False) == "web"
    assert hosts.kernel_hostname("web", "web.a.b", set_hostname_as_fqdn=True) == "web.a.b"
    assert hosts.kernel_hostname("web", "", set_hostname_as_fqdn=True) == "web"


def test_a_full_name_longer_than_the_kernel_takes_is_refused() -> None:
    with pytest.raises(PodrunError, match="64 characters is the max, 65 characters requested"):
        hosts.kernel_hostname("web", "x" * 65, set_hostname_as_fqdn=True)
