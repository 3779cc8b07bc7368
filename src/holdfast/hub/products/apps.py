"""Products in the hub."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from holdfast.hub.navigation import NavItem


class ProductsConfig(AppConfig):
    """Registers the app."""

    name = "holdfast.hub.products"
    label = "products"
    navigation = (NavItem(url="products:list", label=_("Products"), order=20),)
