"""The configuration files of OpenWrt, `/etc/config/*`."""

import re
from dataclasses import dataclass, field
from typing import Final

MOST_LINES: Final = 20_000
_WORD = re.compile(r"'([^']*)'|\"([^\"]*)\"|([^\s'\"#]+)|(#.*)")


@dataclass(slots=True)
class Section:
    """One `config TYPE 'NAME'`.

    Attributes:
        type: Of the section.
        name: Its name, or `cfgN` if it has none.
        line: Where it begins, from 1.
        options: Values by name; an option has one, a list any number.
        lines: Where each of them stands first.
    """

    type: str
    name: str
    line: int
    options: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """Give an option; lists are joined by blanks as the shell functions do."""
        return " ".join(self.options[name]) if name in self.options else default

    def is_on(self, name: str, *, default: bool) -> bool:
        """Read a switch as OpenWrt does."""
        value = self.get(name)
        if value in {"1", "on", "true", "yes", "enabled"}:
            return True
        return default if value not in {"0", "off", "false", "no", "disabled"} else False


def parse(text: str) -> list[Section]:
    """Read a file; lines that make no sense are left out."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        words = _words(line)
        if not words:
            continue
        keyword, rest = words[0], words[1:]
        if keyword == "config" and rest:
            name = rest[1] if len(rest) > 1 else f"cfg{len(sections) + 1:02d}"
            sections.append(Section(rest[0], name, number))
        elif keyword in {"option", "list"} and len(rest) > 1 and sections:
            options = sections[-1].options
            if keyword == "option":
                options[rest[0]] = [rest[1]]
            else:
                options.setdefault(rest[0], []).append(rest[1])
            sections[-1].lines.setdefault(rest[0], number)
    return sections


def _words(line: str) -> list[str]:
    words = []
    for match in _WORD.finditer(line):
        if match[4] is not None:
            break
        words.append(next(group for group in match.groups() if group is not None))
    return words
