"""What can go wrong with the store, as errors that the API server turns into the matching Status."""

from __future__ import annotations

from podrun.errors import PodrunError


class StoreError(PodrunError):
    """Any refusal or failure of the store."""


class NotFoundError(StoreError):
    """There is no such object (404)."""

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        super().__init__(f'cannot find {kind} "{name}"' + (f' in namespace "{namespace}"' if namespace else ""))
        self.kind, self.namespace, self.name = kind, namespace, name


class AlreadyExistsError(StoreError):
    """The name is taken (409), perhaps by an object that is being deleted."""

    def __init__(self, kind: str, namespace: str, name: str, *, being_deleted: bool) -> None:
        super().__init__(f'cannot create {kind} "{name}": already exists')
        self.kind, self.namespace, self.name, self.being_deleted = kind, namespace, name, being_deleted


class ConflictError(StoreError):
    """A precondition on resourceVersion or uid does not hold (409)."""

    def __init__(self, kind: str, name: str, why: str) -> None:
        super().__init__(f'cannot change {kind} "{name}": {why}')
        self.kind, self.name, self.why = kind, name, why


class ExpiredError(StoreError):
    """A watch asks for history that is no longer, or never was, here: list again (410)."""


class WriteFailedError(StoreError):
    """The write is not on disk and is not visible to anyone; readers go on and later writes may succeed."""
