"""Judges from a program that has threads: in a fresh process, since forking one's own is unsafe."""

import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from holdfast.audit import child
from holdfast.audit.child import Settings
from holdfast.audit.errors import AuditError, ChildError
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.core.errors import HoldfastError
from holdfast.hardening.confine import die_with

Progress = Callable[[str, float], None]

LONGER_S: Final = 120.0
"""What reading a long image and starting may take beside the audit itself."""

_ASK_EVERY_S: Final = 0.3
_PATIENCE_S: Final = 10.0


class StoppedError(AuditError):
    """Whoever asked for the audit does not want it any more."""

    code = "audit-stopped"


def judge(
    subject: Path,
    settings: Settings,
    *,
    progress: Progress,
    wanted: Callable[[], bool] = lambda: True,
) -> Report:
    """Judge a subject as `child.judge` does.

    Args:
        subject: What is judged.
        settings: How.
        progress: Is told the stage and how much of it is done, 0 to 1.
        wanted: Is asked now and then whether to go on.

    Raises:
        AuditError: The subject could not be judged.
        StoppedError: It was not wanted any more.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(there, subject, settings), daemon=True)
    process.start()
    there.close()
    try:
        return _answer(here, progress, wanted, settings.limits.seconds + LONGER_S)
    except EOFError as error:
        raise ChildError("the process that was to judge ended without a word") from error
    finally:
        here.close()
        process.terminate()
        process.join(_PATIENCE_S)
        process.kill()
        process.join()


def _answer(
    here: Connection, progress: Progress, wanted: Callable[[], bool], longest_s: float
) -> Report:
    until = time.monotonic() + longest_s
    while time.monotonic() < until:
        if not wanted():
            raise StoppedError("the audit was stopped")
        if not here.poll(_ASK_EVERY_S):
            continue
        kind, *said = here.recv()
        if kind == "report":
            return document.decode(said[0])
        if kind == "error":
            error = AuditError(str(said[0]))
            error.hint = str(said[1])
            raise error
        progress(str(said[0]), float(said[1]))
    raise ChildError(f"the audit did not end within {longest_s:.0f} seconds")


def _work(there: Connection, subject: Path, settings: Settings) -> None:
    # Whoever stops it lets it tidy up; the death of its parent ends it at once.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    die_with(parent.pid if parent is not None and parent.pid is not None else os.getppid())

    def tell(stage: str, fraction: float, _text: str) -> None:
        there.send(("progress", stage, fraction))

    try:
        report = child.judge(subject, settings, progress=tell)
        there.send(("report", document.encode(report)))
    except HoldfastError as error:
        there.send(("error", f"[{error.code}] {error}", error.hint))
    except OSError as error:
        there.send(("error", f"[audit] {error.strerror or type(error).__name__}", ""))
