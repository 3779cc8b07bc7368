"""What came of offering a release, put in words."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_stubs_ext import StrOrPromise

from holdfast.hub.fleet.services import Outcome

REASONS: dict[str, StrOrPromise] = {
    "not-newer": gettext_lazy("run it or something newer already"),
    "other-product": gettext_lazy("are of another product"),
    "other-hardware": gettext_lazy("have a hardware revision that it does not fit"),
    "offered-already": gettext_lazy("are offered it already"),
    "retired": gettext_lazy("are retired"),
}


def outcome_in_words(outcome: Outcome) -> str:
    """Say how many devices were offered the release, and why the others were not."""
    text = ngettext(
        "Offered to %(count)d device.", "Offered to %(count)d devices.", outcome.offered
    ) % {"count": outcome.offered}
    left_out = [
        _("%(count)d %(reason)s") % {"count": count, "reason": REASONS.get(code, code)}
        for code, count in sorted(outcome.left_out.items())
    ]
    if left_out:
        text += " " + _("Not offered, because they: %(list)s.") % {"list": "; ".join(left_out)}
    return text
