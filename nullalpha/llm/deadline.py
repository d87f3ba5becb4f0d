"""A wall-clock deadline over asynchronous work, called from synchronous code, whatever the work does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_SECONDS = 0.5


def run_within(work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Run a coroutine in a thread and loop of its own and return its result.

    At the deadline it is cancelled, which closes its connections; if it does not end within a short grace it is left behind in its daemon
    thread. Works whether or not the caller runs in an event loop; an interrupt of the caller cancels the work.

    Raises:
        TimeoutError: at the deadline.
    """
    done: Future[T] = Future()
    loop = asyncio.new_event_loop()
    task = loop.create_task(_timed(work, seconds))
    threading.Thread(target=_drive, args=(loop, task, done), name="model-call", daemon=True).start()
    try:
        return done.result(seconds + GRACE_SECONDS)
    except BaseException:
        if not done.done():
            loop.call_soon_threadsafe(task.cancel)
        raise


async def _timed(work: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work()


def _drive(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T], done: Future[T]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(asyncio.wait([task]))
        if task.cancelled():
            done.cancel()
        elif (error := task.exception()) is not None:
            done.set_exception(error)
        else:
            done.set_result(task.result())
        _wind_up(loop)
    finally:
        loop.close()


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
