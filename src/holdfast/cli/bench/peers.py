"""Other tools on the same images in the same run: binwalk opens, cve-bin-tool names software.

Both are started as programs and nothing of them is imported. Each gets a home and a working folder
of its own that are removed afterwards, and no network.
"""

import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from holdfast.cli.bench import machine
from holdfast.cli.bench.errors import BenchError
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run

VERSION: Final = "3.4"
LOCK: Final = Path("requirements/bench-audit.txt")
HOME: Final = Path("var/bench/cve-bin-tool")
_LONGEST_S: Final = 900.0
_INSTALL_S: Final = 1200.0
_SOURCES: Final = "NVD,OSV,GAD,RSD,REDHAT,CURL,EPSS,PURL2CPE"

Figures = dict[str, Any]


# --- binwalk ----------------------------------------------------------------------------------


def binwalk(image: Path) -> Figures:
    """Let binwalk open an image, and count what came out; says why if it cannot run."""
    program = which("binwalk")
    if program is None:
        return {"missing": "binwalk is not installed (apt-get install binwalk)"}
    with _apart() as (folder, environment):
        command = [program, "-e", "-M", "-q", "-C", str(folder / "out"), str(image.absolute())]
        if os.geteuid() == 0:
            command[1:1] = ["--run-as=root"]  # it refuses to start its extractors otherwise
        try:
            done = machine.timed(
                command, timeout_s=_LONGEST_S, environment=environment, folder=folder, watch=True
            )
        except BenchError as error:
            return {"failed": str(error)}
        found = [path for path in (folder / "out").rglob("*") if path.is_file()]
        roots = [
            path for path in (folder / "out").rglob("etc")
            if path.is_dir() and ((path.parent / "bin").exists() or (path.parent / "sbin").exists())
        ]  # fmt: skip
        return {
            "version": _debian_version("binwalk"),
            "seconds": done.seconds,
            "rss_mb": done.rss_mb,
            "exit_code": done.exit_code,
            "files": len(found),
            "root_file_systems": len(roots),
        }


def _debian_version(package: str) -> str:
    try:
        done = run(["dpkg-query", "-W", "-f", "${Version}", package], timeout_s=10, check=False)
    except HoldfastError:
        return ""
    return done.stdout.decode()


# --- cve-bin-tool -----------------------------------------------------------------------------


def cve_bin_tool(tree: Path) -> Figures:
    """Let cve-bin-tool name the software in an unpacked root file system.

    Only its checkers are asked: its database is empty. Where it fails on the whole tree it gets
    the compiled programs alone. Says why if it cannot run.
    """
    try:
        program = _installed()
        whole = _named(program, tree)
        if "failed" not in whole:
            return whole
        with TemporaryDirectory(prefix="holdfast-peer-") as name:
            _copy_programs(tree, Path(name))
            return {**_named(program, Path(name)), "compiled_programs_only": whole["failed"]}
    except HoldfastError as error:
        return {"failed": str(error)}


def _named(program: Path, tree: Path) -> Figures:
    with _apart() as (folder, environment):
        _offline(folder, environment, program)
        sbom = folder / "sbom.json"
        command = [
            *_without_network(), str(program), "--offline", "-u", "never",
            "--disable-version-check", "-d", _SOURCES, "-l", "critical", "-f", "json",
            "-o", str(folder / "out.json"), "--sbom-output", str(sbom), "--sbom-type",
            "cyclonedx", "--sbom-format", "json", str(tree.absolute()),
        ]  # fmt: skip
        done = machine.timed(
            command, timeout_s=_LONGEST_S, environment=environment, folder=folder, watch=True
        )
        if not sbom.is_file():
            told = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            last = " ".join(line.strip() for line in told[-2:])
            return {"failed": f"exit {done.exit_code}: {last}"[:300]}
        named = _components(sbom)
    return {
        "version": VERSION,
        "seconds": done.seconds,
        "rss_mb": done.rss_mb,
        "components": [f"{name} {version}".strip() for name, version in named],
    }


def _copy_programs(tree: Path, folder: Path) -> None:
    for number, path in enumerate(sorted(tree.rglob("*"))):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if content.startswith(b"\x7fELF"):
                (folder / f"{number}-{path.name}").write_bytes(content)


def _components(sbom: Path) -> list[tuple[str, str]]:
    whole = msgspec.json.decode(sbom.read_bytes())
    found = {
        (str(one.get("name", "")), str(one.get("version", "")))
        for one in whole.get("components", ())
        if one.get("type") == "library"
    }
    return sorted(found)


def _installed() -> Path:
    """Make its environment, unless it holds exactly the locked requirements already."""
    if not LOCK.is_file():
        raise BenchError(f"{LOCK} is not here")
    program = (HOME / "venv/bin/cve-bin-tool").absolute()
    stamp, wanted = HOME / "installed", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not program.is_file() or not stamp.is_file() or stamp.read_text() != wanted:
        HOME.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", "--clear", HOME / "venv"], timeout_s=120)
        pip = [str(program.parent / "python"), "-m", "pip", "--quiet"]
        # With the caller's environment: it may say where packages come from.
        run(
            [*pip, "install", "--disable-pip-version-check", "--require-hashes", "-r", LOCK],
            timeout_s=_INSTALL_S, env=os.environ,
        )  # fmt: skip
        stamp.write_text(wanted)
    return program


def _offline(folder: Path, environment: dict[str, str], program: Path) -> None:
    """Give it the files without which it wants a network, with nothing in them.

    Its first start makes an empty database and then fails for want of a network; it works with an
    empty one as soon as that has a single record. One checker would download a list of versions.
    """
    cache = folder / ".cache" / "cve-bin-tool"
    cache.mkdir(parents=True)
    command = [
        *_without_network(), str(program), "-d", _SOURCES, "-u", "latest", "-q",
        "--disable-version-check", str(folder),
    ]  # fmt: skip
    machine.timed(command, timeout_s=120, environment=environment, folder=folder)
    database = cache / "cve.db"
    if not database.is_file():
        raise BenchError("cve-bin-tool makes no database without a network")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "INSERT INTO cve_severity (cve_number, severity, data_source) VALUES (?, ?, ?)",
            ("CVE-0000-0000", "LOW", "none"),
        )
        connection.commit()
    with closing(sqlite3.connect(cache / "version_map.db")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS sqlite (version, sourceId)")
        connection.execute("CREATE TABLE IF NOT EXISTS latest_update_sqlite (datestamp)")
        connection.execute("INSERT INTO latest_update_sqlite VALUES (?)", (time.time(),))
        connection.commit()


def _without_network() -> list[str]:
    """Start it in a network of its own where that is allowed; else it is only told to be still."""
    if which("unshare") is None:
        return []
    prefix = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--net"]
    allowed = run([*prefix, "true"], timeout_s=10, check=False).exit_code == 0
    return prefix if allowed else []


@contextmanager
def _apart() -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a folder that is home, cache and place for temporary files, and remove it."""
    with TemporaryDirectory(prefix="holdfast-peer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        yield (
            folder,
            {
                "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": name,
                "TMPDIR": name,
                "LC_ALL": "C.UTF-8",
            },
        )
