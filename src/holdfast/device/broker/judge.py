"""Has a release verified by a child that can do nothing else. Standard library only.

The child reads signed metadata, which may be hostile, so it runs under an id of its own with no
network, few files and little memory; and since it might be taken over all the same, what can be
judged here without reading metadata is judged here again.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NamedTuple

from holdfast.device.broker.errors import StateError, VerifierError
from holdfast.device.broker.settings import Settings
from holdfast.device.broker.state import clean, number
from holdfast.device.broker.wire import AnsweredError
from holdfast.hardening.confine import Walls, start

DEADLINE_S = 60.0
_LONGEST_ANSWER_BYTES = 64 << 10
_LIMITS = {
    resource.RLIMIT_CPU: 45,
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_FSIZE: 8 << 20,
}


class Question(NamedTuple):
    """What the verifier is asked about the artifact on its standard input.

    Attributes:
        version: Label of the release that the artifact shall be.
        current: Label of the version that runs.
        floor: Lowest version that may be installed.
        not_before: When the running version was made; the clock cannot be before it.
    """

    version: str
    current: str
    floor: str
    not_before: str


class Verdict(NamedTuple):
    """What the verifier found, when everything was in order.

    Attributes:
        version: Label of the release.
        floor: Its security floor.
        made: When it was made, RFC 3339 in UTC.
        sha256: Digest of the artifact.
        size_bytes: Length of the artifact.
        note: What the verifier had to repair, for the owner; empty if nothing.
    """

    version: str
    floor: str
    made: str
    sha256: str
    size_bytes: int
    note: str


def walls(settings: Settings) -> Walls:
    """Describe the walls around the verifier, inside those of the broker."""
    return Walls(
        uid=settings.uids.get("verifier"),
        own_network=False,  # the broker has none, and a child gets no more
        read=(settings.incoming / "metadata", settings.factory_root),
        write=(settings.trusted,),
        limits=_LIMITS,
    )


def ask(settings: Settings, question: Question, artifact: int) -> Verdict:
    """Have the artifact verified.

    Args:
        settings: Where things lie, and who the device is.
        question: What to verify.
        artifact: Descriptor of the broker's own copy, opened for reading.

    Raises:
        AnsweredError: The release is refused; code and message are those of the update rules.
        VerifierError: The verifier could not decide.
    """
    told = {
        "trusted": str(settings.trusted),
        "factory_root": str(settings.factory_root),
        "metadata": str(settings.incoming / "metadata"),
        "product": settings.product,
        "hardware": settings.hardware,
        "version": question.version,
        "current": question.current,
        "floor": question.floor,
        "not_before": question.not_before,
    }
    command = (sys.executable, "-I", "-B", "-m", "holdfast.device.verifier", json.dumps(told))
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    try:
        child = start(command, walls(settings), fds={0: artifact, 1: write_end, 2: 2})
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    try:
        answer = _answer(read_end)
    finally:
        os.close(read_end)
        _end(child.pid, settings.uids.get("verifier"))
    return _verdict(answer, question)


def _answer(read_end: int) -> bytes:
    deadline = time.monotonic() + DEADLINE_S
    answer = b""
    while len(answer) <= _LONGEST_ANSWER_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([read_end], [], [], left)[0]:
            raise VerifierError(f"the verifier took more than {DEADLINE_S:g} seconds")
        chunk = os.read(read_end, 4096)
        if not chunk:
            return answer
        answer += chunk
    raise VerifierError("the verifier answered too much")


def _end(pid: int, uid: int | None) -> None:
    """Wait for the child; one that does not end by itself is killed under its own id.

    The broker may not signal other users' processes, and shall not be able to.
    """
    for _ in range(50):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    killer = os.fork()
    if killer == 0:
        with suppress(OSError):
            if uid is not None:
                os.setresuid(uid, uid, uid)
            os.kill(pid, signal.SIGKILL)
        os._exit(0)
    os.waitpid(killer, 0)
    os.waitpid(pid, 0)


def _verdict(answer: bytes, question: Question) -> Verdict:
    try:
        whole: dict[str, Any] = json.loads(answer.decode())
        if "error" in whole:
            error = whole["error"]
            raise AnsweredError(
                code=clean(str(error["code"])),
                message=clean(str(error["message"])),
                hint=clean(str(error["hint"])),
            )
        found = whole["ok"]
        verdict = Verdict(
            version=str(found["version"]),
            floor=str(found["floor"]),
            made=str(found["made"]),
            sha256=str(found["sha256"]),
            size_bytes=int(found["size_bytes"]),
            note=clean(str(found.get("note", ""))),
        )
        fits = number(verdict.version) == number(question.version)
        newer = number(question.version) > number(question.current)
        safe = number(question.version) >= number(question.floor)
        number(verdict.floor)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StateError) as error:
        raise VerifierError("the verifier gave no answer that makes sense") from error
    if not (fits and newer and safe):
        raise VerifierError("the verifier accepted a release that cannot be acceptable")
    return verdict
