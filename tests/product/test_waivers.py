"""Waivers in a profile: read with their faults named by line, and shown."""

import sys
from datetime import date
from pathlib import Path

import pytest

from holdfast import product
from holdfast.core.process import run
from holdfast.product import ProfileError

CAMERA = Path(__file__).parents[2] / "examples/camera/product.toml"
ONE = """
[[waivers]]
rule = "telnet-off"
place = "etc/inittab:3"
reason = "Until the next board"
who = "Ada"
until = 2027-01-31
"""


def faults(more: str) -> list[tuple[str, str]]:
    with pytest.raises(ProfileError) as caught:
        product.parse(CAMERA.read_text() + more)
    return [(fault.key, fault.reason) for fault in caught.value.faults]


def test_a_waiver_is_read() -> None:
    own, added = product.parse(CAMERA.read_text() + ONE).waivers
    assert (added.rule, added.place, added.until, added.kind) == (
        "telnet-off",
        "etc/inittab:3",
        date(2027, 1, 31),
        "accepted",
    )
    assert own.who == "Ada Example, product security"


def test_every_fault_is_named() -> None:
    wrong = ONE.replace("telnet-off", "Telnet!").replace("2027-01-31", "1999-01-31")
    assert [key for key, _ in faults(wrong)] == ["waivers[1].rule", "waivers[1].until"]
    misspelt = [key for key, _ in faults(ONE.replace("who", "whom"))]
    assert "waivers[1].whom" in misspelt
    assert faults(ONE + 'kind = "never-mind"\n')[0][0] == "waivers[1].kind"


def test_nothing_is_waived_twice() -> None:
    assert faults(ONE + ONE) == [("waivers[2].rule", "waivers[1] waives it there already")]


def test_it_is_shown() -> None:
    command = [sys.executable, "-c", "from holdfast.cli import main; main()", "product", "show"]
    shown = run([*command, CAMERA], timeout_s=30).stdout.decode()
    assert "component-age" in shown
    assert "Ada Example" in shown
