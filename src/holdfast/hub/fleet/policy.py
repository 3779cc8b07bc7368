"""What the profile of a product says about updates, for the pages and mails of the hub."""

from datetime import datetime, timedelta

from holdfast.hub.moments import from_ms
from holdfast.hub.products.models import Product
from holdfast.hub.products.queries import profile_of
from holdfast.hub.releases.models import Release


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
