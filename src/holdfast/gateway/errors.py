"""What can keep the gateway from starting or from keeping what a device told it."""

from holdfast.core.errors import HoldfastError


class GatewayError(HoldfastError):
    """The gateway cannot do what it was asked."""

    code = "gateway"


class NotReadyError(GatewayError):
    """The hub's database is missing, or its tables are."""

    code = "gateway-not-ready"
    http_status = 503
    hint = "Start the hub once, so that it makes its database; then start the gateway again."


class StoreError(GatewayError):
    """The database did not take or give something; asking again later may help."""

    code = "gateway-store"
    http_status = 503
    hint = "Look whether the disk is full or another program holds the database."


class StoreFullError(StoreError):
    """The database cannot grow, because the disk is full."""

    code = "gateway-store-full"
    http_status = 507
    hint = "Free some space where the hub keeps its state; devices ask again by themselves."
