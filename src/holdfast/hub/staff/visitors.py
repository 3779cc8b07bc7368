"""Where a request comes from, for the brake on guessing passwords."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """Return the visitor's address, as far as it can be known.

    Behind a proxy on this machine, which alone can end TLS for the hub, the last entry of
    `X-Forwarded-For` is what that proxy saw. Everything before it, and the whole header without
    such a proxy, is whatever the visitor wrote.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    try:
        if settings.HUB.secure and ip_address(peer).is_loopback:
            forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
            return str(ip_address(forwarded.rpartition(",")[2].strip()))
    except ValueError:
        pass
    return peer
