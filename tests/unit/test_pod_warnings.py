"""What is taken but warned of, in Kubernetes' words."""

from __future__ import annotations

import pytest

from podrun.api import defaults, objects, parse, pod_warnings, validate

ONE = "containers: [{name: c, image: i, %s}]"
TWO = "containers: [{name: a, image: i, ports: [%s]}, {name: b, image: i, ports: [%s]}]"
HIDES = 'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
FIRST, SECOND = "spec.containers[0].ports[0]", "spec.containers[1].ports[0]"


@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        (ONE % "env: [{name: A, value: x}, {name: A, value: z}]", [HIDES]),
        (ONE % "env: [{name: A, value: x}, {name: A, value: $(A)}]", [HIDES]),
        (ONE % "env: [{name: A, value: x}, {name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", [HIDES]),
        (ONE % "env: [{name: A, value: x}, {name: A, value: '$(A):y'}]", []),
        (ONE % "env: [{name: A, value: x}, {name: B, value: x}]", []),
        (
            TWO % ("{containerPort: 80}", "{containerPort: 80}"),
            [f"{SECOND}: duplicate port definition with {FIRST}"],
        ),
        (
            TWO % ("{containerPort: 80, hostPort: 8080}", "{containerPort: 80}"),
            [f"{SECOND}: overlapping port definition with {FIRST}"],
        ),
        (
            TWO % ("{containerPort: 80, hostPort: 81}", "{containerPort: 80, hostPort: 81, hostIP: 127.0.0.1}"),
            [f"{SECOND}: dangerously ambiguous port definition with {FIRST}"],
        ),
        (TWO % ("{containerPort: 80}", "{containerPort: 80, protocol: UDP}"), []),
        (TWO % ("{containerPort: 80, hostPort: 81}", "{containerPort: 80, hostPort: 82}"), []),
        (
            ONE % "" + ", hostAliases: [{ip: 10.0.0.1, hostnames: [a]}, {ip: 10.0.0.1, hostnames: [b]}]",
            ['spec.hostAliases[1].ip: duplicate ip "10.0.0.1"'],
        ),
        (
            ONE % "" + ", imagePullSecrets: [{name: a}, {name: a}, {name: ''}]",
            [
                'spec.imagePullSecrets[1].name: duplicate name "a"',
                'spec.imagePullSecrets[2].name: invalid empty name ""',
            ],
        ),
    ],
)
def test_what_is_given_twice_is_warned_of(spec: str, warned: list[str]) -> None:
    (found,) = parse.parse(f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{spec}}}\n".encode())
    assert isinstance(found, objects.Pod)
    pod = defaults.default_pod(found)
    assert validate.validate_pod(pod) == []
    assert list(pod_warnings.warnings(pod)) == warned
