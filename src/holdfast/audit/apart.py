"""Judges from a program that has threads: in a fresh process, since forking one's own is unsafe."""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from holdfast.audit import child
from holdfast.audit.child import Settings
from holdfast.audit.errors import AuditError, ChildError
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.core.errors import HoldfastError

Progress = Callable[[str, float], None]


def judge(subject: Path, settings: Settings, *, progress: Progress) -> Report:
    """Judge a subject as `child.judge` does.

    Args:
        subject: What is judged.
        settings: How.
        progress: Is told the stage and how much of it is done, 0 to 1.

    Raises:
        AuditError: The subject could not be judged.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(there, subject, settings), daemon=True)
    process.start()
    there.close()
    try:
        while True:
            kind, *said = here.recv()
            if kind == "progress":
                progress(str(said[0]), float(said[1]))
            elif kind == "report":
                return document.decode(said[0])
            else:
                error = AuditError(str(said[0]))
                error.hint = str(said[1])
                raise error
    except EOFError as error:
        raise ChildError("the process that was to judge ended without a word") from error
    finally:
        here.close()
        process.kill()
        process.join()


def _work(there: Connection, subject: Path, settings: Settings) -> None:
    def tell(stage: str, fraction: float, _text: str) -> None:
        there.send(("progress", stage, fraction))

    try:
        report = child.judge(subject, settings, progress=tell)
        there.send(("report", document.encode(report)))
    except HoldfastError as error:
        there.send(("error", f"[{error.code}] {error}", error.hint))
