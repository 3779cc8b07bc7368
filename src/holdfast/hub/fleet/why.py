"""Why does this device not update? One clear answer, and what it rests on."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from holdfast.hub.fleet import words
from holdfast.hub.fleet.models import Device, LastSeen, Offer
from holdfast.hub.fleet.services import misfit
from holdfast.hub.moments import DAY_MS, HOUR_MS, MINUTE_MS, from_ms, now_ms
from holdfast.hub.products.queries import profile_of
from holdfast.hub.releases.models import Release
from holdfast.updates.offers import ACTIVE, State

_POLLS_MISSED = 4
_SHORTEST_SILENCE_MS = 30 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why a device does not run the newest release, or that it does.

    Attributes:
        code: Stable name of the answer.
        tone: `good`, `attention`, `bad` or `unknown`.
        text: The answer in one or two sentences.
        to_do: What somebody can do about it; empty if nothing is to be done.
        evidence: What the answer rests on, a sentence each.
    """

    code: str
    tone: str
    text: str
    to_do: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    device: Device
    seen_ms: int | None
    latest: Offer | None
    newest: Release | None
    now_ms: int


def why(device: Device) -> Answer:
    """Say why a device does not update, or that it need not."""
    seen = LastSeen.objects.filter(pk=device.pk).first()
    facts = _Facts(
        device=device,
        seen_ms=seen.at_ms if seen else None,
        latest=Offer.objects.select_related("release")
        .filter(device=device)
        .order_by("-pk")
        .first(),
        newest=_newest_fitting(device),
        now_ms=now_ms(),
    )
    answer = _of_device(facts) or _of_offer(facts) or _of_releases(facts)
    return Answer(
        code=answer.code,
        tone=answer.tone,
        text=answer.text,
        to_do=answer.to_do,
        evidence=answer.evidence + _evidence(facts),
    )


def _newest_fitting(device: Device) -> Release | None:
    """Find the newest release that is not withdrawn and made for this hardware."""
    releases = Release.objects.filter(product_id=device.product_id, withdrawn_ms=None)
    for release in releases.order_by("-number")[:50]:
        if device.hardware in release.hardware:
            return release
    return None


def _of_device(facts: _Facts) -> Answer | None:
    device = facts.device
    if device.retired_ms is not None:
        return Answer(
            code="retired", tone="unknown", text=_("It is retired and not let in any more.")
        )
    if facts.seen_ms is None:
        return Answer(
            code="never-seen",
            tone="unknown",
            text=_("It has never been here: it has not polled once since it was registered."),
            to_do=_(
                "Check that it is switched on, that it can reach the gateway, and that it has the"
                " token that was shown when it was registered."
            ),
        )
    silence_ms = facts.now_ms - facts.seen_ms
    poll_s = device.poll_s or device.product.poll_s
    if silence_ms > max(_POLLS_MISSED * poll_s * 1000, _SHORTEST_SILENCE_MS):
        return Answer(
            code="silent",
            tone="attention",
            text=_("It has not been here for %(time)s; it was to call every %(poll)s.")
            % {"time": lasting(silence_ms), "poll": lasting(poll_s * 1000)},
            to_do=_("Check its power and its network; a device that does not call gets nothing."),
        )
    return None


def _of_offer(facts: _Facts) -> Answer | None:
    latest = facts.latest
    if latest is None:
        return None
    state = State(latest.state)
    overtaken = facts.newest is not None and facts.newest.number > latest.release.number
    if state in {State.REFUSED, State.FAILED}:
        return _not_well(facts, latest, state)
    if state is State.INSTALLED:
        return Answer(
            code="installed",
            tone="attention",
            text=_(
                "It says that release %(version)s is installed, but its new system has not"
                " reported that version yet. Only then does it count."
            )
            % {"version": latest.release.version},
            to_do=_("Wait for its restart. If it never comes, look at the device."),
        )
    if state in ACTIVE:
        return _under_way(facts, latest, state)
    if state is State.CANCELLED and not overtaken and _runs_less_than(facts, latest.release):
        return Answer(
            code="cancelled",
            tone="attention",
            text=_("The offer of release %(version)s was closed. %(reason)s")
            % {
                "version": latest.release.version,
                "reason": words.reason(latest.reason_code, latest.reason),
            },
            to_do=_("Offer it again, or a newer release."),
        )
    return None


def _not_well(facts: _Facts, latest: Offer, state: State) -> Answer | None:
    version, running = latest.release.version, facts.device.reported_version
    overcome = misfit(latest.release, facts.device) == "not-newer" and state is State.FAILED
    if overcome or running == version:
        return None
    reason = words.reason(latest.reason_code, latest.reason)
    to_do = words.what_to_do(latest.reason_code)
    if state is State.REFUSED:
        text = _("It refused release %(version)s. %(reason)s")
        code = "refused"
    elif latest.reason_code == "update-unhealthy":
        text = _("It installed release %(version)s and fell back to %(running)s. %(reason)s")
        code = "fell-back"
    else:
        text = _("Release %(version)s failed on it. %(reason)s")
        code = "failed"
    return Answer(
        code=code,
        tone="bad",
        text=text % {"version": version, "running": running or "?", "reason": reason},
        to_do=to_do,
    )


def _under_way(facts: _Facts, latest: Offer, state: State) -> Answer:
    version = {"version": latest.release.version}
    waits = latest.waits_until_ms
    if latest.reason_code:
        return Answer(
            code="held-up",
            tone="attention",
            text=_("Release %(version)s is held up. %(reason)s")
            % (version | {"reason": words.reason(latest.reason_code, latest.reason)}),
            to_do=words.what_to_do(latest.reason_code),
        )
    if state is State.DEFERRED and waits is not None and waits > facts.now_ms:
        return Answer(
            code="deferred",
            tone="attention",
            text=_("Its owner put release %(version)s off until about %(until)s.")
            % (version | {"until": f"{from_ms(waits):%Y-%m-%d %H:%M}"}),
        )
    if state in {State.DEFERRED, State.DOWNLOADED}:
        return _waiting(facts, version)
    if state is State.DOWNLOADING:
        return Answer(
            code="downloading",
            tone="attention",
            text=_("It downloads release %(version)s.") % version,
        )
    if state is State.RETRIEVED:
        return Answer(
            code="retrieved",
            tone="attention",
            text=_("It has read the offer of release %(version)s and not begun to download.")
            % version,
        )
    return Answer(
        code="offered",
        tone="attention",
        text=_("Release %(version)s is offered; the device reads that with its next call.")
        % version,
    )


def _waiting(facts: _Facts, version: dict[str, str]) -> Answer:
    profile = profile_of(facts.device.product)
    if profile is not None and profile.updates.consent == "automatic":
        return Answer(
            code="window",
            tone="attention",
            text=_(
                "Release %(version)s is downloaded and waits for the device's window (%(window)s"
                " local time, unless the owner chose another)."
            )
            % (version | {"window": profile.updates.window}),
        )
    return Answer(
        code="waits-for-owner",
        tone="attention",
        text=_("Release %(version)s is downloaded and waits for the owner's click.") % version,
    )


def _runs_less_than(facts: _Facts, release: Release) -> bool:
    return not misfit(release, facts.device) and facts.device.reported_version != release.version


def _of_releases(facts: _Facts) -> Answer:
    device, newest = facts.device, facts.newest
    if newest is None:
        return Answer(
            code="no-release",
            tone="unknown",
            text=_("There is no release for %(product)s with hardware %(hardware)s.")
            % {"product": device.product_id, "hardware": device.hardware},
            to_do=_("Publish one."),
        )
    if not device.reported_version:
        return Answer(
            code="version-unknown",
            tone="unknown",
            text=_("It calls, but has not said yet which version it runs."),
        )
    if misfit(newest, device) == "not-newer":
        return Answer(
            code="up-to-date",
            tone="good",
            text=_("It runs %(running)s. No newer release fits it.")
            % {"running": device.reported_version},
        )
    return Answer(
        code="not-offered",
        tone="attention",
        text=_("Release %(version)s is newer than %(running)s and was not offered to it.")
        % {"version": newest.version, "running": device.reported_version},
        to_do=_("Offer it on this page or on the page of the release."),
    )


def _evidence(facts: _Facts) -> tuple[str, ...]:
    device, latest = facts.device, facts.latest
    lines = []
    if facts.seen_ms is not None:
        ago = {
            "when": written(from_ms(facts.seen_ms)),
            "ago": lasting(facts.now_ms - facts.seen_ms),
        }
        lines.append(_("Last call: %(when)s, %(ago)s ago.") % ago)
    if device.reported_version:
        lines.append(
            _("Version that its running system reports: %(version)s.")
            % {"version": device.reported_version}
        )
    if latest is not None:
        offered = {"version": latest.release.version, "when": written(from_ms(latest.opened_ms))}
        lines.append(_("Latest offer: release %(version)s, made %(when)s.") % offered)
        if latest.closed_ms is not None:
            lines.append(
                _("That offer ended %(when)s.") % {"when": written(from_ms(latest.closed_ms))}
            )
    if facts.newest is not None:
        lines.append(
            _("Newest release that fits: %(version)s.") % {"version": facts.newest.version}
        )
    return tuple(lines)


def written(moment: datetime) -> str:
    """Write a moment for people."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def lasting(ms: int) -> str:
    """Write how long something lasts, in its largest unit."""
    for unit_ms, one, many in (
        (DAY_MS, "%(number)d day", "%(number)d days"),
        (HOUR_MS, "%(number)d hour", "%(number)d hours"),
        (MINUTE_MS, "%(number)d minute", "%(number)d minutes"),
    ):
        if ms >= unit_ms:
            number = ms // unit_ms
            return ngettext(one, many, number) % {"number": number}
    number = max(0, ms // 1000)
    return ngettext("%(number)d second", "%(number)d seconds", number) % {"number": number}
