"""What can be refused about devices and offers."""

from holdfast.core.errors import HoldfastError


class DeviceError(HoldfastError):
    """A device cannot be registered or changed as asked."""

    code = "fleet-device"
    http_status = 422
    exit_code = 2
    hint = "Correct what is named and try again."


class DeviceExistsError(DeviceError):
    """A device of that name is registered already."""

    code = "fleet-device-exists"
    http_status = 409
    hint = "Choose another name, or make a new token for the device that has it."


class OfferError(HoldfastError):
    """An offer cannot be made or changed as asked."""

    code = "fleet-offer"
    http_status = 409
    exit_code = 2
