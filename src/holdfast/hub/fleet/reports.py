"""Reading of what devices say: nothing in it is trusted, everything is cleaned and clipped."""

import json
import re
import unicodedata
from dataclasses import dataclass

from holdfast.core.errors import HoldfastError

LINE_LENGTH = 300
DETAILS_MOST = 50
ATTRIBUTES_MOST = 100
NAME_LENGTH = 64
VALUE_LENGTH = 512
_BODY_LENGTH = 1 << 20
# Control, format (invisible, turning text around), surrogates, private use, unassigned.
_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_REASON = re.compile(r"\[([a-z][a-z0-9-]{0,40})\]\s*(.*)")


class ReportError(HoldfastError):
    """What a device sent cannot be read."""

    code = "fleet-report"
    http_status = 400
    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A feedback of the DDI protocol, cleaned.

    Attributes:
        execution: `closed`, `proceeding`, ...; empty if it was none of the protocol's words.
        finished: `success`, `failure` or `none`.
        details: Cleaned texts; at most DETAILS_MOST.
        reason_code: The code of `[code] sentence`, wherever among the details; else empty.
        reason: The sentence after it, or else the last detail.
    """

    execution: str
    finished: str
    details: tuple[str, ...]
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a device says about itself, cleaned.

    Attributes:
        mode: `merge`, `replace` or `remove`.
        values: Names and values; at most ATTRIBUTES_MOST.
    """

    mode: str
    values: dict[str, str]


def clean(value: object, length: int = LINE_LENGTH) -> str:
    """Make one line of visible characters of a text or number; "" of anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        text = value if isinstance(value, str) else str(value)
    except ValueError:  # a number with thousands of digits
        return ""
    text = text[: 4 * length]
    visible = "".join(
        " " if char in "\t\r\n" else char
        for char in text
        if char in "\t\r\n" or unicodedata.category(char) not in _UNSHOWN
    )
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _mapping(body: str) -> dict[str, object]:
    if len(body) > _BODY_LENGTH:
        raise ReportError("longer than anything that makes sense")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ReportError("it is not JSON") from error
    if not isinstance(content, dict):
        raise ReportError("it is not a JSON object")
    return content


def _inside(content: dict[str, object], name: str) -> dict[str, object]:
    inner = content.get(name)
    return inner if isinstance(inner, dict) else {}


def read_feedback(body: str) -> Feedback:
    """Read a feedback.

    Raises:
        ReportError: It is not even a JSON object with a status.
    """
    content = _mapping(body)
    status = _inside(content, "status") or content
    result = _inside(status, "result")
    raw = status.get("details")
    listed = raw if isinstance(raw, list) else [raw]
    lines = (clean(line) for line in listed[:DETAILS_MOST])
    details = tuple(line for line in lines if line)
    execution = clean(status.get("execution"), NAME_LENGTH).lower()
    if not execution:
        raise ReportError("it has no execution")
    finished = clean(result.get("finished", status.get("finished")), NAME_LENGTH).lower()
    code, reason = _reason_of(details)
    return Feedback(
        execution=execution,
        finished=finished if finished in {"success", "failure"} else "none",
        details=details,
        reason_code=code,
        reason=reason,
    )


def _reason_of(details: tuple[str, ...]) -> tuple[str, str]:
    for line in details:
        found = _REASON.match(line)
        if found:
            return found[1], found[2]
    return "", details[-1] if details else ""


def read_attributes(body: str) -> Attributes:
    """Read what a device says about itself.

    Raises:
        ReportError: It is not a JSON object.
    """
    content = _mapping(body)
    data = content.get("data")
    named = data if isinstance(data, dict) else {}
    mode = clean(content.get("mode"), NAME_LENGTH).lower()
    values: dict[str, str] = {}
    for name, value in named.items():
        shown = clean(name, NAME_LENGTH)
        if shown and len(values) < ATTRIBUTES_MOST:
            values[shown] = clean(value, VALUE_LENGTH)
    return Attributes(mode=mode if mode in {"replace", "remove"} else "merge", values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerWish:
    """What a device passes on from its owner; the address is checked by the owners app.

    Attributes:
        action: `subscribe`, `unsubscribe` or whatever was sent, cleaned.
        address: Whatever was sent.
        language: In which the owner reads, or empty.
    """

    action: str
    address: object
    language: str


def read_wish(body: str) -> OwnerWish:
    """Read what a device passes on from its owner.

    Raises:
        ReportError: It is not a JSON object.
    """
    content = _mapping(body)
    return OwnerWish(
        action=clean(content.get("action"), NAME_LENGTH),
        address=content.get("address"),
        language=clean(content.get("language"), NAME_LENGTH),
    )
