"""What can be refused about owners' mail."""

from holdfast.core.errors import HoldfastError


class AddressError(HoldfastError):
    """Something that was given as an e-mail address is none we can write to."""

    code = "owner-address"
    http_status = 422
    exit_code = 2
    hint = "Check the address for typing mistakes, or give another one."


class TooManyMailsError(HoldfastError):
    """A device asked for more confirmation mails than one owner needs."""

    code = "owner-too-many-mails"
    http_status = 429
    exit_code = 1
    hint = "Wait a day, and look into the spam folder meanwhile."


class MailSettingsError(HoldfastError):
    """The settings of the mail server do not work as they stand."""

    code = "mail-settings"
    exit_code = 2
    hint = "Correct the part [smtp] of hub.toml."


class DeliveryError(HoldfastError):
    """A mail did not get to the mail server; the text never holds an address."""

    code = "mail-delivery"


class LaterError(DeliveryError):
    """Surely not accepted this time; trying again is safe and may help."""

    code = "mail-later"


class RefusedError(DeliveryError):
    """Surely not accepted, and trying again would not help."""

    code = "mail-refused"


class UnsureError(DeliveryError):
    """Perhaps accepted, perhaps not: trying again could deliver it twice."""

    code = "mail-unsure"


class LinkError(HoldfastError):
    """A link from a mail does not lead anywhere."""

    code = "owner-link"
    http_status = 404
    exit_code = 1
    hint = "Open the link from the newest mail, or leave your address on the device again."
