"""What the profile of a product says about updates, for the pages and mails of the hub."""

from datetime import datetime, timedelta
from functools import lru_cache

from holdfast.hub.moments import from_ms
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release
from holdfast.product import Profile, ProfileError, parse


@lru_cache(maxsize=64)
def _profile(text: str) -> Profile | None:
    try:
        return parse(text)
    except ProfileError:
        # It was checked when it was uploaded; a profile of an older format is not a reason to
        # stop telling owners about updates.
        return None


def profile_of(product: Product) -> Profile | None:
    """Return the profile of a product; None if this version of Holdfast cannot read it."""
    return _profile(product.profile)


def latest_install(product: Product, release: Release, *, offered_ms: int) -> datetime | None:
    """Return the moment to which an owner can put a release off; None if that is not known.

    Args:
        product: Its profile says for how many days.
        release: Its severity chooses among them.
        offered_ms: When it was offered, milliseconds UTC.
    """
    profile = profile_of(product)
    if profile is None:
        return None
    days = profile.updates.later_days.get(release.severity, 0)
    return from_ms(offered_ms) + timedelta(days=days)
