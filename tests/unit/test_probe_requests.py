"""What probes and hooks ask, and where: targets, ports, URLs, headers; and the messages of gRPC's health protocol."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import objects
from podrun.kubelet import probe_targets
from podrun.kubelet.probe_targets import ExecTarget, GrpcTarget, TcpTarget
from podrun.probe import grpc, http_request
from podrun.probe.http_request import InvalidRequest, Request

CONTAINER = objects.Container(
    name="web",
    env=(objects.EnvVar(name="WHO", value="me"),),
    ports=(objects.ContainerPort(name="http", container_port=8080), objects.ContainerPort(container_port=9)),
)


def request(path: str = "/", *headers: tuple[str, str], scheme: str = "HTTP", host: str = "10.0.0.2") -> Request:
    return http_request.request(scheme, host, 80, path, headers, "probe")


def lines(made: Request) -> list[str]:
    head = made.encode().decode()
    assert head.endswith("\r\n\r\n")
    return head.split("\r\n")[:-2]


def test_a_plain_request_has_the_headers_of_the_kubelet() -> None:
    assert lines(request("/healthz")) == [
        "GET /healthz HTTP/1.1",
        "Host: 10.0.0.2:80",
        "User-Agent: kube-probe/1.33",
        "Accept: */*",
        "Connection: close",
    ]


def test_given_headers_replace_the_usual_ones_and_empty_ones_remove_them() -> None:
    made = lines(
        request("/", ("x-real-IP", "1"), ("user-agent", "me"), ("Accept", "text/html"), ("host", "example.org"))
    )
    assert made[1:] == ["Host: example.org", "User-Agent: me", "Accept: text/html", "X-Real-Ip: 1", "Connection: close"]
    assert lines(request("/", ("User-Agent", ""), ("Accept", "")))[1:] == ["Host: 10.0.0.2:80", "Connection: close"]


def test_repeated_headers_are_all_sent_and_framing_headers_are_not() -> None:
    made = lines(request("/", ("X-A", "1"), ("X-A", "2"), ("Content-Length", "5"), ("Transfer-Encoding", "chunked")))
    assert [line for line in made if line.startswith("X-A")] == ["X-A: 1", "X-A: 2"]
    assert not any("5" in line or "chunked" in line for line in made)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("X A", "1", 'net/http: invalid header field name "X A"'),
        ("X-A", "1\r\nX-B: 2", 'net/http: invalid header field value for "X-A"'),
    ],
)
def test_a_header_that_would_be_two_is_not_sent(name: str, value: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match="^" + words):
        request("/", (name, value)).encode()


@pytest.mark.parametrize(
    ("path", "url", "first_line"),
    [
        ("/", "http://10.0.0.2:80/", "GET / HTTP/1.1"),
        ("", "http://10.0.0.2:80", "GET / HTTP/1.1"),
        ("healthz", "http://10.0.0.2:80/healthz", "GET /healthz HTTP/1.1"),
        ("/a?b=c&d=%20", "http://10.0.0.2:80/a?b=c&d=%20", "GET /a?b=c&d=%20 HTTP/1.1"),
        ("?a=b", "http://10.0.0.2:80?a=b", "GET /?a=b HTTP/1.1"),
        ("/a b", "http://10.0.0.2:80/a%20b", "GET /a%20b HTTP/1.1"),
        ("/100%", "http://10.0.0.2:80/100%25", "GET /100%25 HTTP/1.1"),
        ("/a#part", "http://10.0.0.2:80/a", "GET /a HTTP/1.1"),
        ("/a\r\nX: y", "http://10.0.0.2:80/a%0D%0AX:%20y", "GET /a%0D%0AX:%20y HTTP/1.1"),
    ],
)
def test_paths_become_urls_as_in_go(path: str, url: str, first_line: str) -> None:
    made = request(path)
    assert made.url == url
    assert lines(made)[0] == first_line


@given(path=st.text(max_size=40), value=st.text(max_size=20))
def test_no_path_and_no_header_ever_adds_a_line(path: str, value: str) -> None:
    try:
        head = request(path, ("X-A", value), ("Host", value)).encode()
    except InvalidRequest:
        return
    assert head.count(b"\r\n\r\n") == 1
    assert head.replace(b"\r\n", b"").count(b"\n") == 0
    assert len(head.split(b"\r\n")) == 8
    assert len(head.split(b"\r\n")[0].split(b" ")) == 3


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert request(host="fd00::2").url == "http://[fd00::2]:80/"
    assert lines(request(host="fd00::2"))[1] == "Host: [fd00::2]:80"


def test_a_redirect_is_resolved_against_the_url() -> None:
    made = request("/a/b", ("Host", "example.org"), ("X-A", "1"))
    relative = made.redirected("../c?d")
    assert (relative.url, relative.host_header, relative.headers) == (
        "http://10.0.0.2:80/c?d",
        "example.org",
        made.headers,
    )
    absolute = made.redirected("https://10.0.0.2/login")
    assert (absolute.url, absolute.port, absolute.host_header) == ("https://10.0.0.2/login", 443, "")
    with pytest.raises(InvalidRequest, match='unsupported protocol scheme "ftp"'):
        made.redirected("ftp://10.0.0.2/")


def test_each_handler_becomes_its_target() -> None:
    def target(**handler: object) -> probe_targets.Target:
        return probe_targets.of_probe(objects.Probe(**handler), CONTAINER, "10.0.0.2")  # type: ignore[arg-type]

    assert target(exec=objects.ExecAction(command=("echo", "$(WHO)", "$(ELSE)"))) == ExecTarget(
        ("echo", "me", "$(ELSE)")
    )
    assert target(tcp_socket=objects.TCPSocketAction(port="http")) == TcpTarget("10.0.0.2", 8080)
    assert target(tcp_socket=objects.TCPSocketAction(port=1, host="db")) == TcpTarget("db", 1)
    assert target(grpc=objects.GRPCAction(port=9)) == GrpcTarget("10.0.0.2", 9, "")
    made = target(http_get=objects.HTTPGetAction(path="/", port="http", scheme="HTTPS"))
    assert isinstance(made, Request)
    assert made.url == "https://10.0.0.2:8080/"


def test_a_port_is_a_number_or_a_name_of_the_container() -> None:
    assert [probe_targets.port_of(port, CONTAINER.ports) for port in (80, "http", "81")] == [80, 8080, 81]
    with pytest.raises(probe_targets.UnknownPort, match=r'strconv\.Atoi: parsing "admin": invalid syntax'):
        probe_targets.port_of("admin", CONTAINER.ports)
    for wrong in (0, 65536, "99999999999"):
        with pytest.raises(probe_targets.UnknownPort, match="invalid port number"):
            probe_targets.port_of(wrong, CONTAINER.ports)


def test_a_health_request_is_one_grpc_message() -> None:
    assert grpc.encode_request("") == b"\0\0\0\0\0"
    assert grpc.encode_request("web") == b"\0\0\0\0\x05\x0a\x03web"


def test_the_status_is_found_among_other_fields() -> None:
    assert grpc.decode_response(b"\0\0\0\0\0") == 0
    assert grpc.decode_response(b"\0\0\0\0\x02\x08\x02") == 2
    message = b"\x12\x02hi\x08\x01\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0"
    assert grpc.decode_response(b"\0\0\0\0" + bytes([len(message)]) + message) == 1


@given(st.binary(max_size=60))
def test_a_broken_answer_is_an_error_that_is_expected(answer: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        assert grpc.decode_response(answer) >= 0
