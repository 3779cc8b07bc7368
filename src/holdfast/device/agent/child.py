"""Asking the short-lived child that may be large, so that the agent need not be."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.core.process import ProgramError, run
from holdfast.device.settings import Settings, pack
from holdfast.updates.errors import UpdateError, rebuild

_WHOLE_S = 300.0


class ChildError(UpdateError):
    """The child did not answer; that is never taken for a yes or for a no."""

    code = "agent-child"
    sentence = "The signed lists could not be read at this moment."
    hint = "The device tries again by itself."


class Child:
    """Asks one question at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = pack(settings)

    def accept(
        self, target: str, *, current: str, floor: str, not_before: datetime | None
    ) -> dict[str, Any]:
        """Hold an offer against what is signed, and stage the proof.

        Raises:
            UpdateError: It is refused, or could not be judged (codes of `hub-...` and others).
        """
        return self._ask(
            {
                "do": "accept",
                "settings": self._settings,
                "target": target,
                "current": current,
                "floor": floor,
                "not_before_ms": _ms(not_before),
            }
        )

    def refresh(self, *, not_before: datetime | None) -> dict[str, Any]:
        """Have the newest signed lists read.

        Raises:
            UpdateError: They are not believed, or could not be fetched (codes of `hub-...`).
        """
        return self._ask(
            {"do": "refresh", "settings": self._settings, "not_before_ms": _ms(not_before)}
        )

    def digest(self, file: Path, *, size_bytes: int, sha256: str) -> None:
        """Hold a downloaded file against the signed length and digest.

        Raises:
            UpdateError: It is another.
        """
        self._ask({"do": "digest", "file": str(file), "size_bytes": size_bytes, "sha256": sha256})

    def terms(self, profile: Path) -> dict[str, Any]:
        """Read a product profile.

        Raises:
            UpdateError: It is faulty; the code is that of the profile's error.
        """
        return self._ask({"do": "terms", "profile": str(profile)})

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        command = [sys.executable, "-I", "-m", "holdfast.device.agent.metadata"]
        try:
            done = run([*command, json.dumps(question)], timeout_s=_WHOLE_S)
            answer = json.loads(done.stdout)
            if "error" in answer:
                error = answer["error"]
                failure = rebuild(error["code"], error["message"], error["hint"])
                # A code that is none of the updates' own (hub-..., no-space) must not get lost.
                failure.__dict__["code"] = error["code"]
                raise failure
            told: dict[str, Any] = answer["ok"]
        except (ProgramError, ValueError, KeyError, TypeError) as error:
            raise ChildError from error
        return told


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
