"""The five recommendations for each product: what is known, and what is not.

A profile is what the maker declares. It is shown as a declaration and never as proof: a
recommendation is called fulfilled only when nothing about it is unknown.

Source:
    Radware, "5 Recommendations for IoT Manufacturers".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_stubs_ext import StrOrPromise

from holdfast.core.clock import now as present
from holdfast.hub.products import queries as product_queries
from holdfast.hub.products.models import Product
from holdfast.hub.releases import queries as release_queries
from holdfast.hub.releases.models import Release
from holdfast.product import Profile

TITLES: tuple[StrOrPromise, ...] = (
    gettext_lazy("A hardened platform"),
    gettext_lazy("Passwords that hold"),
    gettext_lazy("Signed updates that arrive"),
    gettext_lazy("An ear for researchers"),
    gettext_lazy("Little personal data"),
)
WORDS: dict[str, StrOrPromise] = {
    "good": gettext_lazy("holds"),
    "attention": gettext_lazy("look at this"),
    "bad": gettext_lazy("act now"),
    "unknown": gettext_lazy("not all known"),
}
_SUPPORT_WARNING_DAYS = 365


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about one recommendation.

    Attributes:
        state: `declared` (by the maker, not proved), `good`, `attention`, `bad` or `unknown`.
        text: One sentence.
    """

    state: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Everything the hub knows about one recommendation for one product.

    Attributes:
        number: 1 to 5.
        title: A few words.
        facts: What is known and what is not.
    """

    number: int
    title: StrOrPromise
    facts: tuple[Fact, ...]

    @property
    def state(self) -> str:
        """The worst of the facts; a declaration alone leaves it unknown."""
        states = {fact.state for fact in self.facts}
        for worst in ("bad", "attention", "unknown"):
            if worst in states:
                return worst
        return "good" if "good" in states else "unknown"

    @property
    def word(self) -> StrOrPromise:
        """The state in words."""
        return WORDS[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductView:
    """A product as the home page shows it.

    Attributes:
        product: The product.
        newest: Its newest release, or None.
        recommendations: The five, in order.
    """

    product: Product
    newest: Release | None
    recommendations: tuple[Recommendation, ...]


def products() -> list[ProductView]:
    """Describe every product."""
    now = present()
    roles = {role.role: role for role in release_queries.roles(now)}
    return [_view(found, roles, now) for found in product_queries.products()]


def product(found: Product) -> ProductView:
    """Describe one product."""
    now = present()
    roles = {role.role: role for role in release_queries.roles(now)}
    return _view(found, roles, now)


def _view(
    found: Product, roles: dict[str, release_queries.RoleState], now: datetime
) -> ProductView:
    profile = product_queries.profile_of(found)
    newest = release_queries.newest(found.id)
    unread = Fact("unknown", _("The stored profile cannot be read by this version any more."))
    if profile is None:
        facts: tuple[Iterator[Fact], ...] = tuple(iter((unread,)) for _title in TITLES)
    else:
        facts = (
            _platform(profile, newest),
            _passwords(profile),
            _updates(profile, found, newest, roles, now),
            _researchers(profile),
            _privacy(profile),
        )
    five = tuple(
        Recommendation(number=number, title=title, facts=tuple(each))
        for number, (title, each) in enumerate(zip(TITLES, facts, strict=True), start=1)
    )
    return ProductView(product=found, newest=newest, recommendations=five)


def _platform(profile: Profile, newest: Release | None) -> Iterator[Fact]:
    base = {"name": profile.platform.name, "version": profile.platform.version}
    yield Fact("declared", _("Declared: built on %(name)s %(version)s.") % base)
    on = [service.name for service in profile.services if service.default == "on"]
    names = ", ".join(on) or _("none")
    yield Fact(
        "declared", _("Declared: services running as shipped: %(names)s.") % {"names": names}
    )
    if profile.gui is not None:
        gui = {"user": profile.gui.user, "walls": profile.gui.confinement}
        yield Fact(
            "declared",
            _("Declared: the pages run as %(user)s, confined by %(walls)s.") % gui,
        )
    if newest is None:
        text = _("There is no release yet whose image could be looked into.")
    elif newest.audit_sha256:
        text = _("A report on the image was signed with %(version)s; the hub does not read it yet.")
    else:
        text = _("Nobody has looked into the image of %(version)s: no audit report was given.")
    yield Fact("unknown", text % {"version": newest.version if newest else ""})


def _passwords(profile: Profile) -> Iterator[Fact]:
    facts = {
        "methods": ", ".join(profile.accounts.methods),
        "roles": ", ".join(profile.accounts.roles),
    }
    yield Fact("declared", _("Declared: people are known by %(methods)s.") % facts)
    yield Fact("declared", _("Declared: roles are %(roles)s.") % facts)
    yield Fact("unknown", _("Whether the image holds a built-in password has not been looked at."))


def _updates(
    profile: Profile,
    found: Product,
    newest: Release | None,
    roles: dict[str, release_queries.RoleState],
    now: datetime,
) -> Iterator[Fact]:
    until = {"day": profile.support.until.isoformat()}
    left = (profile.support.until - now.date()).days
    if left < 0:
        yield Fact("bad", _("Support ended on %(day)s.") % until)
    elif left < _SUPPORT_WARNING_DAYS:
        yield Fact("attention", _("Support ends soon, on %(day)s.") % until)
    else:
        yield Fact("declared", _("Declared: security updates until %(day)s.") % until)
    if newest is None:
        yield Fact("unknown", _("No release has been published yet."))
        return
    if newest.product.profile_sha256 != newest.profile_sha256 and newest.profile_sha256:
        yield Fact(
            "attention",
            _("The profile shown is not the one that was signed with %(version)s.")
            % {"version": newest.version},
        )
    yield _signed(roles.get(found.id), newest)
    for role in roles.values():
        if role.state != "good" and role.role in (found.id, *release_queries.KINDS):
            yield _ageing(role)
    yield _arrived(newest)


def _signed(role: release_queries.RoleState | None, newest: Release) -> Fact:
    if role is None:
        return Fact(
            "unknown",
            _("Version %(version)s is listed, but its signatures cannot be read here.")
            % {"version": newest.version},
        )
    facts = {
        "version": newest.version,
        "signed": len(role.signed_by),
        "needed": role.threshold,
    }
    text = _("Version %(version)s is signed by %(signed)d keys; %(needed)d are needed.") % facts
    return Fact("good" if len(role.signed_by) >= role.threshold else "bad", text)


def _ageing(role: release_queries.RoleState) -> Fact:
    facts = {"role": role.role, "days": role.days_left, "day": role.expires.date().isoformat()}
    if role.state == "bad":
        return Fact("bad", _("The list %(role)s is not valid (expires %(day)s).") % facts)
    return Fact("attention", _("The list %(role)s expires on %(day)s.") % facts)


def _arrived(newest: Release) -> Fact:
    counts = release_queries.progress(newest)
    facts = {"done": counts.confirmed, "all": counts.offered, "version": newest.version}
    if not counts.offered:
        return Fact("unknown", _("Version %(version)s was not offered to any device.") % facts)
    text = (
        ngettext(
            "%(done)d of %(all)d device confirmed that it runs %(version)s.",
            "%(done)d of %(all)d devices confirmed that they run %(version)s.",
            counts.offered,
        )
        % facts
    )
    if counts.failed or counts.refused:
        return Fact("attention", text)
    return Fact("good" if counts.confirmed == counts.offered else "unknown", text)


def _researchers(profile: Profile) -> Iterator[Fact]:
    facts = {
        "contact": profile.disclosure.contact.removeprefix("mailto:"),
        "policy": profile.disclosure.policy,
    }
    yield Fact("declared", _("Declared: reports go to %(contact)s.") % facts)
    yield Fact("declared", _("Declared: the policy is at %(policy)s.") % facts)
    yield Fact("unknown", _("Whether reports are answered in time is not measured here yet."))


def _privacy(profile: Profile) -> Iterator[Fact]:
    count = len(profile.personal_data)
    if count:
        names = ", ".join(field.field for field in profile.personal_data)
        text = ngettext(
            "Declared: %(count)d kind of personal data is kept: %(names)s.",
            "Declared: %(count)d kinds of personal data are kept: %(names)s.",
            count,
        ) % {"count": count, "names": names}
    else:
        text = _("Declared: no personal data is kept.")
    yield Fact("declared", text)
    yield Fact("unknown", _("Whether it is deleted in time is not measured here yet."))
