"""The page needs nothing else, lets nothing of an image act, and can be read by everybody."""

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

import holdfast.audit.report.page
from holdfast.audit.model.shapes import Component
from holdfast.audit.report.page import render
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Severity
from holdfast.audit.vulnerabilities.shapes import Match
from tests.audit.report.sample import checks, components, fine, found, hostile, model, sample

SHEET = (Path(holdfast.audit.report.page.__file__).parent / "page.css").read_text()
PAGES = {"sample": sample(), "fine": fine(), "hostile": hostile()}
VOID = {"meta", "link", "input", "br", "rect", "circle", "path"}
LINKS = ("#", "data:image/svg+xml,", "https://www.cve.org/CVERecord?id=CVE-")
TEXT, SHAPE = 4.5, 3.0


class Page(HTMLParser):
    """What stands in a page: elements with their attributes, and what each holds of text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(params=list(PAGES))
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render(PAGES[request.param]))


def test_it_is_well_formed(page: Page) -> None:
    assert page.open == []


def test_it_allows_only_its_own_style_and_script(page: Page) -> None:
    (policy,) = (
        each["content"] or ""
        for each in page.all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (text,) = page.texts[tag]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_it_loads_nothing_and_runs_nothing_else(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "embed", "base", "img", "audio", "video"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "src" not in attributes
        link = attributes.get("href") or ""
        assert not link or link.startswith(LINKS)
    assert len(page.all("script")) == 1
    assert not re.search(r"url\(|@import", SHEET)


def test_nothing_of_a_hostile_image_acts() -> None:
    content = render(hostile()).decode()
    assert "document.title='taken'</script><script>" not in content
    body = content.partition("</head>")[2]
    assert "<img" not in content
    for mark in ("\u202e", "\u2066", "\u2067", "\x1b", "\0", "\x07", "\udc80"):
        assert mark not in body
    assert "{{ 7*7 }}" in body
    assert "49{%" not in body
    assert "x" * 1000 not in body


def test_ids_are_unique_and_links_lead_to_them(page: Page) -> None:
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert max(ids.values()) == 1
    inner = {link["href"] or "" for link in page.all("a")}
    lost = {link for link in inner if link.startswith("#") and link[1:] not in ids}
    assert lost == set()
    named = [attributes.get("aria-labelledby") for _, attributes in page.elements]
    assert {name for name in named if name} <= set(ids)


def test_it_can_be_heard(page: Page) -> None:
    (html,) = page.all("html")
    assert html["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1
    for before, after in pairwise(headings):
        assert after <= before + 1, "a level of headings is left out"
    tables = [tag for tag, _ in page.elements if tag in {"table", "caption"}]
    assert tables == ["table", "caption"] * (len(tables) // 2)
    assert all(cell.get("scope") in {"row", "col"} for cell in page.all("th"))
    for each in page.all("svg"):
        assert each.get("aria-hidden") == "true" or each.get("aria-label")
    labels = {label.get("for") for label in page.all("label")}
    for box in page.all("input"):
        assert box["type"] == "checkbox" or box["id"] in labels
    assert page.all("a")[0]["href"] == "#main"


def test_it_says_what_the_report_says() -> None:
    content = render(sample()).decode()
    for words in (
        "11 of 15 checks fail",
        "etc/init.d/S80telnetd.sh:9",
        "at 0x1c4",
        "CVE-2017-14491",
        "Mirai spread by",
        "Replaced with the next board",
        "image@0x0",
        "7.99 bits a byte",
        "Landlock is not in this kernel",
        "kev is 454 days old",
        "linked into another program",
        "EN-5.6-1",
        "known: little black box",
        "nobody knows without a version",
        "valid until 2015-01-01 (over)",
    ):
        assert words in content, words
    assert "Passes" in render(fine()).decode()


def test_without_data_nothing_is_called_free_of_vulnerabilities() -> None:
    content = render(replace(fine(), vulnerability_data=())).decode()
    assert "none was looked for" in content
    assert "none in the data" not in content


def test_what_lies_in_no_root_goes_with_the_main_one() -> None:
    (kernel, *_) = components()
    placed = replace(kernel, where=(":kernel@0x6c/vmlinux@2707",))
    match = Match(cve="CVE-2016-5195", component="linux 2.6.36", where=":kernel@0x6c/vmlinux@2707")
    report = sample(
        model=replace(model(), components=(placed,)),
        others={"initramfs@0x1": replace(model(), components=())},
        vulnerabilities=(match,),
    )
    content = render(report).decode()
    assert "1 open</span>" in content
    assert "none in the data" not in content


def test_further_roots_are_shown_too() -> None:
    report = sample(others={"initramfs@0x100": replace(model(), accounts=())})
    content = render(report).decode()
    assert content.count("In the volume <code><bdi>initramfs@0x100") == 6


def large() -> Report:
    (first, *rest) = checks()
    many = tuple(found(n, f"usr/bin/{n}", "x" * 400, Severity.HIGH) for n in range(5000))
    return sample(
        checks=(replace(first, findings=many), *rest),
        model=replace(
            model(),
            components=tuple(
                Component(name=f"component-{n}", version="1", where=("a",) * 20)
                for n in range(3000)
            ),
        ),
        vulnerabilities=tuple(
            Match(cve=f"CVE-2020-{10000 + n}", component=f"component-{n % 3} 1", title="t" * 300)
            for n in range(5000)
        ),
        notes=("n" * 500,) * 1000,
    )


def test_a_large_report_stays_a_page() -> None:
    content = render(large())
    assert len(content) < 3_000_000
    text = content.decode()
    assert "and 4960 findings more" in text
    assert "2997 components more, which do not listen" in text
    assert "and 2597 components more" in text
    assert "and 950" in text or "1000 notes" not in text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample()) == render(sample())


# ---- colours -----------------------------------------------------------------------------------

PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "accent") for ground in ("ground", "card")),
    ("ink", "sunk", TEXT),
    ("soft", "sunk", TEXT),
    ("accent", "sunk", TEXT),
    ("accent-ink", "accent", TEXT),
    ("accent", "accent-soft", TEXT),
    ("ink", "accent-soft", TEXT),
    ("bad", "accent-soft", TEXT),
    ("good", "accent-soft", TEXT),
    ("good", "good-soft", TEXT),
    ("attention", "attention-soft", TEXT),
    ("bad", "bad-soft", TEXT),
    ("ink", "bad-soft", TEXT),
    ("soft", "bad-soft", TEXT),
    ("bad-ink", "bad", TEXT),
    *((ink, "card", TEXT) for ink in ("good", "attention", "bad")),
    ("edge", "card", SHAPE),
    ("edge", "ground", SHAPE),
    ("bad-bar", "card", SHAPE),
    ("good-bar", "card", SHAPE),
    ("accent", "ground", SHAPE),
]


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
def test_colours_can_be_told_apart(scheme: str, ink: str, ground: str, least: float) -> None:
    light, dark = SHEET.split("prefers-color-scheme: dark", 1)
    palette = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    if scheme == "dark":
        palette |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark.split("}\n}")[0]))
    assert contrast(palette[ink], palette[ground]) >= least
