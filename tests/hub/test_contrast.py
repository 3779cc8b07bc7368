"""The colours of the hub's pages pass WCAG 2.2 AA, light and dark."""

import re
from pathlib import Path

import pytest

import holdfast.hub

SHEET = (Path(holdfast.hub.__file__).parent / "static/hub/hub.css").read_text()
TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "accent") for ground in ("ground", "card")),
    ("ink", "sunk", TEXT),
    ("soft", "sunk", TEXT),
    ("accent-ink", "accent", TEXT),
    ("accent", "accent-soft", TEXT),
    ("good", "good-soft", TEXT),
    ("attention", "attention-soft", TEXT),
    ("bad", "bad-soft", TEXT),
    ("bad", "card", TEXT),
    ("edge", "card", SHAPE),
    ("edge", "ground", SHAPE),
    ("accent", "ground", SHAPE),
]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_contrast(scheme: str, ink: str, ground: str, least: float) -> None:
    light, dark = SHEET.split("@media (prefers-color-scheme: dark)")[:2]
    palette = colours(light) if scheme == "light" else colours(light) | colours(dark)
    assert contrast(palette[ink], palette[ground]) >= least
