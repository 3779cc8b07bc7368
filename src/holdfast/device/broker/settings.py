"""The few settings that the launcher hands the broker. Standard library only."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

CONTROL_FD = 4
"""Where the broker finds the pipe through which it asks the launcher for a restart."""

PROOF_FD = 5
"""Where broker and auth find the key with which the owner's proofs are made and judged."""

ASK_RESTART = b"restart\n"


class Settings(NamedTuple):
    """What the broker has to know.

    Attributes:
        folder: Folder of the device.
        product: Id of the product that the device is.
        hardware: Hardware revision of the device.
        image_bytes: Largest image that is accepted.
        idle_s: Seconds without a call after which the broker exits.
        uids: Uid of each process by name; empty where all run as one user.
    """

    folder: Path
    product: str
    hardware: str
    image_bytes: int
    idle_s: int = 30
    uids: Mapping[str, int] = MappingProxyType({})

    @property
    def boot_file(self) -> Path:
        """Which slot is good, which is tried."""
        return self.folder / "boot" / "boot.json"

    @property
    def incoming(self) -> Path:
        """The broker's own copy of what was staged."""
        return self.folder / "broker" / "incoming"

    @property
    def journal(self) -> Path:
        """Who asked for what."""
        return self.folder / "broker" / "journal.jsonl"

    @property
    def proofs(self) -> Path:
        """Which proofs of the owner were used in the last minute."""
        return self.folder / "broker" / "proofs.json"

    @property
    def trusted(self) -> Path:
        """The verifier's memory of signed metadata."""
        return self.folder / "verifier" / "trusted"

    @property
    def factory_root(self) -> Path:
        """The root of trust that the device was made with."""
        return self.folder / "factory" / "root.json"

    @property
    def health_file(self) -> Path:
        """What the launcher found about the health of the running slot."""
        return self.folder / "run" / "health.json"

    def slot(self, name: str) -> Path:
        """Folder of one slot."""
        return self.folder / "slots" / name

    def names(self, own: int) -> dict[int, frozenset[str]]:
        """Say for whom each uid stands; without uids of their own for all of them."""
        everybody = frozenset({"agent", "auth", "gui", "root"})
        if not self.uids:
            return {own: everybody, 0: everybody}
        callers = {self.uids[name]: frozenset({name}) for name in ("agent", "auth", "gui")}
        return {0: frozenset({"root"}), **callers}


def pack(settings: Settings) -> str:
    """Write settings as JSON, for a command line."""
    plain = {"folder": str(settings.folder), "uids": dict(settings.uids)}
    return json.dumps(settings._asdict() | plain)


def unpack(text: str) -> Settings:
    """Read what `pack` wrote."""
    raw = json.loads(text)
    return Settings(**{**raw, "folder": Path(raw["folder"])})
