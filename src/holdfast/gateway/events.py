"""What devices say, read and cleaned: bytes in, frozen objects out.

Nothing that says how an update ended is refused. Real clients send far more than the protocol
allows: SWUpdate sends its log with raw control characters, and a hub that answered with an error
would be sent the same again for ever. So feedback is always accepted. What is too long is cut,
what is not printable is replaced, and what is no JSON at all is still searched for the words that
say how the update ended.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.gateway.errors import GatewayError

EXECUTIONS = frozenset(
    {
        "closed",
        "proceeding",
        "scheduled",
        "resumed",
        "download",
        "downloaded",
        "canceled",
        "rejected",
    }
)
RESULTS = frozenset({"success", "failure", "none"})
MODES = frozenset({"merge", "replace", "remove"})

DETAILS_MOST = 50
DETAIL_CHARACTERS = 1_000
ATTRIBUTES_MOST = 100
KEY_CHARACTERS = 128
VALUE_CHARACTERS = 4_000
ADDRESS_CHARACTERS = 320
_NUMBER_MOST = (1 << 31) - 1

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_CODE = re.compile(r"\s*\[[a-z][a-z-]{0,40}\]")
# Unescaped quotes only: a text inside a string cannot pass for the field itself.
_EXECUTION = re.compile(rb'(?<!\\)"execution"\s{0,20}:\s{0,20}"([a-z]{1,20})"')
_FINISHED = re.compile(rb'(?<!\\)"finished"\s{0,20}:\s{0,20}"([a-z]{1,20})"')
# Signs that turn the direction of the text around them could make a log say something else.
_UNSEEN = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


class UnreadableError(GatewayError):
    """What a device sent is not what this address takes."""

    code = "gateway-unreadable"
    http_status = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One report on an action.

    Attributes:
        execution: One of `EXECUTIONS`.
        finished: One of `RESULTS`.
        details: At most `DETAILS_MOST` cleaned lines.
        code: Number that the client attached, or None.
        progress: Steps done and steps in all, or None.
        warning: What was wrong with the report; empty if nothing.
    """

    execution: str
    finished: str
    details: tuple[str, ...] = ()
    code: int | None = None
    progress: tuple[int, int] | None = None
    warning: str = ""

    @property
    def terminal(self) -> bool:
        """Whether the device is done with the action: such a report must never be lost."""
        return self.execution in {"closed", "canceled"}

    def body(self) -> dict[str, object]:
        """Give what the event's JSON holds."""
        return {
            "execution": self.execution,
            "finished": self.finished,
            "details": self.details,
            "code": self.code,
            "progress": self.progress,
            "terminal": self.terminal,
            "warning": self.warning,
        }


def clean(text: str, most: int) -> str:
    """Cut a text and replace what cannot be printed or could mislead a reader."""
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(
            " " if unicodedata.category(sign) in {"Cc", "Cs", "Cn", "Co"} or sign in _UNSEEN
            else sign
            for sign in shown
        )  # fmt: skip
    return shown if len(text) <= most else f"{shown} …"


def read_feedback(content: bytes, *, cut: bool) -> Feedback:
    """Read a report, whatever it is.

    Args:
        content: The body; head and tail of it if it was too long.
        cut: Whether something was left out between them.
    """
    value = None if cut else _parse(content)
    if value is None:
        what = "longer than is read" if cut else "not JSON"
        return _salvaged(content, f"the report is {what}")
    status = _table(_table(value).get("status"))
    result = _table(status.get("result"))
    execution, finished = status.get("execution"), result.get("finished")
    warnings = []
    if not isinstance(execution, str) or execution not in EXECUTIONS:
        warnings.append("the report names no known execution")
        execution = "proceeding"
    if not isinstance(finished, str) or finished not in RESULTS:
        if finished is not None:
            warnings.append("the report names no known result")
        finished = "none"
    details, left_out = _details(status.get("details"))
    if left_out:
        warnings.append(f"{left_out} lines were left out")
    progress = _table(result.get("progress"))
    done, steps = _number(progress.get("cnt")), _number(progress.get("of"))
    return Feedback(
        execution=execution,
        finished=finished,
        details=details,
        code=_number(status.get("code")),
        progress=None if done is None or steps is None else (done, steps),
        warning="; ".join(warnings),
    )


def read_attributes(content: bytes) -> dict[str, object]:
    """Read what a device says of itself; gives `mode` and `data`, cleaned and cut.

    Raises:
        UnreadableError: It is no JSON object with an object `data` in it.
    """
    value = _parse(content)
    given = _table(value).get("data")
    if not isinstance(given, dict):
        raise UnreadableError("the body must be a JSON object with an object `data`")
    mode = _table(value).get("mode")
    attributes: dict[str, str] = {}
    for key, one in given.items():
        if len(attributes) >= ATTRIBUTES_MOST:
            break
        if isinstance(one, (dict, list)):
            continue
        text = json.dumps(one) if isinstance(one, (bool, int, float)) else str(one or "")
        attributes[clean(key, KEY_CHARACTERS)] = clean(text, VALUE_CHARACTERS)
    known = isinstance(mode, str) and mode in MODES
    body: dict[str, object] = {"mode": mode if known else "merge", "data": attributes}
    left_out = len(given) - len(attributes)
    if left_out:
        body["warning"] = f"{left_out} attributes were left out"
    return body


def read_owner_address(content: bytes) -> dict[str, object]:
    """Read an owner's wish to be written to, or no longer to be.

    Raises:
        UnreadableError: The address or the action is missing or no text of that kind.
    """
    value = _table(_parse(content))
    address, action = value.get("address", ""), value.get("action")
    if action not in ("subscribe", "unsubscribe"):  # a set would hash it
        raise UnreadableError("`action` must be subscribe or unsubscribe")
    whole = isinstance(address, str) and address.isprintable()
    if not whole or len(address) > ADDRESS_CHARACTERS:
        raise UnreadableError("`address` must be an e-mail address")
    # Which addresses mail can be sent to is the hub's to say.
    if action == "subscribe" and "@" not in address.strip():
        raise UnreadableError("`address` must be an e-mail address")
    wish: dict[str, object] = {"address": address.strip(), "action": action}
    language = value.get("language")
    if isinstance(language, str) and _LANGUAGE.fullmatch(language):
        wish["language"] = language
    return wish


def _parse(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON strictly, else leniently; None if it is none."""
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):
        pass
    try:
        # Raw control characters in strings, wrong bytes and lone surrogates are common in logs.
        return json.loads(content.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= _NUMBER_MOST else None


def _details(value: object) -> tuple[tuple[str, ...], int]:
    """Keep coded reasons, the beginning and the end; say how many lines were left out."""
    given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    lines = [line for line in given if isinstance(line, str)]
    if len(lines) > DETAILS_MOST:
        # A reason in our own form decides how the hub reads the report, wherever it stands.
        coded = [line for line in lines[DETAILS_MOST // 2 :] if _CODE.match(line)][:1]
        head = lines[: DETAILS_MOST // 2]
        tail = lines[len(head) + len(coded) - DETAILS_MOST :]
        kept = [*head, *coded, *tail][:DETAILS_MOST]
    else:
        kept = lines
    return tuple(clean(line, DETAIL_CHARACTERS) for line in kept), len(given) - len(kept)


def _salvaged(content: bytes, warning: str) -> Feedback:
    """Find the words that say how it ended in something that is no whole JSON."""
    executions = [word.decode() for word in _EXECUTION.findall(content)]
    results = [word.decode() for word in _FINISHED.findall(content)]
    execution = executions[-1] if executions else ""
    finished = results[-1] if results else ""
    text = content[: 4 * DETAIL_CHARACTERS].decode("utf-8", "replace")
    return Feedback(
        execution=execution if execution in EXECUTIONS else "proceeding",
        finished=finished if finished in RESULTS else "none",
        details=(clean(text, DETAIL_CHARACTERS),) if text else (),
        warning=warning,
    )
