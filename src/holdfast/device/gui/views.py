"""From what the agent says to what a page says: words, order and colour, nothing else."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.device.gui.answers import Offer, Past, State
from holdfast.device.gui.texts import clock, day, days, near, size, when
from holdfast.device.gui.texts import translate as _

NEWS_FOR = timedelta(days=7)
_SILENCE_WORTH_SAYING = timedelta(minutes=10)
_ABOUT_TO_END = timedelta(days=90)

_URGENCY = {
    "low": "No hurry",
    "medium": "Worth installing this week",
    "high": "Serious: install it soon",
    "critical": "Critical: install it today",
}
_STEPS = (
    ("downloading", "Download"),
    ("checking", "Check the manufacturer's signature"),
    ("installing", "Write it beside the version that runs"),
    ("restarting", "Restart"),
    ("proving", "Prove that everything works"),
)
_WORKING = {
    "downloading": ("Downloading version {version}", "{percent} of {size} are here."),
    "checking": (
        "Checking version {version}",
        "Is it whole, and did the manufacturer really sign it for this device?",
    ),
    "installing": (
        "Installing version {version}",
        "It is written beside version {running}, which goes on running.",
    ),
    "restarting": (
        "Restarting with version {version}",
        "The device is restarting. This page comes back by itself.",
    ),
    "proving": (
        "Trying version {version}",
        "It runs. Before it may stay, it has to prove that everything works.",
    ),
}
_TITLES = {
    "offered": "Version {version} was offered",
    "installed": "Version {version} was installed and works",
    "refused": "Version {version} was refused",
    "failed": "Version {version} could not be installed",
    "deferred": "You put version {version} off",
    "cancelled": "Version {version} was taken back by the manufacturer",
    "approved": "You started the installation of version {version}",
    "automatic": "The installation of version {version} began by itself",
}
_NAMELESS = {
    "refused": "An update was refused",
    "failed": "An update could not be installed",
    "cancelled": "An update was taken back by the manufacturer",
    "damaged": "The device lost its notes about updates",
}
_KINDS = {"installed": "calm", "refused": "bad", "failed": "warn", "damaged": "warn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A coloured box: what is the matter, and what to do.

    Attributes:
        kind: `calm`, `note`, `warn` or `bad`.
        title: In a few words.
        lines: Sentences.
        code: For whoever asks the manufacturer.
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """One choice of "later"."""

    days: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """What is new, as the page shows it."""

    version: str
    severity: str
    urgency: str
    notes: str
    fixes: tuple[str, ...]
    fixes_title: str
    size: str
    made: str
    later: tuple[Later, ...]
    bound: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """The update page while nothing is being installed.

    Attributes:
        live: Stage that ends in a moment, so that the page follows it; empty for none.
    """

    kind: str
    headline: str
    sentence: str
    running: str
    live: str = ""
    notices: tuple[Notice, ...] = ()
    offer: OfferView | None = None
    footer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an installation: `past`, `now` or `next`."""

    text: str
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressView:
    """The update page while something is being installed."""

    stage: str
    headline: str
    sentence: str
    percent: int | None
    steps: tuple[Step, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class PastView:
    """One line of the history."""

    kind: str
    title: str
    at: str
    when: str
    lines: tuple[str, ...]
    code: str


def home(state: State, notes: str, *, now: datetime) -> HomeView:
    """Say what runs, what is new and what to do."""
    offer = state.offer
    kind, headline, sentence = _current(state, now=now)
    live = ""
    if offer is not None:
        kind, headline, sentence = _waiting(state, offer, now=now)
        live = state.stage if state.stage == "scheduled" and offer.until is None else ""
    return HomeView(
        live=live,
        kind=kind,
        headline=headline,
        sentence=sentence,
        running=_("Version {version}").format(version=state.running),
        notices=tuple(_notices(state, now=now)),
        offer=None if offer is None else _offer(offer, notes, stage=state.stage, now=now),
        footer=tuple(_footer(state, now=now)),
    )


def progress(state: State) -> ProgressView:
    """Say how far an installation is."""
    headline, sentence = _WORKING[state.stage]
    offer = state.offer
    facts = {
        "version": offer.version if offer else "",
        "running": state.running,
        "percent": f"{state.percent or 0} %",
        "size": size(offer.size_bytes) if offer else "",
    }
    told = _(sentence).format(**facts)
    if state.trouble:
        told = state.trouble_sentence
    order = [name for name, _text in _STEPS]
    at = order.index(state.stage)
    return ProgressView(
        stage=state.stage,
        headline=_(headline).format(**facts),
        sentence=told,
        percent=state.percent if state.stage == "downloading" else None,
        steps=tuple(
            Step(text=_(text), when="past" if index < at else "now" if index == at else "next")
            for index, (_name, text) in enumerate(_STEPS)
        ),
    )


def past(one: Past) -> PastView:
    """Tell something that happened, in words."""
    known = _TITLES if one.version else _NAMELESS
    title = known.get(one.kind, "Something happened to version {version}")
    lines = [line for line in (one.sentence, one.hint) if line]
    return PastView(
        kind=_KINDS.get(one.kind, ""),
        title=_(title).format(version=one.version),
        at=one.at.isoformat(),
        when=when(one.at),
        lines=tuple(lines),
        code=one.code,
    )


def _current(state: State, *, now: datetime) -> tuple[str, str, str]:
    runs = _("Version {version} runs").format(version=state.running)
    if state.checked is None:
        return "note", runs, _("The device has not yet reached the update server.")
    looked = _("Last looked for updates {when}.").format(when=near(state.checked, now=now))
    bad_news = (
        state.last is not None
        and state.last.kind in {"refused", "failed"}
        and now - state.last.at < NEWS_FOR
    )
    if bad_news or state.silent_since is not None or state.trouble:
        return "note", runs, looked
    return "calm", _("Everything is up to date"), f"{runs}. {looked}"


def _waiting(state: State, offer: Offer, *, now: datetime) -> tuple[str, str, str]:
    facts = {
        "version": offer.version,
        "running": state.running,
        "until": near(offer.until, now=now) if offer.until else "",
    }
    if state.stage == "deferred":
        headline = "Version {version} waits"
        sentence = "You put it off until {until}. You can install it at any time."
    elif state.stage == "scheduled":
        headline = "Version {version} will install itself"
        sentence = (
            "It begins {until}, when nobody uses the device. Or install it now."
            if offer.until
            else "It begins in a moment."
        )
    else:
        headline = "Version {version} is ready for you"
        sentence = "Version {running} runs now and goes on running until you decide."
    return "note", _(headline).format(**facts), _(sentence).format(**facts)


def _offer(offer: Offer, notes: str, *, stage: str, now: datetime) -> OfferView:
    bound = ""
    # Put off, `until` is when the owner is asked again; nothing is installed at that moment.
    if offer.until is not None and offer.reason and stage != "deferred":
        bound = _("If you do nothing, it is installed {when}.").format(
            when=near(offer.until, now=now)
        )
    count = offer.fixes_count
    title = (
        _("Closes 1 known weakness")
        if count == 1
        else _("Closes {count} known weaknesses").format(count=count)
    )
    return OfferView(
        version=offer.version,
        severity=offer.severity,
        urgency=_(_URGENCY[offer.severity]),
        notes=notes,
        fixes=offer.fixes,
        fixes_title=title,
        size=size(offer.size_bytes),
        made=day(offer.made),
        later=tuple(
            Later(days=count, text=_("in {days}").format(days=days(count))) for count in offer.later
        ),
        bound=bound,
    )


def _notices(state: State, *, now: datetime) -> list[Notice]:
    shown = []
    if state.clock:
        shown.append(Notice(kind="warn", title=_("The clock looks wrong"), lines=(state.clock,)))
    silent = state.silent_since
    if silent is not None and (state.turned_away or now - silent >= _SILENCE_WORTH_SAYING):
        shown.append(
            Notice(
                kind="warn",
                title=_("The update server does not answer"),
                lines=(
                    _(
                        "No answer since {when}. The device works as always and keeps trying."
                    ).format(when=when(silent)),
                    state.turned_away
                    or _("Look whether the device has a connection to the internet."),
                ),
            )
        )
    if state.trouble:
        shown.append(
            Notice(
                kind="warn",
                title=_("The update is held up"),
                lines=(state.trouble_sentence,),
                code=state.trouble,
            )
        )
    if state.last is not None and now - state.last.at < NEWS_FOR:
        shown.extend(_news(state.last, state, now=now))
    return shown


def _news(last: Past, state: State, *, now: datetime) -> list[Notice]:
    facts = {"version": last.version, "running": state.running, "when": near(last.at, now=now)}
    if last.kind == "installed":
        title = _("Version {version} was installed {when} and works").format(**facts)
        return [Notice(kind="calm", title=title)]
    if last.kind not in {"refused", "failed", "damaged"}:
        return []
    title = (_TITLES if last.version else _NAMELESS)[last.kind]
    safe = _("Version {running} goes on running; nothing of it was changed.").format(**facts)
    return [
        Notice(
            kind=_KINDS[last.kind],
            title=_(title).format(**facts),
            lines=tuple(line for line in (last.sentence, safe, last.hint) if line),
            code=f"{last.code} · {facts['when']}",
        )
    ]


def _footer(state: State, *, now: datetime) -> list[str]:
    lines = []
    if state.vendor and state.support_until is not None:
        until = state.support_until
        text = "{vendor} promises security updates for this device until {day}."
        if until < now.date():
            text = "{vendor} promised security updates until {day}: that time is over."
        noon = datetime(until.year, until.month, until.day, 12, tzinfo=now.tzinfo)
        lines.append(_(text).format(vendor=state.vendor, day=day(noon)))
    if state.mode == "automatic":
        lines.append(
            _("Updates are installed by themselves between {start} and {end}.").format(
                start=state.window[:5], end=state.window[6:]
            )
        )
    return lines


def own_clock(now: datetime) -> str:
    """Say what time it is by the device's clock, for who sets a window."""
    return f"{day(now)}, {clock(now)}"
