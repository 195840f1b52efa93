"""How long to wait before trying again. Pure; seconds throughout."""

from __future__ import annotations

from podrun.kubelet.lives import Backoff

INITIAL = 10.0
LONGEST = 300.0


def lengthened(backoff: Backoff | None, event_at: float, now: float) -> Backoff:
    """The back-off after one more try: 10 s doubling to 300 s, from the start again after 600 s without an event.

    client-go util/flowcontrol/backoff.go, as the kubelet uses it for restarts and image pulls.
    """
    if backoff is None or event_at - backoff.updated_at > 2 * LONGEST:
        return Backoff(INITIAL, now)
    return Backoff(min(backoff.delay * 2, LONGEST), now)


def allowed_at(backoff: Backoff | None, event_at: float) -> float:
    """When the next try is allowed, given when the last one ended: at once for the first."""
    if backoff is None or event_at - backoff.updated_at > 2 * LONGEST:
        return event_at
    return event_at + backoff.delay


def retry_delay(failures: int, initial: float = 0.5, longest: float = 122.0) -> float:
    """Doubling waits for what the kubelet itself retries (mounts: 500 ms to 2 m 2 s; sandboxes)."""
    return min(initial * 2.0 ** min(failures, 20), longest)


def is_due(at: float, now: float) -> bool:
    """Whether the wait until `at` is over. One longer than LONGEST began by a clock that was set back."""
    return now >= at or at - now > LONGEST
