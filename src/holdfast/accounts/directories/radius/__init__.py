"""Central login by RADIUS: over UDP with signed packets, or over TLS (RadSec)."""

from holdfast.accounts.directories.radius.directory import RadiusDirectory

__all__ = ["RadiusDirectory"]
