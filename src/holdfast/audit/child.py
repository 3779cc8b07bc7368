"""Has a subject judged by a confined child; the way in for everybody who wants a report.

The child opens hostile bytes, so it has no network, may read its program and what it judges, and
writes to one private folder that is removed afterwards. From outside its time, its memory and what
it writes are watched, and what it answers is taken for input.
"""

import fcntl
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryFile, gettempdir, mkdtemp
from typing import Final

import msgspec

from holdfast import __version__
from holdfast.audit import checks, exchange
from holdfast.audit.cache import Store, scope_of
from holdfast.audit.errors import ChildError, LimitError
from holdfast.audit.exchange import Answer, Request
from holdfast.audit.limits import Limits
from holdfast.audit.listening import GRACE_S, MOST_PROCESSES, Listening, Progress, clean
from holdfast.audit.live.observation import Observation, observe
from holdfast.audit.model.known_keys import Known
from holdfast.audit.model.shapes import Model, StartUp
from holdfast.audit.report import document
from holdfast.audit.report.shapes import (
    Checked,
    LimitHit,
    Opened,
    Report,
    Subject,
    Unopened,
)
from holdfast.audit.report.texts import visible
from holdfast.audit.rows import row_of
from holdfast.audit.subjects import Opened as OpenedSubject
from holdfast.audit.subjects import open_subject
from holdfast.audit.verdicts import Verdict
from holdfast.audit.vulnerabilities.schema import verify
from holdfast.audit.watching import end, remove
from holdfast.core import landlock
from holdfast.core.files import closed_above
from holdfast.core.landlock import program_folders
from holdfast.hardening.confine import (
    Capability,
    Started,
    StartError,
    Walls,
    start,
)
from holdfast.product.profile import Profile

__all__ = ["COMMAND", "Progress", "Settings", "judge", "judge_live"]

COMMAND: Final = (sys.executable, "-I", "-B", "-m", "holdfast.audit.inside")
_UIDS: Final = range(61040, 61104)  # those of the device are below
_SCRATCH: Final = "holdfast-audit-"
_ABANDONED_S: Final = 60.0  # a folder that was just made may not be locked yet
_MOST_OPEN: Final = 1024
_MARGIN_BYTES: Final = 16 << 20
_turns: Final = count()


def _silent(_stage: str, _fraction: float, _text: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a subject is judged.

    Attributes:
        limits: What it may cost.
        profile: What the maker declares; that of a release of ours is found by itself.
        baseline: Report of the last approved build.
        database: The vulnerability database; None for none.
        known_keys: Keys that are publicly known beyond the list that we ship.
        cache: Folder where facts are kept between audits; None to keep none.
        now: The moment of the audit, aware; None for the present one.
        workers: How many processes look at contents; 0 for one per processor, four at most.
        scratch: Folder in which the private folder is made; None for the system's.
    """

    limits: Limits = field(default_factory=Limits)
    profile: Profile | None = None
    baseline: Report | None = None
    database: Path | None = None
    known_keys: Mapping[str, Known] = field(default_factory=dict)
    cache: Path | None = None
    now: datetime | None = None
    workers: int = 0
    scratch: Path | None = None


def judge(
    subject: Path, settings: Settings | None = None, *, progress: Progress = _silent
) -> Report:
    """Have a subject judged.

    Args:
        subject: An image file, a folder with a root file system, or the folder of a release.
        settings: How.
        progress: Is told stage (`opening`, `facts`, `model`, `vulnerabilities`, `checks`,
            `report`), how much of it is done from 0 to 1, and what it is at.

    Returns:
        The report. Where a limit ended the child it is one in which nothing is decided.

    Raises:
        SubjectError: The subject is missing, unreadable, or nothing that can be judged.
        ChildError: The child died, or answered nonsense.
    """
    settings = settings or Settings()
    product = settings.profile.identity.product if settings.profile else ""
    opened = open_subject(subject, product=product)
    if settings.profile is None and opened.profile is not None:
        settings = replace(settings, profile=opened.profile)
    with ExitStack() as stack:
        if opened.image is not None:
            stack.callback(os.close, opened.image)
        return _Audit(opened, settings, progress).run()


def judge_live(settings: Settings | None = None, *, progress: Progress = _silent) -> Report:
    """Have this running system judged; nothing of it is changed.

    What runs is asked of the kernel here; the child reads the files. As an ordinary user neither
    sees all, and the report says so.

    Raises:
        ChildError: The child died, or answered nonsense.
    """
    settings = settings or Settings()
    product = settings.profile.identity.product if settings.profile else ""
    subject = Subject(
        name=visible(gethostname(), most=64) or "this system", kind="live", product=product
    )
    opened = OpenedSubject(subject=subject, image=None, folder=Path("/"))
    return _Audit(opened, settings, progress, seen=observe()).run()


class _Audit:
    """One audit, seen from outside the walls."""

    def __init__(
        self,
        opened: OpenedSubject,
        settings: Settings,
        progress: Progress,
        *,
        seen: Observation | None = None,
    ) -> None:
        self._opened, self._settings, self._progress = opened, settings, progress
        self._seen = seen
        self._now = (settings.now or datetime.now(UTC)).astimezone(UTC)
        self._missing: tuple[str, ...] = ()

    def run(self) -> Report:
        """Start the child, listen to it, end it."""
        began = time.monotonic()
        store = Store(self._settings.cache) if self._settings.cache else None
        scope = self._scope() if store else ""
        above = (self._settings.scratch or Path(gettempdir())).resolve()
        uid, notes = _uid_for(self._opened.folder, above)
        with ExitStack() as stack:
            scratch = stack.enter_context(_scratch(above, uid))
            cached = store.open(scope) if store and scope else None
            if cached is not None:
                stack.callback(os.close, cached)
            database = self._database(scratch, uid)
            request = stack.enter_context(
                self._request(scratch, database, cached=cached is not None)
            )
            walls = self._walls(scratch, database, uid)
            # Closed once and no more: a number closed twice is another audit's by then.
            child_ends = stack.enter_context(ExitStack())
            answer_end, answer_start = _pipe(stack, child_ends)
            steps_end, steps_start = _pipe(stack, child_ends)
            fds = {0: request, exchange.ANSWER_FD: answer_start, exchange.PROGRESS_FD: steps_start}
            if self._opened.image is not None:
                fds[exchange.SUBJECT_FD] = self._opened.image
            if cached is not None:
                fds[exchange.CACHE_FD] = cached
            child = self._start(walls, fds)
            stack.callback(end, child.pid)
            self._missing = (*child.missing, *notes)
            child_ends.close()
            try:
                answer = Listening(
                    child.pid, answer_end, steps_end, scratch, self._settings.limits, self._progress
                ).run()
            except LimitError as error:
                return self._nothing(error)
            report = self._report(answer)
        if store and scope and answer.fresh:
            store.keep(scope, answer.fresh)
        seconds = {**report.seconds, "total": round(time.monotonic() - began, 3)}
        return replace(report, seconds=seconds)

    def _scope(self) -> str:
        subject = self._opened.subject
        if not subject.product and not subject.sha256:
            return ""  # a folder without a name that anybody could rely on
        return scope_of(product=subject.product, sha256=subject.sha256)

    # --- starting -------------------------------------------------------------------------------

    def _database(self, scratch: Path, uid: int | None) -> Path | None:
        """Name the database as the child can read it; copied if its own user could not."""
        path = self._settings.database
        if path is None:
            return None
        path = path.resolve()
        verify(path)  # the child must not be the first to read what somebody changed
        if uid is None or (path.exists() and _open_to_all(path)):
            return path
        copy = scratch / "database"
        try:
            shutil.copyfile(path, copy)
        except OSError:
            return path  # the report says that it could not be read
        copy.chmod(0o444)
        return copy

    @contextmanager
    def _request(self, scratch: Path, database: Path | None, *, cached: bool) -> Iterator[int]:
        settings = self._settings
        request = Request(
            subject=self._opened.subject,
            folder=str(self._opened.folder) if self._opened.folder else "",
            scratch=str(scratch),
            limits=settings.limits,
            now=self._now,
            profile=settings.profile,
            baseline=settings.baseline,
            database=str(database) if database else "",
            workers=settings.workers or min(len(os.sched_getaffinity(0)), 4),
            cached=cached,
            known_keys=dict(settings.known_keys),
            seen=self._seen,
        )
        with TemporaryFile() as file:
            file.write(msgspec.json.encode(request))
            file.flush()
            file.seek(0)
            yield file.fileno()

    def _walls(self, scratch: Path, database: Path | None, uid: int | None) -> Walls:
        limits = self._settings.limits
        read = [path for path in (self._opened.folder, database) if path is not None]
        longest = max(limits.file_bytes, self._opened.subject.size_bytes) + _MARGIN_BYTES
        whole = self._opened.folder is not None and landlock.abi() > 0
        bounds = {
            resource.RLIMIT_AS: limits.memory_bytes,
            resource.RLIMIT_FSIZE: longest,
            # Only should nobody watch any more; who watches says which limit it was.
            resource.RLIMIT_CPU: limits.seconds + 3 * int(GRACE_S),
            resource.RLIMIT_NOFILE: _MOST_OPEN,
        }
        if uid is not None:  # the processes of an ordinary user are not only ours
            bounds[resource.RLIMIT_NPROC] = MOST_PROCESSES
        return Walls(
            uid=uid,
            capabilities=frozenset({Capability.DAC_READ_SEARCH} if whole else ()),
            families=(),
            children=True,
            grouped=True,
            read=tuple(read),
            write=(scratch,),
            limits=bounds,
        )

    def _start(self, walls: Walls, fds: dict[int, int]) -> Started:
        try:
            return start(COMMAND, walls, fds=fds)
        except (StartError, OSError) as error:
            raise ChildError(f"the confined child could not be started: {error}") from error

    # --- the answer -----------------------------------------------------------------------------

    def _report(self, answer: Answer) -> Report:
        """Believe of the report only what cannot be known outside."""
        if answer.report is None:
            if answer.error == "memory_bytes":
                limit = LimitError(limit="memory_bytes", most=self._settings.limits.memory_bytes)
                return self._nothing(limit)
            raise ChildError(f"the confined child gave up: {clean(answer.error)}")
        opened = replace(answer.report.opened, walls_missing=self._missing)
        report = replace(
            answer.report,
            made=self._now,
            holdfast=__version__,
            subject=self._opened.subject,
            opened=opened,
        )
        wrong = document.contradiction(report)
        if [each.rule for each in report.checks] != [*checks.every()]:
            wrong = "its checks are not those that were asked for"
        if wrong is not None:
            raise ChildError(f"the confined child contradicts itself: {wrong}")
        return report

    def _nothing(self, error: LimitError) -> Report:
        """Make the report of an audit that a limit ended before anything was decided."""
        subject: Subject = self._opened.subject
        reason = f"the audit was ended: {error}"
        return Report(
            made=self._now,
            holdfast=__version__,
            rules="",
            subject=subject,
            outcome="undecided",
            opened=Opened(
                complete=False,
                unopened=(
                    Unopened(
                        where=subject.name,
                        offset=0,
                        size_bytes=subject.size_bytes,
                        entropy=0.0,
                        why=reason,
                    ),
                ),
                limits=(LimitHit(limit=error.limit, most=error.most),),
                walls_missing=self._missing,
            ),
            model=Model(start_up=StartUp(init="none")),
            others={},
            checks=tuple(
                Checked(
                    rule=rule,
                    recommendation=check.about.recommendation,
                    title=check.about.title,
                    severity=check.about.severity,
                    verdict=Verdict.UNDECIDED,
                    reason=reason,
                    rows=tuple(row for row in map(row_of, check.about.sources) if row),
                )
                for rule, check in checks.every().items()
            ),
            seconds={},
        )


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, read_end)
    theirs.callback(os.close, write_end)
    return read_end, write_end


def _open_to_all(path: Path) -> bool:
    """Tell whether any user may read a file or enter a folder, and reach it."""
    wanted = 0o055 if path.is_dir() else 0o044
    return closed_above(path) is None and path.stat().st_mode & wanted == wanted


def _uid_for(folder: Path | None, scratch: Path) -> tuple[int | None, tuple[str, ...]]:
    """Choose the user of the child, and say what that leaves open.

    Started by root it gets a user of its own, unless it needs root's eyes: for a folder whose
    files belong to all kinds of users, or where the program itself lies in a closed folder.
    """
    if os.geteuid() != 0:
        return None, ()
    if folder is not None:
        note = "it runs as root with the one power to read every file of the folder"
        return None, (note,) if landlock.abi() else ("it runs as root without any power",)
    closed = [
        path for path in map(Path, program_folders()) if path.exists() and not _open_to_all(path)
    ]
    closed += [] if closed_above(scratch / "child") is None else [scratch]
    if closed:
        return None, (f"it runs as root without any power: {closed[0]} is closed to others",)
    used: set[int] = set()
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError):
                used.add(place.stat().st_uid)
    turn = (os.getpid() + next(_turns)) % len(_UIDS)  # audits of other threads start meanwhile
    for uid in (*_UIDS[turn:], *_UIDS[:turn]):
        if uid not in used:
            return uid, ()
    return _UIDS[turn], ()


@contextmanager
def _scratch(above: Path, uid: int | None) -> Iterator[Path]:
    """Make the private folder of a child, and remove it whatever is in it."""
    _sweep(above)
    folder = Path(mkdtemp(prefix=_SCRATCH, dir=above))
    with ExitStack() as stack:
        stack.callback(_removed, folder)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX)  # ends with this process, however that ends
        if uid is not None:
            os.chown(folder, uid, uid)
        yield folder


def _removed(folder: Path) -> None:
    with suppress(OSError):
        remove(folder)


def _sweep(above: Path) -> None:
    """Remove what audits left behind that were killed before they could do so."""
    mine = {os.geteuid(), *(_UIDS if os.geteuid() == 0 else ())}
    for folder in above.glob(f"{_SCRATCH}*"):
        with ExitStack() as stack, suppress(OSError):
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, held)
            about = os.fstat(held)
            if about.st_uid not in mine or time.time() - about.st_ctime < _ABANDONED_S:
                continue
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
