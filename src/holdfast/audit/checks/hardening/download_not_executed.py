"""Nothing that was downloaded is run unchecked."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import must_be_followed
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="No start-up or timed script runs what it just downloaded",
    why="Whoever sits on the line, or takes over the server, runs his program on every device.",
    fix="Deliver programs in signed releases only.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=("Article 1.11", "Article 3.8", "EN 303 645 5.4-3", "CRA Annex I part I (2)(f)"),
)
_PIPED = re.compile(
    r"\b(?:wget|curl|uclient-fetch|tftp|ftpget)\b[^|;&]{0,300}\|\s*(?:/bin/)?(?:ba|a|da)?sh\b"
)
_SUBSTITUTED = re.compile(
    r"(?:\bsh\s+-c|\beval|^\.|\bsource)\s+[\"']?[$`(<]+\s*(?:wget|curl|uclient-fetch)\b"
)


def run(image: Image) -> Iterator[Finding]:
    """Look at every command that runs by itself, and at every downloaded file that is run."""
    told = set()
    for step in image.model.start_up.steps:
        if step.started is not Started.NO and (
            _PIPED.search(step.text) or _SUBSTITUTED.search(step.text)
        ):
            told.add(step.where)
            yield Finding(where=step.where, what="runs what it downloads, whoever sent it")
    unclear = ""
    for line in image.model.start_up.fetched:
        where, state, path = line.split(" ", 2)
        if state == "checked:":
            unclear = f"{where} runs {path}, and what is compared before was not understood"
        elif where not in told:
            told.add(where)
            yield Finding(where=where, what=f"runs {path}, which it downloaded before, unchecked")
    if unclear:
        raise Undecided(unclear)
    must_be_followed(image)
