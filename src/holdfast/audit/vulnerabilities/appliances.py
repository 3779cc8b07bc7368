"""Vulnerabilities of the product itself: its model, hardware revision and firmware version."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from holdfast.audit.vulnerabilities.database import Database, Exploited
from holdfast.audit.vulnerabilities.identifiers import letters_of
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.ranges import Range, Statement, Status, says
from holdfast.audit.vulnerabilities.revisions import any_revision
from holdfast.audit.vulnerabilities.shapes import STATES, Match, State
from holdfast.audit.vulnerabilities.weighing import Surroundings, any_of, in_words, is_there

_SHORTEST = 4  # letters and digits of a model that is looked for in a text
_MENTIONED = 12  # revisions after one mention of a model


class Named(NamedTuple):
    """A name in the database that stands for a product.

    Attributes:
        name: As in the database.
        fits: Whether the revision in the name, if there is one, is ours; None if unclear.
    """

    name: str
    fits: bool | None


_TAIL = re.compile(
    r"(?:[_ -]?\(?(?:(?:rev(?:ision)?|hw)[._-]?)?((?:[a-z]\d{0,2}|v\d{1,2}|\d{1,2}(?:\.0)?))\)?)?"
    r"(?:_firmware)?"
)
_VENDORS = {
    "dlink": ("dlink", "d-link"),
    "tplink": ("tp-link", "tplink"),
    "asus": ("asus", "asuswrt"),
}


def names_in(database: Database, identity: Identity) -> Iterator[Named]:
    """Find the names under which a database knows a product."""
    vendor = letters_of(identity.vendor)
    written = {vendor, identity.vendor.lower().replace(" ", "_"), *_VENDORS.get(vendor, ())}
    model = identity.model.lower().replace(" ", "_")
    for maker in sorted(written):
        for spelling in sorted({model, model.replace("_", "-"), model.replace("-", "_")}):
            beginning = f"{maker}:{spelling}"
            for name in database.names_from(beginning):
                tail = _TAIL.fullmatch(name[len(beginning) :])
                if tail is None:
                    continue
                fits = any_revision(identity, tail[1]) if tail[1] else True
                if fits is not False:
                    yield Named(name, fits)


def mentioned(identity: Identity, entry: Exploited) -> tuple[bool | None, str]:
    """Tell whether an entry of the exploited catalogue is about this product.

    Args:
        identity: The product.
        entry: An entry of the same maker.

    Returns:
        Whether it is, None if that depends on a revision that is not known; and the words that
        say so.
    """
    words = re.findall(r"[a-z]+|\d+", identity.model.lower())
    if not any(word.isdigit() for word in words) or len("".join(words)) < _SHORTEST:
        return False, ""  # such a model is a word like others
    form = re.compile(
        r"(?<![a-z0-9])" + r"[ _-]?".join(map(re.escape, words)) + r"(?=v\d|[^a-z0-9]|$)"
    )
    mentions = list(_mentions(form, entry))
    if any(revisions for revisions, _ in mentions):
        mentions = [one for one in mentions if one[0]]  # the others only say it shorter
    answer: bool | None = False
    words_there = ""
    for revisions, words_here in mentions:
        fits = {any_revision(identity, one) for one in revisions} or {True}
        if True in fits:
            return True, words_here
        if None in fits:
            answer, words_there = None, words_here
    return answer, words_there


def _mentions(form: "re.Pattern[str]", entry: Exploited) -> Iterator[tuple[list[str], str]]:
    """Give each mention of a model: the revisions behind it, and the words."""
    for text in (entry.product, entry.title, entry.text):
        for found in form.finditer(text.lower()[:4000]):
            revisions, end = _revisions_after(text.lower(), found.end())
            yield revisions, text[found.start() : end].strip()


_FIRST = re.compile(
    r"\s?\(?(?:(?:h/?w|hardware)\s)?(?:(v)|(?:rev(?:ision)?\.?|r)\s?)(\d{1,2}|[a-z]\d?x?)"
    r"(?![\w]|\.\d)"
)
_NEXT = re.compile(
    r"(?:/|,\s?|\s(?:and|or|&)\s)(?:v|rev(?:ision)?\.?\s?|r)?(\d{1,2}|[a-z]\d?x?)(?![\w-]|\.\d)"
)


def _revisions_after(text: str, start: int) -> tuple[list[str], int]:
    """Read `V8/V10`, `rev. B`, `R1` behind the name of a model, and where that ends."""
    found = _FIRST.match(text, start)
    if found is None:
        return [], start
    revisions, end = [found[2]], found.end()
    while (more := _NEXT.match(text, end)) is not None and len(revisions) < _MENTIONED:
        revisions.append(more[1])
        end = more.end()
    return revisions, end


def of_product(
    identity: Identity, database: Database, around: Surroundings
) -> Iterator[tuple[int, Match]]:
    """Find what is published about the product as a whole: number of the record, and match."""
    who = " ".join((identity.vendor, identity.model, *identity.revisions))
    denied: set[int] = set()
    told: dict[int, tuple[State, str, str, str]] = {}
    named = {one.name: one.fits for one in names_in(database, identity)}
    for found in database.statements(named):
        state, reason, fixed_in = _product_state(found.statement, identity, around)
        if state is None:
            denied.add(found.cve)
            continue
        if named[found.product] is None and state == "affected":
            state, reason = "undecided", f"it depends on the hardware revision: {found.product}"
        before = told.get(found.cve)
        if before is None or STATES.index(state) < STATES.index(before[0]):
            told[found.cve] = (state, reason, f"{found.source}: {found.product}", fixed_in)
    for entry in database.exploited(letters_of(identity.vendor)):
        fits, words = mentioned(identity, entry)
        if entry.cve in told or entry.cve in denied or fits is False:
            continue
        reason = "" if fits else f"it depends on the hardware revision: {words or entry.text[:100]}"
        state = "affected" if fits and identity.sure else "undecided"
        if fits and not identity.sure:
            reason = "the model stands on a page only"
        told[entry.cve] = (state, reason, f"kev: {entry.vendor} {words or entry.product}", "")
    for number, (state, reason, because, fixed_in) in told.items():
        yield (
            number,
            Match(
                cve="",
                component="",
                where=next((one for one in identity.where if not one.startswith(":")), ""),
                because=f"{because}; this is {who}, by {', '.join(identity.where)}"[:300],
                fixed_in=fixed_in,
                reach="boot",
                state=state,
                reason=reason[:300],
            ),
        )


def _product_state(
    statement: Statement, identity: Identity, around: Surroundings
) -> tuple[State | None, str, str]:
    """Tell what a statement means for the product; None if it does not concern it."""
    status, why, fixed_in = Status.AFFECTED, "", ""
    every = Range()
    if statement.part == "h":
        # The version of hardware is its revision.
        fits = any_of(any_revision(identity, one.low or "*") for one in statement.ranges)
        status = {True: Status.AFFECTED, None: Status.UNCLEAR, False: Status.UNAFFECTED}[fits]
        why = "it depends on the hardware revision"
    elif any(one != every for one in statement.ranges):
        if identity.version:
            answer = says(statement, identity.version)
            status, why, fixed_in = answer.status, answer.why, answer.fixed_in
        else:
            status, why = Status.UNCLEAR, "it depends on the firmware's version, which is not known"
    elif not statement.ranges:
        status, why = Status.UNCLEAR, statement.note or "the record names no version"
    if status in {Status.UNAFFECTED, Status.UNKNOWN}:
        return None, "", ""
    for demand in statement.demands:
        there = any_of(is_there(one, around) for one in demand)
        if there is False:
            return None, "", ""
        if there is None and status is Status.AFFECTED:
            status, why = Status.UNCLEAR, f"only together with {in_words(demand)}"
    if status is Status.AFFECTED and not identity.sure:
        status, why = Status.UNCLEAR, "the model stands on a page only"
    return ("affected", "", fixed_in) if status is Status.AFFECTED else ("undecided", why, fixed_in)
