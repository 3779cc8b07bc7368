"""The confined child: opens what it is given, judges it, and sends the report.

Started by `holdfast.audit.child` behind walls, as `python -I -m holdfast.audit.inside`. Nothing it
does is trusted outside.
"""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from holdfast.audit import exchange
from holdfast.audit.cache import Known, dump, load
from holdfast.audit.errors import MISTAKES, AuditError
from holdfast.audit.exchange import Answer, Request
from holdfast.audit.report.shapes import Report, Unopened
from holdfast.audit.unpack.opening import Opening, Result
from holdfast.hardening.confine import adopt_orphans

_STEP_EVERY_S: Final = 0.05


class _Telling:
    """Sends progress, not more often than anybody can read it."""

    def __init__(self, fd: int) -> None:
        self._fd, self._last, self._stage = fd, 0.0, ""

    def __call__(self, stage: str, fraction: float, text: str) -> None:
        now = monotonic()
        if stage == self._stage and now - self._last < _STEP_EVERY_S:
            return
        self._last, self._stage = now, stage
        clean = text[-200:].encode("ascii", "replace").decode()
        line = msgspec.json.encode({"stage": stage, "fraction": round(fraction, 3), "text": clean})
        with suppress(OSError):  # nobody listens any more
            os.write(self._fd, line + b"\n")


def main() -> None:
    """Read the request, do it, send the answer."""
    start = monotonic()
    adopt_orphans()  # what foreign readers start must not outlive them
    telling = _Telling(exchange.PROGRESS_FD)
    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
        answer = _judge(request, telling, start)
    except AuditError as error:
        answer = Answer(error=str(error))
    except MemoryError:
        answer = Answer(error="memory_bytes")
    except MISTAKES as mistake:
        last = traceback.extract_tb(mistake.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        answer = Answer(error=f"{type(mistake).__name__} at {place}: {mistake}"[:400])
    telling("report", 1.0, "")
    _send(_encoded(answer))


def _judge(request: Request, telling: Callable[[str, float, str], None], start: float) -> Answer:
    telling("opening", 0.0, request.subject.name)
    # Loaded only now, so that the first sign of life comes at once.
    from holdfast.audit import engine  # noqa: PLC0415
    from holdfast.audit.facts.gather import RULES  # noqa: PLC0415
    from holdfast.audit.timing import measured  # noqa: PLC0415
    from holdfast.audit.vulnerabilities.identity import HEAD_BYTES  # noqa: PLC0415

    known = load(exchange.CACHE_FD, RULES) if request.cached else Known(rules=RULES, facts={})
    head = b"" if request.folder else os.pread(exchange.SUBJECT_FD, HEAD_BYTES, 0)
    seconds: dict[str, float] = {}
    with measured(seconds, "opening"):
        result, barren = _opened(request, known, telling)
        notes = _live_only(request, result)
    settings = engine.Settings(
        now=request.now,
        limits=request.limits,
        profile=request.profile,
        baseline=request.baseline,
        database=Path(request.database) if request.database else None,
        known_keys=request.known_keys,
        known=known.facts,
        workers=request.workers,
        scratch=None if request.folder else Path(request.scratch),
        head=head,
        seen=request.seen,
        notes=notes,
        progress=telling,
    )
    judgement = engine.judge(result, request.subject, settings, seconds=seconds, start=start)
    fresh = b""
    if judgement.facts.keys() - known.facts.keys() or barren != known.barren:
        older = (known.facts[each] for each in known.facts.keys() - judgement.facts.keys())
        fresh = dump(RULES, (*judgement.facts.values(), *older), barren)
    return Answer(report=judgement.report, fresh=fresh)


def _live_only(request: Request, result: Result) -> tuple[str, ...]:
    """Leave out what of a running system would cost more than it tells; say what that is."""
    if request.seen is None:
        return ()
    from holdfast.audit.live.extent import told, without_idle  # noqa: PLC0415

    nodes, idle = without_idle(list(result.tree.walk()), request.seen)
    for node in nodes:
        result.tree.add(node)
    return told(idle)


def _opened(
    request: Request, known: Known, telling: Callable[[str, float, str], None]
) -> tuple[Result, frozenset[str]]:
    from holdfast.audit import engine  # noqa: PLC0415
    from holdfast.audit.live.extent import entered  # noqa: PLC0415
    from holdfast.audit.unpack.folder import open_folder  # noqa: PLC0415
    from holdfast.audit.unpack.foreign import Unblob  # noqa: PLC0415
    from holdfast.audit.unpack.scratch import OpenFile, Scratch  # noqa: PLC0415

    budget = engine.budget_for_opening(request.limits)
    scratch = Path(request.scratch)
    foreign = Unblob(scratch, request.limits, barren=known.barren)
    opening = Opening(
        budget,
        scratch=Scratch(scratch),
        foreign=foreign,
        progress=lambda fraction, text: telling("opening", fraction, text),
    )
    if request.folder:
        closed: list[str] = []
        only = entered if request.seen is not None else None
        opening.folder(open_folder(Path(request.folder), budget, closed, only=only))
        for path in closed:
            opening.ledger.not_opened(
                Unopened(
                    where=path,
                    offset=0,
                    size_bytes=0,
                    entropy=0.0,
                    why="it may not be read by the user who runs the audit",
                )
            )
    else:
        opening.image(OpenFile(exchange.SUBJECT_FD), request.subject.name)
    return opening.result(), frozenset(foreign.barren)


def _encoded(answer: Answer) -> bytes:
    try:
        return msgspec.msgpack.encode(answer)
    except UnicodeEncodeError:  # names that are no UTF-8
        report = msgspec.convert(_plain(msgspec.to_builtins(answer.report)), Report)
        return msgspec.msgpack.encode(msgspec.structs.replace(answer, report=report))


def _plain(value: object) -> object:
    """Write what is no text as escapes; the report is not nested deep."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _send(content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(exchange.ANSWER_FD, view) :]


if __name__ == "__main__":
    main()
