"""The same work on every image, in processes that end with this one."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.progress import progress_bar


def run_on_images(
    function: Callable[..., dict[str, Any]],
    *arguments: list[Any],
    workers: int,
    description: str,
) -> list[dict[str, Any]]:
    """Returns the function of every image, in order, with a progress bar."""
    bar = progress_bar(total=len(arguments[0]), description=description, unit="image")
    with bar, _mapper(min(workers, len(arguments[0]))) as run:
        results = []
        for result in run(function, *arguments):
            results.append(result)
            bar.update()
        return results


@contextlib.contextmanager
def _mapper(workers: int) -> Iterator:
    """Yields a `map` that runs in `workers` processes."""
    if workers == 1:
        yield map
        return
    # Spawned: a fork would copy the threads of whatever the caller has imported.
    executor = concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_the_parent,
    )
    try:
        yield executor.map
    except BrokenProcessPool:
        raise InputError(
            "a worker process ended unexpectedly, most likely for want of memory; try "
            "fewer workers."
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _end_with_the_parent() -> None:
    """Ends this worker when its parent is killed; it would wait for work forever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
