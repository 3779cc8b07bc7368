"""The files that a report becomes: which there are, whether they can be written, writing them."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final

from holdfast.audit.errors import AuditError
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.core.errors import UsageError
from holdfast.core.files import write_whole


class OutputError(AuditError, UsageError):
    """A file cannot be written where it was asked for."""

    code = "audit-output"
    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of a report.

    Attributes:
        file: Name that it has in a folder of all forms.
        module: Where it is written; loaded only when it is.
        function: That takes a report and gives the content.
    """

    file: str
    module: str
    function: str = "render"

    def content(self, report: Report) -> bytes:
        """Write it."""
        write: Callable[[Report], bytes] = getattr(import_module(self.module), self.function)
        return write(report)


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "report": Form(
            file="report.json", module="holdfast.audit.report.document", function="encode"
        ),
        "html": Form(file="report.html", module="holdfast.audit.report.page"),
        "sarif": Form(file="findings.sarif", module="holdfast.audit.report.sarif"),
        "sbom": Form(file="sbom.cdx.json", module="holdfast.audit.sbom.cyclonedx"),
        "spdx": Form(file="sbom.spdx.json", module="holdfast.audit.sbom.spdx"),
        "vex": Form(file="vex.cdx.json", module="holdfast.audit.sbom.vex"),
    }
)


def in_folder(folder: Path) -> dict[str, Path]:
    """Say where every form goes in a folder."""
    return {name: folder / form.file for name, form in FORMS.items()}


def prepare(places: Mapping[str, Path], read: Iterable[Path] = ()) -> None:
    """Refuse what could not be written, before the work begins rather than after it.

    Args:
        places: By the name of the option.
        read: Files that the audit reads, which no report may replace.

    Raises:
        OutputError: A place is no plain file, its folder is missing or closed, or it is used twice.
    """
    taken: dict[Path, str] = {}
    for name, place in places.items():
        shown = visible(str(place))
        try:
            whole = place.parent.resolve(strict=True) / place.name
            _must_be_plain(place)
            _must_be_another(place, read)
            can_write = os.access(place.parent, os.W_OK | os.X_OK)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OutputError(f"{shown} cannot be written: {reason}") from error
        if not can_write:
            raise OutputError(f"{shown} cannot be written: its folder is closed to you")
        if whole in taken:
            raise OutputError(f"--{taken[whole]} and --{name} would write the same file, {shown}")
        taken[whole] = name


def _must_be_plain(place: Path) -> None:
    """Leave folders and devices alone: a file would replace them."""
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(mode):
        raise ValueError("it is no plain file")


def _must_be_another(place: Path, read: Iterable[Path]) -> None:
    for each in read:
        with suppress(FileNotFoundError):
            if place.samefile(each):
                raise ValueError("the audit reads it")


def make_folder(folder: Path) -> None:
    """Make the folder for a set of files, if there is none.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{visible(str(folder))} cannot be made: {reason}") from error


def write(report: Report, places: Mapping[str, Path]) -> None:
    """Write the forms that are asked for; all are made before the first is written.

    Raises:
        OutputError: One cannot be written; it is then as it was before.
        NoSpaceError: The disk is full; likewise.
    """
    made = {place: FORMS[name].content(report) for name, place in places.items()}
    for place, content in made.items():
        try:
            _must_be_plain(place)
            write_whole(place, content)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OutputError(f"{visible(str(place))} cannot be written: {reason}") from error
