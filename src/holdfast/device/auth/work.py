"""Hands what needs secrets or much memory to a short-lived `worker`, one at a time."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.accounts.errors import HashingError
from holdfast.core.process import ProgramError, run
from holdfast.device.broker.wire import AnsweredError

_WORKER_S = 60.0


class RefusedError(AnsweredError):
    """The worker's answer is no; code, message and hint are its own.

    Attributes:
        reason: Stable word for why a password was refused; empty for everything else.
    """

    reason: str = ""


class Worker:
    """Asks `holdfast.device.auth.worker`.

    Args:
        folder: Where auth keeps its keys.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, do: str, *, now: datetime, **facts: object) -> dict[str, Any]:
        """Have one thing done.

        Args:
            do: What; a word that the worker knows.
            now: The present moment.
            facts: What it needs; told on standard input, where no list of processes shows it.

        Raises:
            RefusedError: The answer is no.
            HashingError: There is no answer.
        """
        question = {"do": do, "folder": str(self._folder), "now": now.isoformat(), **facts}
        try:
            done = run(
                [sys.executable, "-I", "-m", "holdfast.device.auth.worker"],
                stdin=json.dumps(question).encode(),
                timeout_s=_WORKER_S,
            )
            answer = json.loads(done.stdout)
        except (ProgramError, ValueError) as error:
            # Without the cause, which could show what stood on its standard error.
            raise HashingError("what checks it ended without an answer") from _plain(error)
        if not isinstance(answer, dict):
            raise HashingError("what checks it answered nonsense")
        if "error" in answer:
            raise refusal_of(answer["error"])
        return dict(answer["ok"])


def refusal_of(told: dict[str, str]) -> RefusedError:
    """Make the error that the worker told."""
    error = RefusedError(code=told["code"], message=told["message"], hint=told["hint"])
    error.reason = told["reason"]
    return error


def _plain(error: Exception) -> Exception | None:
    return error if isinstance(error, ValueError) else None
