"""The product profile, read from `product.toml`; everything else is driven by it."""

from holdfast.product.errors import ProfileError, ProfileExistsError
from holdfast.product.profile import Profile, parse, read
from holdfast.product.starter import Starter, write_new

__all__ = [
    "Profile",
    "ProfileError",
    "ProfileExistsError",
    "Starter",
    "parse",
    "read",
    "write_new",
]
