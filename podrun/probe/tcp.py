"""The tcpSocket probe: a connection within the time is all that is asked for."""

from __future__ import annotations

import asyncio

from podrun.probe import addresses, connections
from podrun.probe.outcomes import Failed, Outcome, Succeeded


async def probe(host: str, port: int, timeout: float) -> Outcome:
    """`timeout` in seconds."""
    try:
        async with asyncio.timeout(timeout):
            connection = await connections.dial(host, port)
    except TimeoutError:
        return Failed(f"dial tcp {addresses.join(host, port)}: i/o timeout")
    except connections.ConnectionFailed as error:
        return Failed(str(error), nobody_listens=isinstance(error, connections.Refused))
    connection.close()
    return Succeeded()
