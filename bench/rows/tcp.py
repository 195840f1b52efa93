"""TCP from pod to pod and from the machine to a pod, over podrun's bridge and over podman's, by the same program."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.measuring import Alternation, Measure, Row
from bench.peers import IMAGE, run
from bench.stage import Stage, pod_of

PORT = "5201"
SERVE = ("/bin/wire", "serve", PORT)
SERVER, CLIENT = "wire-server", "wire-client"


def measure(stage: Stage) -> Iterator[Row]:
    node, podman = stage.node, stage.podman
    node.submit(pod_of(SERVER, *SERVE), pod_of(CLIENT, *SERVE))
    for name in (SERVER, CLIENT):
        node.wait_for(name, lambda pod: pod["status"].get("phase") == "Running", "to run")
        podman.run("run", "--detach", "--name", name, IMAGE, *SERVE)
    own = node.pod(SERVER)["status"]["podIP"]
    theirs = podman.run("inspect", "--format", "{{.NetworkSettings.IPAddress}}", SERVER).output.strip()
    program = str(stage.root / "bin/wire")
    seconds, count = ("0.2", "500") if stage.quick else ("1", "5000")

    def inside(verb: str, most: str) -> dict[str, Measure]:
        return {
            "podrun": lambda: float(node.exec(CLIENT, "/bin/wire", verb, own, PORT, most).stdout),
            "podman": lambda: float(podman.run("exec", CLIENT, "/bin/wire", verb, theirs, PORT, most).output),
        }

    def outside(verb: str, most: str) -> dict[str, Measure]:
        return {
            "podrun": _asking(program, verb, own, PORT, most),
            "podman": _asking(program, verb, theirs, PORT, most),
        }

    note = "Streams of one second in writes of 128 KiB; latency is the median of 5000 times one byte there and back."
    for way, subjects in (("pod to pod", inside), ("host to pod", outside)):
        streams = Alternation(stage.rounds).run(subjects("stream", seconds)).samples
        pings = Alternation(stage.rounds).run(subjects("ping", count)).samples
        yield Row(f"TCP {way}: throughput (more is better)", "MB/s", streams, "not slower", note)
        yield Row(f"TCP {way}: latency", "µs", pings, "not slower")
        note = ""
    for name in (SERVER, CLIENT):
        podman.run("rm", "--force", "--time", "0", name)
        node.delete_pod(name)


def _asking(*words: str) -> Callable[[], float]:
    return lambda: float(run(words).output)
