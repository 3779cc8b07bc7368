"""Text of an image made fit to be shown: nothing in it acts, everything in it can be seen."""

import re
from datetime import UTC, date, datetime

_LONGEST_MARKS = 4
"""So many marks above or below one letter are kept; towers of them paint over other lines."""

_LATIN, _BASIC = 0xFF, 0xFFFF
_STEP = 1024
_SHORT = 9999  # without gaps between its digits

_MARKS = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
    rf"{{{_LONGEST_MARKS}}})"
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def whole(text: str) -> str:
    r"""Make text valid Unicode: a byte that was no UTF-8 becomes `\xNN`."""
    if text.isascii():
        return text
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()


def visible(text: str, *, most: int = 240) -> str:
    r"""Make text fit for a terminal or page: on one line, and nothing in it unseen.

    Control characters, what turns the direction of text, and what has no width are written as
    escapes such as `\x1b` and `\u202e`.

    Args:
        text: Anything.
        most: Characters kept; of a longer text the middle is left out, and how much.
    """
    length = len(text)
    if length > most:
        head, tail = most * 2 // 3, most // 3
        # What is cut off is not looked at: names may be megabytes long.
        return f"{_seen(text[:head])}…[{length - head - tail} more]…{_seen(text[length - tail :])}"
    return _seen(text)


def short(text: str, most: int) -> str:
    """Make text fit for a label of so many characters; its end is told too, if it is cut."""
    if len(text) > most:
        tail = most // 3
        text = f"{text[: most - tail - 1]}…{text[-tail:]}"
    shown = _seen(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _seen(text: str) -> str:
    text = whole(text)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else _escape(letter) for letter in text)
    return text if text.isascii() else _MARKS.sub(r"\1…", text)


def _escape(letter: str) -> str:
    number = ord(letter)
    if number <= _LATIN:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _BASIC else f"\\U{number:08x}"


def size(count: int) -> str:
    """Write a number of bytes for people, in powers of 1024."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < _STEP or unit == "TiB":
            break
        amount /= _STEP
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def day(seconds: int) -> str:
    """Write a moment in seconds since 1970 as a day; "" for what no calendar knows."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def age(since: date, today: date) -> str:
    """Say how long ago a day was."""
    days = (today - since).days
    for length, name in ((365, "year"), (30, "month"), (1, "day")):
        if days >= 2 * length:
            return f"{days // length} {name}s old"
    return "1 day old" if days == 1 else "of today" if days == 0 else "from the future"


def number(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun; digits in groups of three from 10,000 on."""
    digits = f"{count:,}" if count > _SHORT else str(count)
    return f"{digits} {one if count == 1 else many or one + 's'}"
