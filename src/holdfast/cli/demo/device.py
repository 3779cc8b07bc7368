"""One device of the demonstration, as its maker made it and as it is seen from outside."""

import contextlib
import http.client
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.cli.demo.pinned import PinnedConnection
from holdfast.cli.demo.places import HOST
from holdfast.core.process import run
from holdfast.device.certificate import CertificateError, fingerprint
from holdfast.device.claim import mark_of
from holdfast.device.label import Scanned, scanned

_ASK_TIMEOUT_S = 2.0
_STATUS_TIMEOUT_S = 60.0


def python(*words: str | Path) -> list[str | Path]:
    """Start a module of ours with this same Python."""
    return [sys.executable, "-I", "-m", *words]


def answers(port: int, path: str = "/") -> bool:
    """Tell whether a web server answers on a loopback port, whatever it says."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        connection.getresponse().read(1)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device: where it lies and where it listens.

    Attributes:
        name: Name under which it polls.
        folder: Its folder.
        port: Port of the owner's pages.
        page_port: Port of the page that its software serves.
        gateway_port: Port on which it believes the gateway to be; the tour puts a hostile
            network there.
    """

    name: str
    folder: Path
    port: int
    page_port: int
    gateway_port: int

    @property
    def url(self) -> str:
        """Address of the owner's pages."""
        return f"https://{HOST}:{self.port}"

    @property
    def config(self) -> Path:
        """Its `device.toml`."""
        return self.folder / "device.toml"

    @property
    def label(self) -> Path:
        """Its label, as it would be printed on it, for programs."""
        return self.folder.with_name(f"{self.folder.name}-label.json")

    def scanned(self) -> Scanned:
        """Scan the QR code of its label: address, set-up code and fingerprint."""
        return scanned(json.loads(self.label.read_text())["qr"])

    @property
    def setup_code(self) -> str:
        """The code on its label."""
        if self.label.exists():
            return self.scanned().code
        # Made before labels had a certificate.
        return self.label.with_suffix(".txt").read_text().rpartition(":")[2].strip()

    @property
    def sha256(self) -> str:
        """The fingerprint on its label.

        Raises:
            CertificateError: The device is older than labels with one, and has none yet.
        """
        if self.label.exists():
            return self.scanned().sha256
        return fingerprint(self.folder / "factory/tls-certificate.pem")

    @property
    def button(self) -> Path:
        """Its reset button: pressed while this file holds `1`."""
        return self.folder / "button"

    @property
    def claimed(self) -> bool:
        """Whether it has an owner."""
        return mark_of(self.folder).exists()

    def answers(self) -> bool:
        """Tell whether the owner's pages answer, under the certificate of the label."""
        with contextlib.suppress(OSError, http.client.HTTPException, CertificateError):
            connection = PinnedConnection(
                f"{HOST}:{self.port}", sha256=self.sha256, timeout_s=_ASK_TIMEOUT_S
            )
            with contextlib.closing(connection):
                connection.request("GET", "/claim")
                connection.getresponse().read(1)
                return True
        return False

    def version(self) -> str:
        """Ask the running slot's own page which version it is; empty if nobody answers."""
        with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
            place = json.loads((self.folder / "run/page.json").read_text())
            connection = http.client.HTTPConnection(
                place["host"], place["port"], timeout=_ASK_TIMEOUT_S
            )
            try:
                connection.request("GET", "/version.txt")
                return connection.getresponse().read(64).decode().strip()
            finally:
                connection.close()
        return ""

    def facts(self) -> dict[str, Any]:
        """Ask how it is, as `holdfast device status --json` does."""
        command = python("holdfast.cli", "device", "status", "--json", "--config", self.config)
        done = run(command, timeout_s=_STATUS_TIMEOUT_S, check=False, env=dict(os.environ))
        facts = json.loads(done.stdout or b"{}")
        return facts if isinstance(facts, dict) else {}
