"""What the agent says, read strictly: the pages never see anything but these objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from holdfast.core.errors import HoldfastError

STAGES = (
    "current",
    "offered",
    "deferred",
    "scheduled",
    "downloading",
    "checking",
    "installing",
    "restarting",
    "proving",
)
WORKING = frozenset({"downloading", "checking", "installing", "restarting", "proving"})
SEVERITIES = ("low", "medium", "high", "critical")


class AnswerError(HoldfastError):
    """A process of the device answered something that makes no sense."""

    code = "gui-answer"
    http_status = 503
    hint = "Restart the device; if it stays so, tell the manufacturer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The release that is offered.

    Attributes:
        version: Its version.
        severity: One of SEVERITIES.
        size_bytes: Length of the download.
        made: When the manufacturer made it.
        fixes: Ids of weaknesses that it closes; the first of them if there are many.
        fixes_count: How many there are.
        later: Numbers of days for which it can be put off.
        until: When something happens by itself, if it does.
        reason: Why it waits, in the agent's words.
    """

    version: str
    severity: str
    size_bytes: int
    made: datetime
    fixes: tuple[str, ...]
    fixes_count: int
    later: tuple[int, ...]
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Something that happened.

    Attributes:
        at: When.
        kind: `installed`, `refused`, `failed`, `deferred`, `cancelled`, ...
        version: Which version it was about; empty if unknown.
        code: Code of the reason; empty if nothing went wrong.
        sentence: The reason in words.
        hint: What to do.
    """

    at: datetime
    kind: str
    version: str
    code: str
    sentence: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the update page shows.

    Attributes:
        product: Name of the product for people.
        vendor: Who made it.
        support_until: Last day of security updates, if known.
        running: Version that runs.
        stage: One of STAGES.
        offer: What is offered.
        percent: How much is downloaded.
        last: What happened last.
        checked: When the hub answered last.
        silent_since: Since when the hub has not answered; None if it does.
        turned_away: Why the hub does not listen although it was reached; empty if it does.
        clock: A warning about the clock; empty if it seems right.
        trouble: Code of what holds the update up for the moment; empty if nothing.
        trouble_sentence: The same in words.
        mode: `ask` or `automatic`.
        window: `HH:MM-HH:MM`.
        address: The owner's address with most letters left out; empty if there is none.
    """

    product: str
    vendor: str
    support_until: date | None
    running: str
    stage: str
    offer: Offer | None
    percent: int | None
    last: Past | None
    checked: datetime | None
    silent_since: datetime | None
    turned_away: str
    clock: str
    trouble: str
    trouble_sentence: str
    mode: str
    window: str
    address: str


def moment(value: object) -> datetime | None:
    """Read whole milliseconds since 1970, UTC."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def state_of(answer: Mapping[str, Any]) -> State:
    """Read the answer to `update.state`.

    Raises:
        AnswerError: It makes no sense.
    """
    try:
        product, hub = answer["product"], answer["hub"]
        preferences, trouble = answer["preferences"], answer["trouble"]
        support = product["support_until"]
        return State(
            product=_text(product["name"]),
            vendor=_text(product["vendor"]),
            support_until=date.fromisoformat(support) if support else None,
            running=_text(answer["running"]["version"]),
            stage=_one_of(answer["stage"], STAGES),
            offer=_offer(answer["offer"]) if answer["offer"] is not None else None,
            percent=_percent(answer["percent"]),
            last=past_of(answer["last"]) if answer["last"] is not None else None,
            checked=moment(hub["answered_ms"]),
            silent_since=moment(hub["silent_since_ms"]),
            turned_away=_text(hub["turned_away"]),
            clock=_text(answer["clock"]),
            trouble=_text(trouble["code"]),
            trouble_sentence=_text(trouble["sentence"]),
            mode=_one_of(preferences["mode"], ("ask", "automatic")),
            window=_text(preferences["window"]),
            address=_text(answer["address"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnswerError("The part of the device that looks after updates is confused.") from error


def past_of(one: Mapping[str, Any]) -> Past:
    """Read one entry of the history.

    Raises:
        AnswerError: It makes no sense.
    """
    try:
        return Past(
            at=_moment(one["at_ms"]),
            kind=_text(one["kind"]),
            version=_text(one["version"]),
            code=_text(one["code"]),
            sentence=_text(one["sentence"]),
            hint=_text(one["hint"]),
        )
    except (KeyError, TypeError) as error:
        raise AnswerError("The history of this device cannot be read.") from error


def _offer(one: Mapping[str, Any]) -> Offer:
    return Offer(
        version=_text(one["version"]),
        severity=_one_of(one["severity"], SEVERITIES),
        size_bytes=int(one["size_bytes"]),
        made=_moment(one["made_ms"]),
        fixes=tuple(_text(fix) for fix in one["fixes"]),
        fixes_count=int(one["fixes_count"]),
        later=tuple(int(days) for days in one["later"]),
        until=moment(one["until_ms"]),
        reason=_text(one["reason"]),
    )


def _moment(value: object) -> datetime:
    read = moment(value)
    if read is None:
        raise TypeError
    return read


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _one_of(value: object, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError
    return str(value)


def _percent(value: object) -> int | None:
    return None if value is None else max(0, min(100, int(str(value))))
