"""The label: what is on it, and what a program reads out of its QR code."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.device import label as labels
from holdfast.device.label import Label, LabelError, scanned
from holdfast.device.settings import Settings

MADE = Label(
    vendor="Nordlicht Home",
    name="Nordlicht <Gateway> & Co",
    model="NG-200",
    controller_id="gateway-0001",
    url="https://gateway-0001.local",
    code="7K2M-XQ4R-9TBC",
    sha256="3f2a" * 16,
)
CODES = st.text(alphabet="0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=12, max_size=12)


@given(CODES, st.binary(min_size=32, max_size=32), st.sampled_from(["", ":8443", ":1"]))
def test_what_is_printed_is_what_is_scanned(code: str, digest: bytes, port: str) -> None:
    grouped = f"{code[:4]}-{code[4:8]}-{code[8:]}"
    url = f"https://gateway-0001.local{port}"
    made = replace(MADE, code=grouped, sha256=digest.hex(), url=url)
    read = scanned(made.payload)
    assert (read.url, read.code, read.sha256) == (url, grouped, digest.hex())


def test_secrets_stand_behind_the_hash_sign_only() -> None:
    sent, _, kept = MADE.payload.partition("#")
    assert sent == "https://gateway-0001.local/claim"
    assert "7K2MXQ4R9TBC" in kept


@pytest.mark.parametrize(
    "change",
    [
        ("https://", "http://"),
        ("v=1", "v=2"),
        ("v=1&", ""),
        ("/claim", "/clam"),
        ("code=7", "code=U"),
        ("code=7", "code="),
        ("sha256=P", "sha256="),
        ("sha256=", "sha256=AA"),
        ("gateway-0001.local", "a@evil.example"),
        ("gateway-0001.local", ""),
        ("gateway-0001.local", "host:99999"),
        ("gateway-0001.local", "host:0"),
        ("/claim", "/claim?x=1"),
        ("#", "#code=7K2MXQ4R9TBC&"),
        ("#", "#\n"),
    ],
)
def test_what_is_no_label_is_refused(change: tuple[str, str]) -> None:
    assert scanned(MADE.payload)
    with pytest.raises(LabelError):
        scanned(MADE.payload.replace(*change, 1))


@given(st.text(max_size=600))
def test_no_text_breaks_the_scanner(text: str) -> None:
    with pytest.raises(LabelError):
        scanned(text)


def test_drawing_is_well_formed_and_holds_the_text() -> None:
    drawn = ET.fromstring(MADE.svg())  # noqa: S314 - our own text
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert " ".join(text or "" for text in texts) == " ".join(MADE.lines())
    assert all(len(text or "") <= 33 for text in texts)
    long = replace(MADE, controller_id="x" * 128, url=f"https://{'y' * 63}.local:65535").svg()
    places = [float(y) for y in re.findall(r'<text x="47" y="([0-9.]+)"', long)]
    assert max(places) < 50
    assert "x" * 34 not in long
    assert "Set-up code 7K2M-XQ4R-9TBC" in texts
    assert "3F2A 3F2A 3F2A 3F2A" in texts
    (path,) = drawn.iter("{http://www.w3.org/2000/svg}path")
    assert len(re.findall("M", path.attrib["d"])) > 500
    assert "Set-up code 7K2M-XQ4R-9TBC" in MADE.terminal()


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:443", "https://gateway-0001.local"),
        ("[::]:8443", "https://gateway-0001.local:8443"),
        ("192.168.7.1:443", "https://192.168.7.1"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
        ("127.0.0.1:8080", "https://127.0.0.1:8080"),
    ],
)
def test_address_on_the_label(listen: str, url: str) -> None:
    settings = Settings(
        folder=Path("/nowhere"),
        controller_id="Gateway-0001",
        hub_url="http://127.0.0.1:1",
        product=Path("/nowhere/p"),
        gui_listen=listen,
    )
    assert labels.url_of(settings) == url
