"""The httpGet probe: any answer from 200 to 399 is a success (pkg/probe/http)."""

from __future__ import annotations

from podrun.probe import http_client
from podrun.probe.http_request import Request
from podrun.probe.outcomes import Errored, Failed, Outcome, Succeeded, Warned


async def probe(request: Request, timeout: float) -> Outcome:
    """`timeout` in seconds, redirects and body included."""
    try:
        response = await http_client.get(request, timeout)
    except http_client.RequestFailed as error:
        return Failed(str(error), nobody_listens=error.refused)
    except http_client.BodyFailed as error:
        return Errored(str(error), state="failure")
    if not 200 <= response.status < 400:
        return Failed(f"HTTP probe failed with statuscode: {response.status}")
    if response.status >= 300:
        body = response.body.decode(errors="replace")
        return Warned(f"Probe terminated redirects, Response body: {body}")
    return Succeeded()
