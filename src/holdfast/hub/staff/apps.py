"""Staff in the hub."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from holdfast.hub.navigation import NavItem


class StaffConfig(AppConfig):
    """Registers the app."""

    name = "holdfast.hub.staff"
    label = "staff"
    navigation = (
        NavItem(url="staff:home", label=_("Home"), order=10),
        NavItem(url="staff:trail", label=_("Trail"), order=70),
        NavItem(url="staff:tokens", label=_("Tokens"), order=80),
        NavItem(url="staff:accounts", label=_("Accounts"), order=85),
    )
