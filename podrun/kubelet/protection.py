"""Looks up what confines a container: its seccomp program and its AppArmor profile. Decisions are in security.py."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from podrun.api import objects
from podrun.errors import PodrunError
from podrun.kubelet import security
from podrun.linux import libseccomp
from podrun.linux.openat2 import Resolve, openat2
from podrun.seccomp import filters
from podrun.seccomp.profile import ProfileError

logger = logging.getLogger(__name__)

LARGEST_PROFILE = 1 << 20  # bytes
UNCONFINED = "Unconfined"


@dataclass(frozen=True, slots=True)
class Protection:
    """`seccomp_default` is the type of profile for who asks for none; files of profiles lie in `seccomp_root`."""

    seccomp_default: str
    seccomp_root: Path

    def seccomp_program(self, pod: objects.Pod, spec: objects.Container) -> bytes:
        """Empty where nothing filters. PodrunError."""
        asked = security.seccomp_profile(pod, spec)
        kind = asked.type if asked else self.seccomp_default
        if kind == UNCONFINED:
            return b""
        if not filters.is_supported():
            if asked is None:
                return b""  # as every runtime does on such a kernel
            raise PodrunError("seccomp is not supported by this kernel, cannot provide seccomp profile")
        mask = security.capability_mask(spec)
        try:
            if asked is None or asked.localhost_profile is None:
                return filters.default_program(mask)
            return filters.program(self._local(asked.localhost_profile), mask)
        except libseccomp.LibraryMissing as error:
            raise PodrunError(f"cannot make a seccomp filter: {error.strerror}") from error
        except ProfileError as error:
            raise PodrunError(f"cannot load seccomp profile: {error}") from error

    def _local(self, name: str) -> str:
        """The text of a file below the root for profiles, following no link out of it."""
        shown = self.seccomp_root / name
        try:
            root = os.open(self.seccomp_root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                file = openat2(root, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve=Resolve.BENEATH)
            finally:
                os.close(root)
            with os.fdopen(file, "rb") as opened:
                text = opened.read(LARGEST_PROFILE + 1)
        except OSError as error:
            raise PodrunError(f"cannot load seccomp profile {shown}: {error.strerror}") from error
        if len(text) > LARGEST_PROFILE:
            raise PodrunError(f"cannot load seccomp profile {shown}: more than {LARGEST_PROFILE} bytes")
        return text.decode(errors="replace")

    def warm_up(self) -> None:
        """Make the program that nearly every container gets. Says in the log where there is none."""
        if self.seccomp_default == UNCONFINED:
            return
        if not filters.is_supported():
            logger.warning("this kernel filters no system calls: containers that ask for nothing run unconfined")
            return
        try:
            filters.default_program(security.capability_mask(objects.Container()))
        except (libseccomp.LibraryMissing, ProfileError) as error:
            logger.warning("cannot make the default seccomp filter: %s", error)
