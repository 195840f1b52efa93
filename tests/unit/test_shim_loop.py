"""The shim's event loop, with real descriptors."""

from __future__ import annotations

import os
from collections.abc import Callable

from podrun.shim.loop import Loop


def complain(error: Exception) -> None:
    raise error


def pipe() -> tuple[int, int]:
    return os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)


def test_a_descriptor_that_gets_the_number_of_a_closed_one_is_not_called_for_it() -> None:
    """Two pipes become ready in one round; who is called first puts a new one in the place of the other."""
    loop = Loop(complain)
    pipes = dict([pipe(), pipe()])
    called: list[str] = []
    newcomer: list[int] = []

    def replacer(own: int, other: int) -> Callable[[], None]:
        def call() -> None:
            called.append("old")
            loop.unwatch(own)
            loop.unwatch(other)
            fresh = pipe()
            os.dup2(fresh[0], other, inheritable=False)
            os.close(fresh[0])
            newcomer.append(fresh[1])
            loop.watch(other, lambda: called.append("new"))
            loop.after(0, loop.stop)

        return call

    first, second = pipes
    loop.watch(first, replacer(first, second))
    loop.watch(second, replacer(second, first))
    for writer in pipes.values():
        os.write(writer, b"x")
    loop.run()
    for fd in (*pipes, *pipes.values(), *newcomer):
        os.close(fd)
    assert called == ["old"]
