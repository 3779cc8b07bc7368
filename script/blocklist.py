"""Build the block lists that Holdfast publishes; see script/blocklist."""
# ruff: noqa: INP001 - a script, not a package

import csv
import io
import lzma
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from holdfast.accounts.blocklist import layout
from holdfast.accounts.blocklist.builder import Builder, lines_of

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "packages/blocklist-sources"
PROBABLE = ROOT / "packages/blocklist-probable/src/holdfast_blocklist_probable"
ACCOUNTS = ROOT / "src/holdfast/accounts"
SEALS = ACCOUNTS / "blocklist/builtin.py"
COMMON_LISTS = ("ignis100k", "django20k", "zxcvbn30k", "ignis-lang")
# The published bot's own table differs from the list in these pairs (typing errors of the list).
MIRAI_ERRATA = {
    ("root", "jauntech"): ("root", "juantech"),
    ("20xbullu", "smcadmin"): ("admin", "smcadmin"),
    ("Administrator", "admin"): ("Administrator", "meinsm"),
    ("root", "000000"): ("root", "00000000"),
    ("admin", "20xbully"): None,
}
MIRAI_MISSING = (("admin", "admin1234"), ("admin", "4321"))
# Published for cameras and home gateways, and in none of the lists.
FURTHER = (
    ("IP camera (telnet)", "root", "ivdev"),
    ("Grain Media IP camera (telnet)", "root", "GM8182"),
    ("Huawei home gateway (telnet)", "root", "adminHW"),
    ("IP camera (telnet)", "root", "20080826"),
    ("IP camera (telnet)", "root", "hkipc2016"),
)
EMPTY = {"<blank>", "(none)"}

Credential = tuple[str, str, str]


def credentials() -> list[Credential]:
    """Give product, user and password of everything that is delivered with a password."""
    found = {*FURTHER, *(("Mirai", *pair) for pair in MIRAI_MISSING)}
    table = lzma.decompress((SOURCES / "default-creds.csv.xz").read_bytes()).decode()
    for row in csv.DictReader(io.StringIO(table)):
        product, user, password = (
            (row[name] or "").strip() for name in ("productvendor", "username", "password")
        )
        found.add((product, _unless_empty(user), _unless_empty(password)))
    for line in lines_of(SOURCES / "mirai60.txt.xz"):
        user, _, password = line.strip().partition(" ")
        pair = MIRAI_ERRATA.get((user, password), (user, password))
        if pair is not None:
            found.add(("Mirai", pair[0], _unless_empty(pair[1])))
    return sorted(one for one in found if "".join(one).isprintable())


def files() -> Iterator[tuple[Path, bytes]]:
    """Give every file that is published, and what it holds."""
    known = credentials()
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(known)
    yield ACCOUNTS / "policy/default-credentials.csv", table.getvalue().encode()
    common = Builder()
    for name in COMMON_LISTS:
        common.add(lines_of(SOURCES / f"{name}.txt.xz"))
    common.add_defaults(password for _, _, password in known)
    built = common.build(name="common", licence="MIT AND BSD-3-Clause")
    yield ACCOUNTS / "blocklist/common.blocklist", built.content
    probable = Builder()
    probable.add(lines_of(PROBABLE / "probable304k.txt.xz"))
    built = probable.build(name="probable", licence="CC-BY-SA-4.0")
    yield PROBABLE / "probable.blocklist", built.content


def with_seals(text: str, made: dict[str, bytes]) -> str:
    """Put the seals of the lists into the code that names them."""
    for name, file in (("SEAL", "common.blocklist"), ("PROBABLE_SEAL", "probable.blocklist")):
        seal = layout.seal_of(made[file][: layout.SEALED_BYTES])
        text = re.sub(rf'(?m)^{name}: Final = "[0-9a-f]*"', f'{name}: Final = "{seal}"', text)
    return text


def main() -> int:
    """Write the files, or tell which of them differ."""
    made = dict(files())
    by_name = {path.name: content for path, content in made.items()}
    made[SEALS] = with_seals(SEALS.read_text(encoding="utf-8"), by_name).encode()
    stale = [path for path, content in made.items() if _before(path) != content]
    for path in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if "--check" not in sys.argv:
            path.write_bytes(made[path])
    return 1 if stale and "--check" in sys.argv else 0


def _unless_empty(text: str) -> str:
    return "" if text in EMPTY else text


def _before(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


if __name__ == "__main__":
    sys.exit(main())
