"""A limit on the time that an answer may take, in a notebook's main thread and in any other."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

TIME_LIMIT = 10.0  # seconds that an answer may take on one input
TOTAL_LIMIT = 60.0  # seconds that it may take on all of them


class TimeLimitError(BaseException):
    """An answer took longer than it may; no `Exception`, so that `except Exception` in the answer lets it pass."""


class TotalTimeError(TimeLimitError):
    """An answer took longer over all inputs than it may, and on no single one of them."""


class AnswerInterrupt(BaseException):
    """The reader's own interrupt while an answer ran, as opposed to a `KeyboardInterrupt` that the answer raised."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitError` in the block where it takes longer.

    In the main thread of a POSIX system the limit is an alarm, which ends waiting as well. A timer or alarm that was
    set before goes on afterwards. Elsewhere another thread raises the error, which ends a loop and not a wait.

    Args:
        seconds: How long the block may take.

    Yields:
        Nothing.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _watcher(seconds):
            yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeLimitError

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-3), interval)


@contextmanager
def _watcher(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    over = threading.Event()
    guard = threading.Lock()

    def ring() -> None:
        with guard:
            if not over.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeLimitError))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with guard:
            over.set()
        timer.cancel()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)


@contextmanager
def readers_interrupt() -> Iterator[None]:
    """Turn the reader's own interrupt into `AnswerInterrupt` inside the block.

    Yields:
        Nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise AnswerInterrupt

    handler = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if handler is None else handler)
