"""Whether security.txt is one."""

from collections.abc import Iterator
from datetime import UTC, datetime

from holdfast.audit.checks.disclosure._texts import security_txts
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="security.txt can be read by programs, and is not over",
    why="Researchers and authorities read it by program; one that is over is thrown away.",
    fix="Write Contact and Expires as RFC 9116 has them, and renew it with each release.",
    recommendation=4,
    severity=Severity.LOW,
    sources=("Article 4.2", "EN 303 645 5.2-1", "CRA Annex I part II (6)", "RFC 9116"),
)

SCHEMES = ("mailto:", "https://", "tel:")


def run(image: Image) -> Iterator[Finding]:
    """Check the fields that RFC 9116 demands."""
    found = security_txts(image)
    if not found:
        raise NotApplicable("there is no security.txt in the image")
    for path in found:
        yield from _judged(image, path)


def _judged(image: Image, path: str) -> Iterator[Finding]:
    expires: list[tuple[int, str]] = []
    for number, line in image.lines(path):
        name, mark, text = line.partition(":")
        field, value = name.strip().lower(), text.strip()
        if not mark or line.startswith("#"):
            continue
        if field == "contact" and not value.lower().startswith(SCHEMES):
            yield Finding(where=f"{path}:{number}", what="Contact is no mailto:, https: or tel:")
        elif field == "expires":
            expires.append((number, value))
    if len(expires) != 1:
        yield Finding(where=path, what=f"has {len(expires) or 'no'} Expires, must have one")
        return
    number, value = expires[0]
    until = _moment(value)
    if until is None:
        yield Finding(where=f"{path}:{number}", what="Expires is no moment as RFC 3339 writes it")
    elif until < image.now:
        yield Finding(where=f"{path}:{number}", what=f"was over on {until:%Y-%m-%d}")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
