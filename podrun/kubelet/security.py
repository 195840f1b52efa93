"""Who a container's program is and which namespaces it shares, from the pod's wish and the image. Pure.

Rules: pkg/kubelet/kuberuntime (security_context.go, util), pkg/securitycontext.
"""

from __future__ import annotations

from podrun.api import objects
from podrun.container import defaults
from podrun.container.plan import Identity, NamespaceMode
from podrun.image.images import Image


def identity(image: Image) -> Identity:
    user, _, group = image.config.user.partition(":")
    return Identity(user=user or "0", group=group, capabilities=defaults.DEFAULT_CAPABILITIES)


def host_or_pod(host: bool) -> NamespaceMode:
    return NamespaceMode.HOST if host else NamespaceMode.POD


def pid_mode(spec: objects.PodSpec) -> NamespaceMode:
    if spec.host_pid:
        return NamespaceMode.HOST
    return NamespaceMode.POD if spec.share_process_namespace else NamespaceMode.PRIVATE
