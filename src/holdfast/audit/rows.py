"""From the source that a check names to the row of the requirement register.

`holdfast.evidence` keeps the register; this module knows only how its ids are built.
"""

import re

_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Article ([0-5]\.\d+)"), r"R\1"),
    (re.compile(r"EN 303 645 (5\.\d+-\d+[AB]?|6-\d+[AB]?)"), r"EN-\1"),
    (re.compile(r"CRA Annex I part I \((\d)\)(?:\((\w)\))?"), r"CRA-I.1.\1\2"),
    (re.compile(r"CRA Annex I part II \((\d)\)"), r"CRA-I.2.\1"),
    (re.compile(r"PSTI Sch\. 1 para (\d)"), r"PSTI-\1"),
    (re.compile(r"EN 18031 ([A-Z]{3})"), r"RED-\1"),
    (re.compile(r"GDPR Art\. (\d+(?:\.\w+)?)"), r"GDPR-\1"),
)


def row_of(source: str) -> str | None:
    """Give the id of the register's row, for example `EN-5.6-1`; None for other sources."""
    for form, row in _FORMS:
        if (match := form.fullmatch(source)) is not None:
            return match.expand(row)
    return None
