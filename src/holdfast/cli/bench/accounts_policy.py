"""Which passwords are refused, and what that costs."""

import json
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from statistics import median

from holdfast.accounts.blocklist import builtin, layout
from holdfast.accounts.blocklist.builder import Builder, Built, lines_of
from holdfast.accounts.blocklist.reader import BlockList, Lists
from holdfast.accounts.normal import normalised
from holdfast.accounts.policy import (
    SHORTEST,
    SHORTEST_WITH_SECOND,
    Context,
    PasswordRefusedError,
    must_be_usable,
    suggest,
)
from holdfast.cli.bench import accounts_crackers, accounts_habits
from holdfast.cli.bench.accounts_variants import variant
from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.figures import Figure, Figures
from holdfast.core.process import run

PACKAGES = Path("packages")
SOURCES = PACKAGES / "blocklist-sources"
PROBABLE = PACKAGES / "blocklist-probable/src/holdfast_blocklist_probable"
COMMON_LISTS = ("ignis100k", "django20k", "zxcvbn30k", "ignis-lang")
GENERATED = 100_000
HELD_OUT_WORDS = 5_000
VARIANTS_OF_EACH = 4
CHECKS = 20_000
HOSTILE_ROUNDS = 20

_SEED = 20_25
_MB = 1_000_000
_CONTEXT = Context(
    user="ada", vendor="Acme", product="home-gateway", model="HG-200", serial="HG200-0012345",
    host="gateway", email="ada@example.test",
)  # fmt: skip
# Run in an interpreter of its own: what a resident process has already, then what this adds.
_RESIDENT = """
import json, re, sys
import holdfast.core.errors
from pathlib import Path
def resident():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1])
before = resident()
from holdfast.accounts.blocklist import builtin
from holdfast.accounts.policy import Context, PasswordRefusedError, must_be_usable
lists = builtin.opened([(Path(path), seal) for path, seal in json.loads(sys.argv[1])])
for number in range(2000):
    try:
        must_be_usable(f"{number * 7919}Passw0rd{number}!", Context(), lists)
    except PasswordRefusedError:
        pass
print((resident() - before) * 1024)
"""


def measure() -> Figures:
    """Measure the policy with the built-in list and the one under CC BY-SA together."""
    if not SOURCES.is_dir():
        raise BenchError("Run this at the top of a checkout: packages/ holds the lists.")
    lists = builtin.opened([(PROBABLE / "probable.blocklist", builtin.PROBABLE_SEAL)])
    try:
        return {
            **_refusals(lists),
            **_needless(lists),
            **_costs(lists),
            **_file(),
            **_memory(),
        }
    finally:
        lists.close()


def _refusals(lists: Lists) -> Figures:
    known = {line.strip() for path in _sources() for line in lines_of(path)}
    figures: Figures = {}
    for name, shortest, second in (
        ("listed_refused_percent", SHORTEST, False),
        ("listed_refused_with_second_factor_percent", SHORTEST_WITH_SECOND, True),
    ):
        long_enough = [one for one in known if shortest <= len(normalised(one)) <= 256]  # noqa: PLR2004
        share = _refused(long_enough, lists, second=second)
        figures[name] = Figure(share, least=100)
        figures[f"{name.removesuffix('_percent')}_tried"] = Figure(len(long_enough))
    return figures | _held_out()


def _held_out() -> Figures:
    """Build a list from one source alone, and try variants of the words of another.

    The table of marks was extended after the first run of the first generator (76.5 %), and edits
    were added after that of the second; the third was run when both were done.
    """
    builder = Builder()
    builder.add(lines_of(PROBABLE / "probable304k.txt.xz"))
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        lists = _opened(builder.build(name="held out", licence="none"), Path(folder))
        try:
            return {
                "variants_refused_percent": Figure(_refused_of(variant, lists), least=89),
                "cracker_variants_refused_percent": Figure(
                    _refused_of(accounts_crackers.variant, lists)
                ),
                "habit_variants_refused_percent": Figure(
                    _refused_of(accounts_habits.variant, lists)
                ),
            }
        finally:
            lists.close()


def _refused_of(generator: Callable[[str, Random], str], lists: Lists) -> float:
    chance = Random(_SEED)  # noqa: S311 - the same variants each time
    made = {generator(word, chance) for word in _common_words() for _ in range(VARIANTS_OF_EACH)}
    tried = sorted(one for one in made if len(one) >= SHORTEST_WITH_SECOND)
    return _refused(tried, lists, second=True)


def _common_words() -> list[str]:
    found = []
    for line in lines_of(SOURCES / "ignis100k.txt.xz"):
        word = line.strip().lower()
        if word.isascii() and word.isalpha() and len(word) >= 4:  # noqa: PLR2004 - a word
            found.append(word)
        if len(found) == HELD_OUT_WORDS:
            break
    return found


def _needless(lists: Lists) -> Figures:
    chance = Random(_SEED)  # noqa: S311 - the same texts each time
    marks = string.ascii_letters + string.digits + string.punctuation
    kinds: dict[str, Callable[[], str]] = {
        "passphrases": suggest,
        "random_15_characters": lambda: "".join(chance.choices(marks, k=15)),
        "random_12_digits": lambda: "".join(chance.choices(string.digits, k=12)),
    }
    return {
        f"{name}_refused_of_100000": Figure(
            sum(_is_refused(make(), lists, second=True) for _ in range(GENERATED)), most=0
        )
        for name, make in kinds.items()
    }


def _costs(lists: Lists) -> Figures:
    chance = Random(_SEED)  # noqa: S311 - the same texts each time
    words = _common_words()
    typed = [suggest() for _ in range(CHECKS // 2)]
    typed += [variant(chance.choice(words), chance) for _ in range(CHECKS // 2)]
    chance.shuffle(typed)
    took = [_seconds(one, lists) for one in typed]
    hostile = [
        "@" * 128 + "1!" * 64, "a" + "1" * 255, "1" * 255 + "a", "ab" * 128, "4dm1n" * 51,
        "P@55w0rd!" * 28, "!1" * 100 + "x" + "1!" * 20, "\ufdfa" * 14, "a\u0301" * 128,
        "".join(chance.choices("01!|$@345789", k=200)) + "q" + "7" * 40,
        "q1z!vkwqzxjkvw", "99qxz1vkw.q!xjkvw99",
    ]  # fmt: skip
    worst = max(min(_seconds(one, lists) for _ in range(HOSTILE_ROUNDS)) for one in hostile)
    return {
        "check_median_us": Figure(round(median(took) * 1e6, 1), most=200),
        "check_99th_us": Figure(round(sorted(took)[len(took) * 99 // 100] * 1e6, 1)),
        "check_hostile_us": Figure(round(worst * 1e6, 1)),
    }


def _file() -> Figures:
    begun = time.monotonic()
    builder = Builder()
    for path in _sources():
        builder.add(lines_of(path))
    built = builder.build(name="union", licence="CC-BY-SA-4.0")
    took = time.monotonic() - begun
    different = len({line.strip().casefold() for path in _sources() for line in lines_of(path)})
    return {
        "union_entries": Figure(different),
        "union_kept": Figure(built.tally.kept),
        "union_file_mb": Figure(round(len(built.content) / _MB, 3), most=1.3),
        "build_s": Figure(round(took, 2), most=5),
        "builtin_file_mb": Figure(round(builtin.PATH.stat().st_size / _MB, 3)),
    }


def _memory() -> Figures:
    path = (PROBABLE / "probable.blocklist").absolute()
    wanted = json.dumps([[str(path), builtin.PROBABLE_SEAL]])
    done = run([sys.executable, "-I", "-c", _RESIDENT, wanted], timeout_s=60)
    return {"resident_mb": Figure(round(int(done.stdout) / _MB, 2), most=2)}


def _sources() -> Iterable[Path]:
    yield from (SOURCES / f"{name}.txt.xz" for name in COMMON_LISTS)
    yield PROBABLE / "probable304k.txt.xz"


def _opened(built: Built, folder: Path) -> Lists:
    path = folder / "built.blocklist"
    path.write_bytes(built.content)
    seal = layout.seal_of(built.content[: layout.SEALED_BYTES])
    return Lists(BlockList(path, seal=seal))


def _refused(tried: list[str], lists: Lists, *, second: bool) -> float:
    refused = sum(_is_refused(one, lists, second=second) for one in tried)
    return round(100 * refused / len(tried), 2)


def _is_refused(password: str, lists: Lists, *, second: bool) -> bool:
    try:
        must_be_usable(password, _CONTEXT, lists, second_factor=second)
    except PasswordRefusedError:
        return True
    return False


def _seconds(password: str, lists: Lists) -> float:
    begun = time.perf_counter()
    _is_refused(password, lists, second=True)
    return time.perf_counter() - begun
