"""Whether the service account that a new pod names is there. No token is mounted unless a projected volume asks for it.

Rules: plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from podrun.api import objects, status_errors
from podrun.store import Store

DEFAULT = "default"
"""Of every namespace, and made a moment after it, so a pod may name it before it is there."""


def check_account(store: Store, new: objects.Object) -> None:
    """For what is about to be created, if it isn't there already. StatusError: the account of a pod is missing."""
    if not isinstance(new, objects.Pod):
        return
    namespace, account = new.metadata.namespace, new.spec.service_account_name or DEFAULT
    if account == DEFAULT or store.get(objects.ServiceAccount, namespace, account) is not None:
        return
    if store.get(objects.Pod, namespace, new.metadata.name) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise status_errors.forbidden("pods", new.metadata.name, why)
