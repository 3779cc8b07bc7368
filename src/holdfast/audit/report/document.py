"""The report as a file: written the same each time, read as the input that it is."""

import os
import re
import stat
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.audit.errors import ReportError
from holdfast.audit.model.shapes import Model
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible, whole

MOST_BYTES: Final = 256 * 1024**2
"""No report is longer; what is longer is another file."""

_SHA256 = re.compile(r"(?:[0-9a-f]{64})?")
_DECODER = msgspec.json.Decoder(Report)


def encode(report: Report) -> bytes:
    r"""Write a report as JSON, ending in a line feed; bytes that are no UTF-8 as `\xNN`."""
    try:
        return msgspec.json.encode(report) + b"\n"
    except UnicodeEncodeError:
        return msgspec.json.encode(_whole(msgspec.to_builtins(report))) + b"\n"


def _whole(value: Any) -> Any:  # noqa: ANN401 - any JSON; no deeper than the shapes
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value


def decode(content: bytes, *, name: str = "the report") -> Report:
    """Read a report.

    Args:
        content: JSON; whoever wrote it is not trusted.
        name: What errors call it.

    Raises:
        ReportError: It is not a report, or contradicts itself.
    """
    if len(content) > MOST_BYTES:
        raise ReportError(f"{name} is longer than {MOST_BYTES} bytes")
    try:
        report = _DECODER.decode(content)
        msgspec.msgpack.encode(report)  # refuses numbers and text that nobody else can take
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise ReportError(f"{name} is no report of an audit: {visible(str(error))}") from error
    if (wrong := contradiction(report)) is not None:
        raise ReportError(f"{name} contradicts itself: {wrong}")
    return report


def read(path: Path) -> Report:
    """Read a report from a file.

    Raises:
        ReportError: It cannot be read, is not a report, or contradicts itself.
    """
    name = visible(str(path), most=200)
    try:
        # Non-blocking, since the open of a pipe would wait for a writer.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ReportError(f"{name} is no plain file")
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ReportError(f"{name} cannot be read: {reason}") from error
    return decode(content, name=name)


def looks_like_one(path: Path) -> bool:
    """Tell whether a file may be a report rather than an image, by how it begins."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b'{"format":1,')
    except OSError:
        return False


def contradiction(report: Report) -> str | None:
    """Say what in a report cannot be; None if all of it can.

    Whoever takes a report from a confined child asks this too, since pages and lists rely on it.
    """
    moments = [report.made]
    for each in report.vulnerability_data:
        moments += [each.imported, each.published or each.imported]
    if any(moment.tzinfo is None for moment in moments):
        return "a moment has no time zone"
    if not _SHA256.fullmatch(report.subject.sha256):
        return "the digest of its subject is none"
    if any(not _SHA256.fullmatch(each.sha256) for each in report.files):
        return "the digest of a file is none"
    for model in (report.model, *report.others.values()):
        if (wrong := _lost(model)) is not None:
            return wrong
    return None


def _lost(model: Model) -> str | None:
    steps = model.start_up.steps
    if any(step.id != index for index, step in enumerate(steps)):
        return "the steps of its start-up are not numbered one after the other"
    count = len(steps)
    if any(not 0 <= end < count for edge in model.start_up.edges for end in edge):
        return "its start-up leads to a step that is not there"
    if any(not 0 <= step < count for each in model.listeners for step in each.steps):
        return "a listener is started by a step that is not there"
    return None
