"""Checks signatures of block lists for a process that does not carry `cryptography`.

`python -I -m holdfast.accounts.blocklist.child` reads `{"paths": [...], "keys": [...]}` and writes
`{"seals": [...]}` in the same order, or `{"error": {"code", "message", "hint"}}` with exit code 3.
The seals are for `builtin.opened`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.accounts.errors import AccountsError, BlockListError
from holdfast.core.process import ProgramError, run

_MOST_BYTES = 64 * 1024
_MOST_LISTS = 8
_MOST_KEYS = 32
_SECONDS = 20.0


def seals(paths: Sequence[Path], keys: Sequence[str]) -> list[tuple[Path, str]]:
    """Let a child find the seals of files; for the process that stays.

    Args:
        paths: Files, at most 8.
        keys: Public keys whose lists are believed, 64 hexadecimal digits each, at most 32.

    Raises:
        BlockListError: One of them cannot be used, or the child gave no answer.
    """
    if not paths:
        return []
    question = json.dumps({"paths": [str(path) for path in paths], "keys": [*keys]})
    try:
        done = run(
            [sys.executable, "-I", "-m", __name__],
            stdin=question.encode(),
            timeout_s=_SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout)
        if "error" in answer:
            raise _as_told(answer["error"])
        found = [str(seal) for seal in answer["seals"]]
        return [*zip(paths, found, strict=True)]
    except (ProgramError, ValueError, KeyError, TypeError) as error:
        raise BlockListError(paths[0], "it could not be checked") from error


def answer_to(content: bytes) -> dict[str, Any]:
    """Answer one question.

    Raises:
        BlockListError: The question is none, or a list cannot be used.
    """
    from holdfast.accounts.blocklist.signature import seal_of_signed  # noqa: PLC0415 - see above

    try:
        question = json.loads(content)
        paths, keys = question["paths"], question["keys"]
        fits = all(isinstance(one, str) for one in (*paths, *keys))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BlockListError("asked for", "the question is not understood") from error
    if not fits or len(paths) > _MOST_LISTS or len(keys) > _MOST_KEYS:
        raise BlockListError("asked for", "the question is not understood")
    return {"seals": [seal_of_signed(Path(path), keys) for path in paths]}


def main() -> int:
    """Answer the question on standard input."""
    try:
        content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        answer, code = answer_to(content), 0
    except AccountsError as error:
        told = {"code": error.code, "message": str(error), "hint": error.hint}
        answer, code = {"error": told}, error.exit_code
    sys.stdout.write(json.dumps(answer))
    return code


def _as_told(told: dict[str, str]) -> BlockListError:
    error = BlockListError("", "")
    error.args = (told["message"],)
    error.hint = told["hint"]
    return error


if __name__ == "__main__":
    sys.exit(main())
