"""Judging one image or many: progress on standard error, results on standard output."""

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from holdfast.audit.report import document, outputs
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import short, visible
from holdfast.cli.audit import summary
from holdfast.cli.audit.terms import Terms, judge
from holdfast.core.errors import HoldfastError, UsageError

_TICK_S: Final = 0.1
_FAILED, _UNDECIDED = 1, 3
_NAMED: Final = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is done with a report.

    Attributes:
        as_json: Whether it goes to standard output as JSON instead of a summary.
        files: Forms that go to a file of their own.
        folder: Where all forms go; below it a folder for each image if there are many.
    """

    as_json: bool
    files: Mapping[str, Path]
    folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one image.

    Attributes:
        path: Of the image.
        report: None if there is none.
        wrong: Why, in words; "" if there is one.
    """

    path: Path
    report: Report | None = None
    wrong: str = ""


def one(path: Path, terms: Terms, shown: Shown) -> int:
    """Judge one image; gives the exit code."""
    places = dict(shown.files)
    if shown.folder is not None:
        outputs.make_folder(shown.folder)
        places = outputs.in_folder(shown.folder) | places
    database = terms.settings.database
    outputs.prepare(places, read=[path, database] if database else [path])
    with _progress() as bars:
        task = bars.add_task(_label(path, terms), total=1.0, stage="") if bars else None

        def told(stage: str, fraction: float, text: str) -> None:
            if bars is not None and task is not None:
                at = short(text, 30)
                bars.update(task, completed=_share(stage, fraction), stage=escape(f"{stage} {at}"))

        report = judge(path, terms, told)
    outputs.write(report, places)
    if shown.as_json:
        _print_json(report)
    else:
        written = [shown.folder, *shown.files.values()] if shown.folder else [*places.values()]
        summary.show(report, console=_console(), written=written)
    return summary.OUTCOME_EXITS[report.outcome]


def many(paths: Sequence[Path], terms: Terms, shown: Shown, *, jobs: int, scheduler: str) -> int:
    """Judge many images, and sum them up in a table; gives the exit code."""
    if shown.files:
        options = ", ".join(f"--{name}" for name in shown.files)
        raise UsageError(f"{options} is for one image; for many there is --out FOLDER")
    folders: dict[Path, Path] = {}
    if shown.folder is not None:
        folders = _folders(paths, shown.folder)
        for folder in folders.values():
            outputs.make_folder(folder)
            outputs.prepare(outputs.in_folder(folder))
    done: dict[Path, Outcome] = {}
    if jobs > 1 and not scheduler:  # else all of them would want all processors
        share = max(1, len(os.sched_getaffinity(0)) // jobs)
        terms = replace(terms, settings=replace(terms.settings, workers=share))
    with _progress() as bars:
        work = (
            _on_scheduler(paths, terms, scheduler, bars)
            if scheduler
            else _here(paths, terms, jobs, bars)
        )
        for outcome in work:
            _take(outcome, folders, as_json=shown.as_json)
            done[outcome.path] = outcome
    if not shown.as_json:
        rows = [(str(path), done[path].report, done[path].wrong) for path in paths]
        summary.show_many(rows, console=_console())
        if shown.folder is not None:
            typer.echo(f"Written: {visible(str(shown.folder))}")
    return _exit_of(done.values())


def _take(outcome: Outcome, folders: Mapping[Path, Path], *, as_json: bool) -> None:
    """Write and print what came of one of many."""
    if outcome.report is None:
        typer.echo(f"{visible(str(outcome.path))}: {outcome.wrong}", err=True)
        return
    if outcome.path in folders:
        outputs.write(outcome.report, outputs.in_folder(folders[outcome.path]))
    if as_json:
        _print_json(outcome.report)


def _exit_of(outcomes: Iterable[Outcome]) -> int:
    found = {each.report.outcome if each.report else "undecided" for each in outcomes}
    if "fail" in found:
        return _FAILED
    return _UNDECIDED if "undecided" in found else 0


def _folders(paths: Sequence[Path], above: Path) -> dict[Path, Path]:
    """Give each image a folder of its own, named after it."""
    folders: dict[Path, Path] = {}
    taken: set[str] = set()
    for path in paths:
        name = plain = path.resolve().name or "root"
        count = 1
        while name in taken:
            count += 1
            name = f"{plain}-{count}"
        taken.add(name)
        folders[path] = above / name
    return folders


# --- here ---------------------------------------------------------------------------------------

_telling: Callable[[tuple[int, str, float]], None] | None = None
"""In a process of the pool: how it says how far it is."""


def _here(
    paths: Sequence[Path], terms: Terms, jobs: int, bars: Progress | None
) -> Iterator[Outcome]:
    """Judge in processes of our own, each with its confined child."""
    # Not by fork: a thread of this process could hold a lock just then.
    context = multiprocessing.get_context("spawn")
    told: Any = context.SimpleQueue()
    every = _Bars(bars, paths)
    pool = ProcessPoolExecutor(
        min(jobs, len(paths)), mp_context=context, initializer=_begin, initargs=(told,)
    )
    try:
        futures: dict[Future[bytes | str], int] = {
            pool.submit(_judged, index, path, terms): index for index, path in enumerate(paths)
        }
        left = set(futures)
        while left:
            finished, left = wait(left, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            while not told.empty():
                every.move(*told.get())
            for future in finished:
                index = futures[future]
                every.end(index)
                yield _outcome(paths[index], future.result)
    except BaseException:
        # Whoever waits for a prompt waits for nothing else.
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin(told: Any) -> None:  # noqa: ANN401 - its class is private to multiprocessing
    global _telling  # noqa: PLW0603 - a process of a pool has no other place
    _telling = told.put
    # The terminal's interrupt is for the parent, which then ends this process; private folders
    # are removed on the way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


def _judged(index: int, path: Path, terms: Terms) -> bytes | str:
    """Give the report as JSON, or what went wrong: errors of ours do not travel."""

    def told(stage: str, fraction: float, _text: str) -> None:
        if _telling is not None:
            _telling((index, stage, fraction))

    try:
        return document.encode(judge(path, terms, told))
    except HoldfastError as error:
        return f"[{error.code}] {error}"


def _outcome(path: Path, result: Callable[[], bytes | str]) -> Outcome:
    try:
        made = result()
        if isinstance(made, str):
            return Outcome(path=path, wrong=visible(made))
        return Outcome(path=path, report=document.decode(made, name=visible(str(path))))
    except BrokenProcessPool:
        return Outcome(path=path, wrong="the process that judged it, or one beside it, died")
    except HoldfastError as error:
        return Outcome(path=path, wrong=visible(str(error)))


# --- elsewhere ----------------------------------------------------------------------------------


def judge_there(path: str, terms: Terms) -> bytes | str:
    """Judge on a worker of a scheduler, which must see the image under the same name."""
    return _judged(0, Path(path), terms)


def _on_scheduler(
    paths: Sequence[Path], terms: Terms, scheduler: str, bars: Progress | None
) -> Iterator[Outcome]:
    try:
        distributed: Any = importlib.import_module("distributed")  # an extra of its own
    except ImportError as error:
        missing = UsageError("the extra `dask` is not installed")
        missing.hint = "Install holdfast[audit,dask] here and on the workers."
        raise missing from error
    try:
        client = distributed.Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"no scheduler answers at {visible(scheduler)}") from error
    every = _Bars(bars, paths)
    with client:
        # The same image may be another one tomorrow, so nothing is taken from memory.
        futures = {
            client.submit(judge_there, str(path.resolve()), terms, pure=False): index
            for index, path in enumerate(paths)
        }
        for future in distributed.as_completed(futures, loop=client.loop):
            index = futures[future]
            every.end(index)
            failure = future.exception()
            if failure is not None:
                told = f"the worker failed: {type(failure).__name__}"
                yield Outcome(path=paths[index], wrong=told)
            else:
                yield _outcome(paths[index], future.result)
            future.release()


# --- what is seen -------------------------------------------------------------------------------

_STAGES: Final = {
    "opening": (0.0, 0.35),
    "facts": (0.35, 0.8),
    "model": (0.8, 0.88),
    "vulnerabilities": (0.88, 0.92),
    "checks": (0.92, 0.99),
    "report": (0.99, 1.0),
}


def _share(stage: str, fraction: float) -> float:
    start, end = _STAGES.get(stage, (0.0, 1.0))
    return start + (end - start) * fraction


class _Bars:
    """One bar for all images, and one for each that is being judged."""

    def __init__(self, bars: Progress | None, paths: Sequence[Path]) -> None:
        self._bars, self._paths = bars, paths
        self._tasks: dict[int, TaskID] = {}
        self._done: set[int] = set()
        self._all = bars.add_task("all images", total=len(paths), stage="") if bars else None

    def move(self, index: int, stage: str, fraction: float) -> None:
        """Show how far one is."""
        if self._bars is None or index in self._done:
            return
        if index not in self._tasks:
            name = escape(short(self._paths[index].name, _NAMED))
            self._tasks[index] = self._bars.add_task(name, total=1.0, stage="")
        self._bars.update(self._tasks[index], completed=_share(stage, fraction), stage=stage)

    def end(self, index: int) -> None:
        """Count one."""
        self._done.add(index)
        if self._bars is None or self._all is None:
            return
        if index in self._tasks:
            self._bars.remove_task(self._tasks.pop(index))
        self._bars.advance(self._all)


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Show progress on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("[dim]{task.fields[stage]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield bars


def _label(path: Path, terms: Terms) -> str:
    return "this system" if terms.live else escape(short(path.name or str(path), _NAMED))


def _console() -> Console:
    with suppress(AttributeError):  # a stream put in its place need not know how
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return Console(highlight=False)


def _print_json(report: Report) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(document.encode(report))
    sys.stdout.buffer.flush()
