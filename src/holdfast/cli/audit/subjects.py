"""What the words of the command line name: images, root file systems, folders of images."""

import os
import stat
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import typer

from holdfast.audit.errors import SubjectError
from holdfast.audit.report.texts import number, visible
from holdfast.cli.audit import SUBCOMMANDS

MOST: Final = 100_000
_RELEASE: Final = "release.json"
_ROOT_MARKS: Final = frozenset({"bin", "sbin", "usr", "lib"})
_ROOT_NAMES: Final = _ROOT_MARKS | {"dev", "etc", "lib64", "proc", "root", "sys", "system", "var"}
_LEAST_NAMES: Final = 4
"""So many of those names are no folder of images, even where the one with the settings is gone."""
# What lies beside images in download folders, and is none.
_OTHERS: Final = frozenset(
    {".txt", ".md", ".pdf", ".html", ".htm", ".json", ".asc", ".sig", ".sha256", ".sha1", ".md5",
     ".sha512", ".xml", ".csv", ".log", ".toml", ".yaml", ".yml", ".png", ".jpg"}
)  # fmt: skip


def subjects(named: Sequence[Path], *, each: bool, as_root: bool) -> list[Path]:
    """Find everything that is to be judged, each thing once.

    Args:
        named: As on the command line.
        each: Take every folder for a folder of images.
        as_root: Take every folder for a root file system.

    Raises:
        SubjectError: Something is missing, unreadable, empty, or neither a file nor a folder.
    """
    found: dict[Path, Path] = {}
    for path in named:
        for one in _meant(path, each=each, as_root=as_root):
            found.setdefault(one.resolve(), one)
            if len(found) > MOST:
                raise SubjectError(f"more than {MOST} images are too many for one call")
    return list(found.values())


def _meant(path: Path, *, each: bool, as_root: bool) -> Iterator[Path]:
    shown = visible(str(path))
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            if as_root or (not each and _is_one(path)):
                next(path.iterdir(), None)  # refuses a folder that is closed
                yield path
            else:
                yield from _inside(path)
            return
    except OSError as error:
        place = visible(str(error.filename or path))
        refusal = SubjectError(f"{place} cannot be opened: {error.strerror or error}")
        near = get_close_matches(str(path), SUBCOMMANDS, n=1)
        refusal.hint = f"Did you mean `holdfast audit {near[0]}`?" if near else ""
        raise refusal from error
    except ValueError as error:  # NUL in a name
        raise SubjectError(f"{shown} cannot be opened: {error}") from error
    if not stat.S_ISREG(about.st_mode):
        raise SubjectError(f"{shown} is neither a file nor a folder")
    if about.st_size == 0:
        raise SubjectError(f"{shown} is empty")
    if not os.access(path, os.R_OK):
        raise SubjectError(f"{shown} cannot be opened: you may not read it")
    yield path


def _is_one(folder: Path) -> bool:
    """Tell whether a folder is a root file system or a release, rather than full of images."""
    names = {one.name for one in folder.iterdir()}
    return (
        _RELEASE in names
        or ("etc" in names and bool(names & _ROOT_MARKS))
        or len(names & _ROOT_NAMES) >= _LEAST_NAMES
    )


def _inside(folder: Path) -> Iterator[Path]:
    """Give the images of a folder and of those below, links not followed, in order."""
    left_out = count = 0
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        with os.scandir(here) as names:
            entries = sorted(names, key=lambda one: one.name)
        below = []
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                left_out += 1
            elif entry.is_dir(follow_symlinks=False):
                if _is_one(path):
                    count += 1
                    yield path
                else:
                    below.append(path)
            elif (
                not entry.is_file(follow_symlinks=False)
                or path.suffix.lower() in _OTHERS
                or entry.stat(follow_symlinks=False).st_size == 0
            ):
                left_out += 1
            else:
                count += 1
                yield path
        waiting += reversed(below)
    if count == 0:
        raise SubjectError(f"{visible(str(folder))} holds no image")
    if left_out:
        typer.echo(
            f"{visible(str(folder))}: {number(left_out, 'name')} left out that "
            f"{'is' if left_out == 1 else 'are'} no image",
            err=True,
        )
