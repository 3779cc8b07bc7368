"""Owners and their mail as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from holdfast.hub.navigation import NavItem


class OwnersConfig(AppConfig):
    """Subscriptions of owners and the mails sent to them."""

    name = "holdfast.hub.owners"
    label = "owners"
    verbose_name = _("Owners")
    default_auto_field = "django.db.models.AutoField"
    navigation = (NavItem(url="owners:mails", label=_("Mails"), order=50),)
