"""The label of a device: what its owner needs to claim it, as text, drawing and QR code.

`docs/reference/device-label.md` describes the content of the QR code for other programs.
"""

import base64
import html
import io
import re
import textwrap
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from holdfast import product
from holdfast.accounts.errors import AccountsError
from holdfast.core import clock
from holdfast.core.errors import HoldfastError
from holdfast.device.auth import setup_code
from holdfast.device.certificate import fingerprint, in_groups
from holdfast.device.settings import Settings

VERSION = "1"
"""Version of the content of the QR code; another one is read by other programs."""

_PAGE = "/claim"
_LONGEST = 512
_SHA256_BYTES = 32
_HTTPS_PORT = "443"
_ANY_ADDRESS = frozenset({"0.0.0.0", "[::]", "::", ""})  # noqa: S104 - compared with only
_WIDTH_MM, _HEIGHT_MM, _QR_MM, _QUIET = 100, 50, 46, 4
# A letter of a fixed-width font is 0.6 as wide as it is high: 33 of them fill 53 mm.
_TOP_MM, _LINE_MM, _LETTER, _LINE_LETTERS = 6, 4.4, 0.6, 33
_GROUPS_IN_LINE = 4


class LabelError(HoldfastError):
    """What was scanned or read is not the label of a device."""

    code = "device-label"
    exit_code = 2
    hint = "Scan or type the label again; docs/reference/device-label.md says what is on it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a program learns from the QR code.

    Attributes:
        url: Address of the owner's pages, without path.
        code: Set-up code in groups.
        sha256: Fingerprint of the certificate, 64 hexadecimal digits, lower case.
    """

    url: str
    code: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is printed on one device.

    Attributes:
        vendor: Who made it.
        name: Name of the product for people.
        model: Model as it is sold.
        controller_id: Serial number: the name under which the hub knows it.
        url: Address of the owner's pages.
        code: Set-up code in groups.
        sha256: Fingerprint of the certificate, 64 hexadecimal digits, lower case.
    """

    vendor: str
    name: str
    model: str
    controller_id: str
    url: str
    code: str
    sha256: str

    @property
    def payload(self) -> str:
        """Content of the QR code: an address that a telephone opens, and that pins.

        What stands behind "#" is not sent to any server, nor looked up in the DNS.
        """
        pinned = base64.urlsafe_b64encode(bytes.fromhex(self.sha256)).decode().rstrip("=")
        code = setup_code.normalised(self.code)
        return f"{self.url}{_PAGE}#v={VERSION}&code={code}&sha256={pinned}"

    def lines(self) -> list[str]:
        """Give the text of the label."""
        groups = in_groups(self.sha256).split()
        return [
            self.vendor,
            self.name,
            f"Model {self.model}",
            f"Serial number {self.controller_id}",
            f"Address {self.url}",
            f"Set-up code {self.code}",
            "SHA-256 of its certificate",
            *(
                " ".join(groups[at : at + _GROUPS_IN_LINE])
                for at in range(0, len(groups), _GROUPS_IN_LINE)
            ),
        ]

    def terminal(self) -> str:
        """Give text and QR code for a terminal."""
        drawn = io.StringIO()
        _qr(self.payload).terminal(out=drawn, compact=True)
        return "\n".join([*self.lines(), drawn.getvalue()])

    def svg(self) -> str:
        """Draw the label, 100 mm by 50 mm."""
        code = _qr(self.payload)
        side = _QR_MM / (code.symbol_size(border=_QUIET)[0])
        squares = "".join(
            f"M{x} {y}h1v1h-1z"
            for y, row in enumerate(code.matrix, start=_QUIET)
            for x, dark in enumerate(row, start=_QUIET)
            if dark
        )
        lines = [part for line in self.lines() for part in textwrap.wrap(line, _LINE_LETTERS)]
        step = min(_LINE_MM, _QR_MM / len(lines))
        texts = "".join(
            f'<text x="{_QR_MM + 1}" y="{_TOP_MM + number * step:.2f}">{html.escape(line)}</text>'
            for number, line in enumerate(lines)
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_MM}mm" '
            f'height="{_HEIGHT_MM}mm" viewBox="0 0 {_WIDTH_MM} {_HEIGHT_MM}">'
            f'<rect width="{_WIDTH_MM}" height="{_HEIGHT_MM}" fill="#fff"/>'
            f'<g transform="translate(0 2) scale({side:.5f})"><path d="{squares}"/></g>'
            f'<g font-family="monospace" font-size="{step * _LETTER:.2f}">{texts}</g></svg>\n'
        )

    def plain(self) -> dict[str, Any]:
        """Give everything for programs."""
        return {
            "vendor": self.vendor,
            "name": self.name,
            "model": self.model,
            "controller_id": self.controller_id,
            "url": self.url,
            "setup_code": self.code,
            "sha256": self.sha256,
            "qr": self.payload,
        }


def of(settings: Settings, code: str) -> Label:
    """Put together the label of a device.

    Args:
        settings: The device.
        code: Its set-up code; whether it is the right one is not checked here.

    Raises:
        HoldfastError: The profile or the certificate cannot be read.
    """
    identity = product.read(settings.product).identity
    return Label(
        vendor=identity.vendor,
        name=identity.name,
        model=identity.model,
        controller_id=settings.controller_id,
        url=url_of(settings),
        code=setup_code.in_groups(setup_code.normalised(code)),
        sha256=fingerprint(settings.certificate_file),
    )


def must_fit(settings: Settings, code: str) -> None:
    """Refuse a set-up code that is not the one of this device.

    Raises:
        LabelError: It is another one, or its hash cannot be read.
    """
    # Argon2, which what only reads labels does not need.
    from holdfast.accounts.hashing import costs, passwords  # noqa: PLC0415

    try:
        stored = settings.setup_code_file.read_text(encoding="ascii").strip()
        fits = passwords.verify(
            stored, setup_code.normalised(code), keys=None, cost=costs.FLOOR, now=clock.now()
        ).matches
    except (OSError, ValueError, AccountsError) as error:
        raise LabelError("the hash of this device's set-up code cannot be read") from error
    if not fits:
        wrong = LabelError("this is not the set-up code of this device; no label was made")
        wrong.hint = "Look at the label that was made with the device, or make the device anew."
        raise wrong


def url_of(settings: Settings) -> str:
    """Give the address of the owner's pages: a fixed one, else the device's name."""
    host, _, port = settings.gui_listen.rpartition(":")
    if host in _ANY_ADDRESS:
        host = settings.names[-1]
    return f"https://{host}" if port == _HTTPS_PORT else f"https://{host}:{port}"


def scanned(text: str) -> Scanned:
    """Read the content of a QR code.

    Raises:
        LabelError: It is not one of a device's label.
    """
    wrong = LabelError("this is not the label of a device")
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable():
        raise wrong
    try:
        parts = urlsplit(text)
        fields = parse_qs(parts.fragment, strict_parsing=True, max_num_fields=8)
        (version,), (code,), (pinned,) = (fields[name] for name in ("v", "code", "sha256"))
        digest = base64.b64decode(f"{pinned}=", altchars=b"-_", validate=True)
        port = parts.port
    except (ValueError, KeyError) as error:
        raise wrong from error
    whole = re.fullmatch(rf"[{setup_code.ALPHABET}]{{{setup_code.LENGTH}}}", code)
    named = parts.scheme == "https" and parts.hostname and parts.path == _PAGE and not parts.query
    if version != VERSION or whole is None or not named or "@" in parts.netloc:
        raise wrong
    if len(digest) != _SHA256_BYTES or port == 0:
        raise wrong
    return Scanned(
        url=f"https://{parts.netloc}", code=setup_code.in_groups(code), sha256=digest.hex()
    )


def _qr(payload: str) -> Any:  # noqa: ANN401 - the library has no types
    import segno  # noqa: PLC0415 - what makes labels needs it, what only reads them does not

    return segno.make(payload, error="m", micro=False)
