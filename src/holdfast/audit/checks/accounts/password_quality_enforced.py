"""Whether weak passwords are refused where somebody changes one on the system itself."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="A new password of a local account is refused if it is weak",
    why="Where anything is taken, owners choose `123456`, and the lists of botnets begin with it.",
    fix="Put pam_pwquality with minlen=12 (or more) and dictcheck into the password stack; or let "
    "nobody log in locally.",
    recommendation=2,
    severity=Severity.MEDIUM,
    sources=("Article 2.1", "EN 303 645 5.1-1", "CRA Annex I part I (2)(d)", "PSTI Sch. 1 para 1"),
)
LEAST: Final = 8
_STACKS: Final = ("etc/pam.d/passwd", "etc/pam.d/common-password", "etc/pam.d/system-auth",
                  "etc/pam.d/password-auth", "etc/pam.d/base-password",
                  "etc/pam.d/chpasswd")  # fmt: skip
_QUALITY: Final = ("pam_pwquality.so", "pam_cracklib.so", "pam_passwdqc.so", "pam_holdfast.so")
_LENGTH: Final = re.compile(r"\bmin(?:len)?=(\d{1,4})\b")


def run(image: Image) -> Iterator[Finding]:
    """Look at what PAM asks of a new password, if a local account can log in at all."""
    if not any(one.service == "system" and one.login for one in image.model.accounts):
        raise NotApplicable("no local account can log in with a password")
    lines = list(_password_lines(image))
    if not lines:
        raise Undecided("there is no password stack of PAM; what the pages refuse is not known")
    asks = [(where, words) for where, words in lines if any(one in words for one in _QUALITY)]
    for where, words in asks or lines:
        if not asks and "pam_unix.so" not in words:
            continue
        length = next((int(m[1]) for word in words if (m := _LENGTH.fullmatch(word))), 0)
        if length < LEAST and (length or not asks):
            told = f"takes passwords of {length} characters" if length else "takes short ones"
            with_what = "" if asks else ", and nothing compares them with a list"
            yield Finding(where=where, what=f"{told}{with_what}")
            return
    if asks:
        return
    raise Undecided("only the length of a new password is checked, or a module that is not known")


def _password_lines(image: Image) -> Iterator[tuple[str, list[str]]]:
    for path in _STACKS:
        for number, line in image.lines(path):
            words = line.split("#", 1)[0].split()
            if words[:1] in (["password"], ["-password"]) and any(".so" in one for one in words):
                yield f"{path}:{number}", [one.rpartition("/")[2] for one in words]
