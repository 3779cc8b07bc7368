"""No rule drives people to write passwords down, and none cuts a long one short."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Nobody must change a password regularly, mix characters, or keep it short",
    why="Forced changes and forced symbols bring forth `Summer2026!`; a limit of length keeps "
    "password managers and passphrases out.",
    fix="Take PASS_MAX_DAYS, PASS_MAX_LEN and the negative credits of pam_pwquality out; keep a "
    "minimal length and a list of what is too common.",
    recommendation=2,
    severity=Severity.LOW,
    sources=("Article 2.2", "Article 2.3", "EN 303 645 5.1-3"),
)
A_YEAR: Final = 366
ENOUGH: Final = 64  # characters that everybody may use
_LOGIN: Final = re.compile(r"\s*(PASS_MAX_DAYS|PASS_MAX_LEN|ENCRYPT_METHOD)\s+(\S+)")
_CREDIT: Final = re.compile(r"\s*([dulo]credit)\s*=\s*-[1-9]")
_CLASSES: Final = re.compile(r"\s*minclass\s*=\s*[2-9]")
_MAXIMUM: Final = re.compile(r"max(?:len)?=(\d{1,4})")


def run(image: Image) -> Iterator[Finding]:
    """Look at login.defs, the settings of pam_pwquality, and the password stacks."""
    if not any(one.service == "system" and one.login for one in image.model.accounts):
        raise NotApplicable("no local account can log in with a password")
    quality = [
        node.path
        for node in image.tree.glob(
            "etc/security/pwquality.conf", "etc/security/pwquality.conf.d/*.conf"
        )
    ]
    stacks = [node.path for node in image.tree.glob("etc/pam.d/*")]
    if not stacks and not quality and image.tree.resolve("etc/login.defs") is None:
        raise NotApplicable("the image has no rules for passwords")
    yield from _of_lines(image, ["etc/login.defs"], _limits)
    yield from _of_lines(image, quality, _demands)
    yield from _of_lines(image, stacks, _of_stack)


def _of_lines(image: Image, paths: Iterable[str], judge: Callable[[str], str]) -> Iterator[Finding]:
    for path in paths:
        for number, line in image.lines(path):
            if what := judge(line.split("#", 1)[0]):
                yield Finding(where=f"{path}:{number}", what=what)


def _demands(text: str) -> str:
    asks = _CREDIT.match(text) or _CLASSES.match(text)
    return f"demands kinds of characters ({text.strip()[:60]})" if asks else ""


def _limits(line: str) -> str:
    """Judge a line of login.defs."""
    match = _LOGIN.match(line)
    name, value = (match[1], match[2]) if match else ("", "")
    if name == "ENCRYPT_METHOD":
        return "only the first 8 characters count (DES)" if value.upper() == "DES" else ""
    if not value.isdecimal():
        return ""
    if name == "PASS_MAX_DAYS" and 0 < int(value[:6]) < A_YEAR:
        return f"a password must be changed every {int(value[:6])} days"
    if name == "PASS_MAX_LEN" and 8 < int(value[:6]) < ENOUGH:  # noqa: PLR2004 - 8 is for DES only
        return f"no password may be longer than {int(value[:6])} characters"
    return ""


def _of_stack(line: str) -> str:
    """Judge a line of PAM."""
    words = line.split()
    for word in words if words[:1] == ["password"] else ():
        match = _MAXIMUM.fullmatch(word)
        if match is not None and int(match[1]) < ENOUGH:
            return f"no password may be longer than {match[1]} characters"
        if what := _demands(word):
            return what
    return ""
