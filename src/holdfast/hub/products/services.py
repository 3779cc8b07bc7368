"""Every write about products; one transaction each."""

import hashlib

from django.db import transaction

from holdfast.hub.products.models import Product
from holdfast.hub.staff.services import record
from holdfast.product import parse

LARGEST_PROFILE_BYTES = 1 << 20


@transaction.atomic
def take_profile(content: bytes, *, by: str) -> Product:
    """Add a product, or replace the profile of one that is known.

    Args:
        content: The bytes of its product.toml.
        by: Who gave it.

    Raises:
        ProfileError: The profile has faults; every one is named.
    """
    identity = parse(content).identity
    digest = hashlib.sha256(content).hexdigest()
    known = Product.objects.select_for_update().filter(pk=identity.product).first()
    if known is not None and known.profile_sha256 == digest:
        return known
    product = known or Product(id=identity.product)
    product.name = identity.name
    product.vendor = identity.vendor
    product.profile = content.decode()
    product.profile_sha256 = digest
    product.save()
    what = "product.changed" if known else "product.added"
    record(by=by, what=what, subject=product.id, facts={"profile_sha256": digest})
    return product
