"""The one door through which other programs are started."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.core.errors import HoldfastError

_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramError(HoldfastError):
    """A program is missing, failed, or took too long."""

    code = "program"


class Result(NamedTuple):
    """What a finished program left.

    Attributes:
        exit_code: 0 to 255, or the negative number of the signal that ended it.
        stdout: Its standard output, undecoded.
        stderr: Its standard error, undecoded.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    check: bool = True,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a program to its end without a shell, in an environment that holds no secrets.

    Args:
        command: Program and arguments, each passed on as it is.
        timeout_s: Seconds after which it is killed.
        check: Whether a non-zero exit is an error.
        stdin: What it reads.
        cwd: Folder to run in.
        env: Its environment; a fixed PATH and a C.UTF-8 locale unless told.

    Raises:
        ProgramError: It is missing, failed (with `check`), or took too long.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(  # noqa: TID251 - this is the door
            words,
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd=cwd,
            env=dict(env) if env is not None else {"PATH": _SAFE_PATH, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        failure = ProgramError(f"{words[0]} is not installed")
        failure.hint = f"Install the program {words[0]} and try again."
        raise failure from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{words[0]} took more than {timeout_s:g} seconds") from error
    if check and done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise ProgramError(f"{words[0]} failed with {done.returncode}: {' / '.join(last)}")
    return Result(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)
