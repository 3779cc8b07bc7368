"""Reads about products."""

from functools import lru_cache

from django.db.models import Count, Q, QuerySet

from holdfast.hub.errors import NotFoundError
from holdfast.hub.products.models import Product
from holdfast.product import Profile, ProfileError, parse


def products() -> QuerySet[Product]:
    """Return all products with the number of their devices in use."""
    in_use = Count("devices", filter=Q(devices__retired_ms=None), distinct=True)
    return Product.objects.annotate(device_count=in_use)


@lru_cache(maxsize=256)
def _read(text: str) -> Profile | None:
    try:
        return parse(text)
    except ProfileError:
        return None


def profile_of(product: Product) -> Profile | None:
    """Read the stored profile; None if this version of Holdfast no longer accepts it."""
    return _read(product.profile)


def product_named(product_id: str) -> Product:
    """Return one product.

    Raises:
        NotFoundError: There is none with this id.
    """
    found = Product.objects.filter(pk=product_id).first()
    if found is None:
        error = NotFoundError(f"there is no product {product_id!r}")
        known = ", ".join(Product.objects.order_by("pk").values_list("pk", flat=True))
        error.hint = f"Products here: {known}." if known else "Add its product.toml first."
        raise error
    return found
