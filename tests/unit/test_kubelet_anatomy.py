"""Looking into pods: a program that holds a look up for ever holds up nobody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from podrun.errors import PodrunError
from podrun.kubelet import anatomy


def test_a_look_that_never_ends_is_given_up_and_too_many_are_refused() -> None:
    released = threading.Event()
    ended = threading.Semaphore(0)

    def held_up() -> None:
        released.wait()
        ended.release()

    async def scenario() -> None:
        looks = (anatomy.on_own_thread(held_up, 0.05) for _ in range(anatomy.MOST_LOOKS))
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            assert isinstance(failure, PodrunError)
            assert failure.message == "cannot look into the pod: a program in it held this up for 0.05 seconds"
        with pytest.raises(PodrunError, match="too many others do"):
            await anatomy.on_own_thread(lambda: 1, 60)
        released.set()
        for _ in range(anatomy.MOST_LOOKS):
            assert await asyncio.to_thread(ended.acquire)
        for _ in range(100):
            try:
                assert await anatomy.on_own_thread(lambda: 7, 60) == 7
                return
            except PodrunError:
                await asyncio.sleep(0.01)
        raise AssertionError("looks that have ended still count")

    asyncio.run(scenario())


def test_what_goes_wrong_in_a_look_goes_wrong_for_the_one_who_asked() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(anatomy.on_own_thread(fails, 60))
