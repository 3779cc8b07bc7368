"""The fleet as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from holdfast.hub.navigation import NavItem


class FleetConfig(AppConfig):
    """Devices, offers and their history."""

    name = "holdfast.hub.fleet"
    label = "fleet"
    verbose_name = _("Devices")
    default_auto_field = "django.db.models.AutoField"
    navigation = (NavItem(url="fleet:devices", label=_("Devices"), order=40),)

    def ready(self) -> None:
        """Give the audit trail the words for what is done to devices."""
        from holdfast.hub.staff.words import SENTENCES  # noqa: PLC0415 - not before the apps

        SENTENCES.update(
            {
                "device.registered": _("The device %(subject)s was registered."),
                "device.retired": _("The device %(subject)s was retired."),
                "device.token_renewed": _("The device %(subject)s got a new token."),
                "offer.cancelled": _("The offer of %(subject)s was cancelled."),
            }
        )
