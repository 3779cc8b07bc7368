"""How long signed statements hold, and how large they may be."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """For how long a signature of each role is believed.

    Attributes:
        root: Three years: the people who hold root keys meet rarely, and a product that lay in
            a shop for two years must still find a root that holds.
        targets: One year: signed by hand whenever a product is added.
        product: One year: signed by hand with every release; a maker who signs nothing for a
            year has to say once a year that the list still holds.
        snapshot: A month: signed by the hub itself whenever something changes, and before it
            runs out.
        timestamp: Three days: this is how long somebody between hub and device can hide a
            release. Long enough for a hub that fails on a Friday evening.
    """

    root: timedelta = timedelta(days=1095)
    targets: timedelta = timedelta(days=365)
    product: timedelta = timedelta(days=365)
    snapshot: timedelta = timedelta(days=30)
    timestamp: timedelta = timedelta(days=3)


STANDARD = Lifetimes()

RELEASE = timedelta(days=730)
"""How long a release itself may be installed: two years, then only a newer one."""

ROOT_MOST_BYTES = 128 * 1024
TIMESTAMP_MOST_BYTES = 16 * 1024
SNAPSHOT_MOST_BYTES = 256 * 1024
TARGETS_MOST_BYTES = 4 * 1024 * 1024
ROOTS_MOST = 1024
"""So many changes of the root a device catches up with at once."""


def most_bytes(role: str) -> int:
    """Return how long a file of a role may be; nobody sends an endless one."""
    return {
        "root": ROOT_MOST_BYTES,
        "timestamp": TIMESTAMP_MOST_BYTES,
        "snapshot": SNAPSHOT_MOST_BYTES,
    }.get(role, TARGETS_MOST_BYTES)
