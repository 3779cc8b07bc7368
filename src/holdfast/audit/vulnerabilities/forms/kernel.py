"""Kernel stream fixes, as the project linux_kernel_cves publishes them, whole or slimmed down."""

import re

import msgspec

from holdfast.audit.vulnerabilities.ranges import Range, Statement
from holdfast.audit.vulnerabilities.writing import Told, Writer

PRODUCT = "linux:linux_kernel"
_SINCE_GIT = "2.6.12"  # where the history in git begins: mostly written for "not known"
_BOUND = re.compile(r"v?(\d+(?:\.\d+){1,3})(?:-(rc\d+))?(?:-dontuse)?")
_SERIES = re.compile(r"\d{1,2}\.\d{1,3}(?:\.\d{1,3})?")


class Entry(msgspec.Struct):
    """One record; `streams` maps a series to its first fixed release."""

    range: str | None = ""
    affected_versions: str | None = ""
    streams: dict[str, str] = {}


class _Fix(msgspec.Struct):
    fixed_version: str | None = None


Entries = dict[str, Entry]
_ENTRIES = msgspec.json.Decoder(Entries)
_STREAMS = msgspec.json.Decoder(dict[str, dict[str, _Fix]])


class Collection:
    """What several files say of the same records, brought together before it is written."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.entries: Entries = {}

    def take(self, raw: msgspec.Raw | bytes) -> None:
        """Take ranges, with or without streams.

        Raises:
            MsgspecError: It is something else.
        """
        for name, one in _ENTRIES.decode(raw).items():
            mine = self.entries.setdefault(name, Entry())
            mine.range = one.range or one.affected_versions or mine.range
            mine.streams |= one.streams

    def take_streams(self, raw: msgspec.Raw | bytes) -> None:
        """Take the fixing releases of series alone.

        Raises:
            MsgspecError: It is something else.
        """
        for name, streams in _STREAMS.decode(raw).items():
            mine = self.entries.setdefault(name, Entry())
            mine.streams |= {
                series: fix.fixed_version for series, fix in streams.items() if fix.fixed_version
            }

    def write(self, writer: Writer) -> None:
        """Write all of it in place of what was there."""
        if not self.entries:
            return
        writer.start_over("linux-streams")
        for name, one in self.entries.items():
            writer.record("linux-streams", name, [(PRODUCT, statement_of(one))], Told())


def statement_of(one: Entry) -> Statement:
    """Write a record as the kernel's own records are: affected unless a stretch says otherwise."""
    ranges = [
        Range(status="u", low=fixed, high=f"{series}.*", to=True)
        for series, fixed in sorted(one.streams.items())
        if _SERIES.fullmatch(series) and _BOUND.fullmatch(fixed)
    ]
    begin, _, end = (one.range or "").partition(" to ")
    first, last = _BOUND.fullmatch(begin.strip()), _BOUND.fullmatch(end.strip())
    if first is None and last is None:
        note = "neither the commit that brought it in nor the fix is known"
        if "backporting" in (one.range or "").lower():
            note = ""  # of some series only, and those are listed
        return _statement(ranges, default="?", note=note)
    note = ""
    if first is not None and first[1] != _SINCE_GIT:
        ranges.append(Range(status="u", high=_version(first)))
    if last is None:
        note = "no fix is known"
    else:
        ranges.append(Range(status="u", low=_version(last)))
    return _statement(ranges, default="a", note=note)


def _statement(ranges: list[Range], *, default: str, note: str) -> Statement:
    return Statement(
        scheme="linux", default=default, ranges=tuple(ranges), authority=3, part="o", note=note
    )


def _version(found: "re.Match[str]") -> str:
    return f"{found[1]}-{found[2]}" if found[2] else found[1]
