"""The rules: one module each, whose file name is its id (`telnet_off.py` is `telnet-off`)."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding

FOLDERS = ("hardening", "accounts", "updates", "disclosure", "privacy")


class Check(NamedTuple):
    """One rule.

    Attributes:
        rule: Its id.
        about: What it says of itself.
        run: Looks at an image; yields findings, raises `NotApplicable` or `Undecided`.
    """

    rule: str
    about: About
    run: Callable[[Image], Iterator[Finding]]


@cache
def every() -> Mapping[str, Check]:
    """Load all checks by id, in the order of recommendation and name."""
    found: dict[str, Check] = {}
    for folder in FOLDERS:
        package = importlib.import_module(f"{__name__}.{folder}")
        for each in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
            if each.name.startswith("_"):
                continue  # shared between checks of a folder
            module = importlib.import_module(f"{package.__name__}.{each.name}")
            rule = each.name.replace("_", "-")
            found[rule] = Check(rule, module.ABOUT, module.run)
    return MappingProxyType(found)
