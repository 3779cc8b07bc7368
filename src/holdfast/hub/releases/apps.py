"""Releases in the hub."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from holdfast.hub.navigation import NavItem


class ReleasesConfig(AppConfig):
    """Registers the app."""

    name = "holdfast.hub.releases"
    label = "releases"
    navigation = (
        NavItem(url="releases:list", label=_("Releases"), order=30),
        NavItem(url="releases:keys", label=_("Keys"), order=60),
    )
