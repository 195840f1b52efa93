"""Work that takes as long as a program in a pod likes: each piece on a thread of its own, which nobody else waits for.

On the few threads of `Services.disk` four such pods would keep all others from starting, and the kubelet from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def run(function: Callable[[], Result]) -> Result:
    """What `function` gives or raises. Who is cancelled leaves it to itself; the end of the process ends it."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: Result | None = None
        failure: BaseException | None = None
        try:
            result = function()
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name="own", daemon=True).start()
    return await outcome
