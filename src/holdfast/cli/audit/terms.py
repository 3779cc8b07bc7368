"""On which terms images are judged, and the judging of one."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from holdfast.audit import child
from holdfast.audit.cache import default_folder
from holdfast.audit.child import Progress, Settings
from holdfast.audit.limits import Limits
from holdfast.audit.model.known_keys import read as read_keys
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.vulnerabilities.database import default_path
from holdfast.core.errors import UsageError
from holdfast.product.profile import read as read_profile

_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How images are judged.

    Attributes:
        live: Whether it is this running system instead.
        settings: All else.
    """

    live: bool
    settings: Settings


def settings(
    *,
    product: Path | None,
    db: Path | None,
    baseline: Path | None,
    limit: list[str],
    cache: Path | None,
    keep: bool,
    known_keys: Iterable[Path] = (),
) -> Settings:
    """Read what the options name.

    Raises:
        ProfileError: The profile has faults.
        ReportError: The baseline is no report.
        UsageError: There is no such limit, the data is missing, or a list of keys has faults.
    """
    if db is None:
        usual = default_path()
        db = usual if usual.exists() else None
    elif not db.is_file():
        raise UsageError(f"{visible(str(db))} is no file with vulnerability data")
    return Settings(
        limits=limits(limit),
        profile=read_profile(product) if product is not None else None,
        baseline=document.read(baseline) if baseline is not None else None,
        database=db,
        known_keys={key: one for path in known_keys for key, one in read_keys(path).items()},
        cache=(cache or default_folder()) if keep else None,
    )


def limits(told: list[str]) -> Limits:
    """Read limits such as `seconds=60` and `memory_bytes=2G`.

    Raises:
        UsageError: One is unknown, or its value is none.
    """
    known = [each.name for each in fields(Limits)]
    values: dict[str, int] = {}
    for text in told:
        name, _, value = text.partition("=")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            error = UsageError(f"there is no limit {visible(name, most=40)!r}")
            error.hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise error
        digits, unit = (value[:-1], value[-1:]) if value[-1:] in "KMG" else (value, "")
        if not (digits.isascii() and digits.isdecimal()) or int(digits[:18]) == 0:
            raise UsageError(f"--limit {name} needs a number above 0, such as {name}=60")
        values[name] = int(digits[:18]) * _UNITS[unit]
    return replace(Limits(), **values)


def judge(path: Path, terms: Terms, progress: Progress) -> Report:
    """Judge one image, or this system.

    Raises:
        SubjectError: It is missing, unreadable, or nothing that can be judged.
        ChildError: The confined child died, or answered nonsense.
    """
    if terms.live:
        return child.judge_live(terms.settings, progress=progress)
    return child.judge(path, terms.settings, progress=progress)
