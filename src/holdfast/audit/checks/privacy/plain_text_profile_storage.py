"""Databases about people that are not encrypted."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.privacy._places import own_hits
from holdfast.audit.checks.privacy._storage import encryption
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="What the product knows of people is stored encrypted",
    why="An SQLite file with names, mail addresses or faces is read by whoever gets the flash, a "
    "backup, or a hole in any program.",
    fix="Encrypt the fields, or the file, with a key that is not beside it.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.4",
        "EN 303 645 5.4-1",
        "CRA Annex I part I (2)(e)",
        "GDPR Art. 32",
    ),
)

OTHERS: Final = re.compile(r"(?:^|/)(?:gpg[^/]*|keyboxd|firefox[^/]*|chrom[^/]*|thunderbird[^/]*)$")
TABLE: Final = re.compile(r"CREATE TABLE\s+(?:IF NOT EXISTS\s+)?[\"'`\[]?(\w{1,40})", re.IGNORECASE)
FIELD: Final = re.compile(
    r"\b(e_?mail|phone|birth\w*|latitude|full_?name|first_?name|postcode|face_\w+)", re.IGNORECASE
)


def run(image: Image) -> Iterator[Finding]:
    """Look for tables about people in databases and in the programs that make them."""
    if next(encryption(image), ""):
        return
    encrypted = {path for path, _ in image.hits("privacy-table-encrypted")}
    for path, hit in own_hits(image, "privacy-table"):
        table, field = TABLE.match(hit.text), FIELD.search(hit.text)
        if path in encrypted or OTHERS.search(path) or table is None or field is None:
            continue
        what = f"table {table[1]} keeps {field[1].lower()} in the clear"
        yield Finding(where=path, what=what, offset=hit.offset)
