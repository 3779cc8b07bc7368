"""What happened to a device, and why an offer did not end well, in words."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from holdfast.updates.errors import BY_CODE

SENTENCES: dict[str, StrOrPromise] = {
    "device-registered": gettext_lazy("Registered by %(by)s."),
    "device-retired": gettext_lazy("Retired by %(by)s; it is not let in any more."),
    "token-renewed": gettext_lazy("New token made by %(by)s; the old one opens nothing any more."),
    "offer-made": gettext_lazy("Release %(version)s was offered by %(by)s."),
    "offer-superseded": gettext_lazy("Release %(version)s gave way to release %(newer)s."),
    "offer-cancelled": gettext_lazy("The offer of release %(version)s was cancelled by %(by)s."),
    "release-withdrawn": gettext_lazy("Release %(version)s was withdrawn by %(by)s."),
    "offer-retrieved": gettext_lazy("The device has read the offer of release %(version)s."),
    "offer-downloading": gettext_lazy("It downloads release %(version)s."),
    "offer-downloaded": gettext_lazy("Release %(version)s is downloaded."),
    "offer-progress": gettext_lazy("It says: %(text)s"),
    "offer-deferred": gettext_lazy("The owner put release %(version)s off until %(until)s UTC."),
    "offer-deferred-local": gettext_lazy(
        "The owner put release %(version)s off until %(until)s by the device's own clock."
    ),
    "offer-waiting": gettext_lazy("Release %(version)s waits for the owner."),
    "offer-installed": gettext_lazy(
        "It says that release %(version)s is installed; its new system has yet to confirm it."
    ),
    "offer-confirmed": gettext_lazy("Confirmed: its running system reports %(version)s."),
    "offer-refused": gettext_lazy("It refused release %(version)s. %(reason)s"),
    "offer-failed": gettext_lazy("Release %(version)s failed. %(reason)s"),
    "offer-fell-back": gettext_lazy(
        "It fell back: release %(version)s was installed, but it runs %(running)s. %(reason)s"
    ),
    "offer-overtaken": gettext_lazy(
        "It runs %(running)s, newer than the offered %(version)s; the offer is closed."
    ),
    "offer-device-cancelled": gettext_lazy("It gave up the offer of release %(version)s."),
    "cancel-accepted": gettext_lazy("It has taken note that release %(version)s is cancelled."),
    "cancel-refused": gettext_lazy("It does not cancel release %(version)s: %(text)s"),
    "late-report": gettext_lazy(
        "It reported “%(said)s” about release %(version)s after that offer had ended. %(text)s"
    ),
    "version-first": gettext_lazy("It reports for the first time: it runs %(running)s."),
    "version-changed": gettext_lazy("It now runs %(running)s; before, it ran %(before)s."),
    "version-unclear": gettext_lazy("It reports a version that is none: %(text)s"),
    "attributes-changed": gettext_lazy("It reports new facts about itself: %(names)s."),
    "report-unreadable": gettext_lazy("It sent a report that cannot be read: %(text)s"),
    "offer-unknown": gettext_lazy("It reported about offer %(number)s, which it never had."),
    "report-unclear": gettext_lazy("It sent something unknown: %(text)s"),
    "owner-asked": gettext_lazy("The owner left an address; it waits to be confirmed."),
    "owner-known": gettext_lazy("The owner left the address again that gets mail already."),
    "owner-confirmed": gettext_lazy("The owner confirmed the address and gets mail now."),
    "owner-left": gettext_lazy("The owner gets no more mail."),
    "owner-refused": gettext_lazy("An address that was left was not taken (%(code)s)."),
    "owner-unclear": gettext_lazy("It passed on something about an owner that makes no sense."),
}

CHATTY = frozenset(
    {
        "offer-progress",
        "attributes-changed",
        "report-unreadable",
        "report-unclear",
        "offer-unknown",
        "version-unclear",
        "late-report",
        "owner-refused",
        "owner-unclear",
        "owner-known",
    }
)
"""Lines of little weight that a device can make in any number; the oldest give way."""

REPEATABLE = frozenset(
    {
        "version-changed",
        "offer-deferred",
        "offer-deferred-local",
        "offer-waiting",
        "offer-confirmed",
        "offer-fell-back",
        "cancel-accepted",
        "cancel-refused",
    }
)
"""Lines that matter, and that a device which contradicts itself can make in any number too.

They are counted apart, so that chatter does not push them out.
"""

_OWN_REASONS: dict[str, StrOrPromise] = {
    "no-space": gettext_lazy("There is too little free space on the device."),
    "superseded": gettext_lazy("A newer release took its place."),
    "cancelled": gettext_lazy("It was cancelled by the manufacturer."),
    "withdrawn": gettext_lazy("The release was withdrawn by the manufacturer."),
    "overtaken": gettext_lazy("The device runs something newer already."),
    "retired": gettext_lazy("The device was retired."),
}


_ON_THE_WAY = gettext_lazy(
    "Look at what stands between gateway and device: something changes or cuts what is sent."
)
_FITTING = gettext_lazy("Offer a release that is made for this product and this hardware.")
_KEYS = gettext_lazy("Look at the page Keys: a signed list has run out, or an old one is served.")
_HIGHER = gettext_lazy("Publish that software again under a higher version.")
_FOR_STAFF: dict[str, StrOrPromise] = {
    "update-rollback": _HIGHER,
    "update-same-version": _HIGHER,
    "update-below-floor": _HIGHER,
    "update-wrong-product": _FITTING,
    "update-wrong-hardware": _FITTING,
    "update-expired": _KEYS,
    "update-mixed-metadata": _KEYS,
    "update-metadata": _KEYS,
    "update-clock": gettext_lazy("Look at the clock of the device and where it gets its time."),
    "update-foreign-key": gettext_lazy(
        "Find out who published it: the keys that have a say are on the page Keys."
    ),
    "update-below-threshold": gettext_lazy("Have the missing signatures added and publish again."),
    "update-unknown-release": gettext_lazy("Sign and publish the release, then offer it again."),
    "update-tampered": gettext_lazy(
        "Compare the file in the repository with the signed digest. If they agree, somebody changes"
        " it on its way to the device."
    ),
    "update-too-long": _ON_THE_WAY,
    "update-cut-short": _ON_THE_WAY,
    "update-unhealthy": gettext_lazy(
        "Find out why the new system did not start well on this device before you offer it to more."
    ),
    "no-space": gettext_lazy("Free space on the device, or make the release smaller."),
}


class _Missing(dict[str, object]):
    """Parameters in which a missing one is a question mark: old lines outlive new sentences."""

    def __missing__(self, key: str) -> str:
        return "?"


def reason(code: str, said: str = "") -> str:
    """Say why an offer did not end well: our words if the code is known, and the device's own.

    Args:
        code: As in `[code] sentence`; may be empty or unknown.
        said: What the device said, cleaned.
    """
    kind = BY_CODE.get(code)
    if kind is not None:
        ours = _(kind.sentence)
    elif code in _OWN_REASONS:
        ours = str(_OWN_REASONS[code])
    else:
        return said or _("It gave no reason.")
    return ours if not said or said == ours else f"{ours} ({said})"


def what_to_do(code: str) -> str:
    """Say to the maker's staff what helps against a reason; empty if nothing is known."""
    return str(_FOR_STAFF.get(code, ""))


def sentence(code: str, parameters: Mapping[str, object]) -> str:
    """Put a line of the history in words; an unknown code is shown as it is."""
    known = SENTENCES.get(code)
    if known is None:
        return code
    shown = _Missing(parameters)
    if "reason_code" in parameters or "said" in parameters:
        shown.setdefault(
            "reason", reason(str(parameters.get("reason_code", "")), str(shown.get("said", "")))
        )
    return (str(known) % shown).strip()
