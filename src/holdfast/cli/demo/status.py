"""What the status screen says, gathered once a second."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from holdfast.cli.demo.site import Site
from holdfast.cli.demo.supervisor import with_children
from holdfast.cli.demo.visitor import links_in
from holdfast.device.certificate import in_groups
from holdfast.device.report import report, resident_bytes

Row = tuple[str, str, str, int]
_TAIL_BYTES = 64 * 1024


class Status:
    """Looks at the programs of the demonstration from outside."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def rows(self) -> list[Row]:
        """Return name, address, state in words and resident bytes of each program."""
        site = self._site
        addresses = {
            "hub": site.hub_url,
            "gateway": f"http://127.0.0.1:{site.ports.gateway}",
            "worker": "",
        }
        rows: list[Row] = []
        for name, address in addresses.items():
            service = site.supervisor.services.get(name)
            alive = service is not None and service.alive()
            pid = service.process.pid if service and service.process else 0
            memory = sum(resident_bytes(each) for each in with_children(pid)) if pid else 0
            rows.append((name, address, "running" if alive else "starting again", memory))
        device = report(site.device.folder)
        rows.append(("device", site.device.url, _device_words(device), device["rss_bytes"]))
        return rows

    def steps(self) -> list[tuple[str, str]]:
        """Return what to do next, and where."""
        found = []
        link = self._setup_link()
        if link:
            found.append(("set up your account on the hub (works once)", link))
        else:
            found.append(("look at the hub", self._site.hub_url))
        if self._site.device.claimed:
            found.append(("open the device's own page", self._site.device.url))
        else:
            code = self._site.device.setup_code
            found.append((f"claim the device with the code {code}", self._site.device.url))
            # Browsers warn of a certificate that nobody vouches for; this is what to compare.
            shown = in_groups(self._site.device.sha256)
            found.append(("before that, compare its certificate's SHA-256 in the warning", shown))
        return found

    def notes(self) -> list[str]:
        """Return sentences for the bottom of the screen."""
        places = self._site.places
        missing: dict[str, list[str]] = {}
        for process in report(self._site.device.folder)["processes"]:
            for words in process["missing"] if process["running"] else ():
                missing.setdefault(words, []).append(process["name"])
        return [
            *(f"Missing protection, {', '.join(who)}: {what}" for what, who in missing.items()),
            f"Mails to owners become files in {_short(places.mails)}",
            f"Logs are in {_short(places.logs)}. Ctrl-C stops everything; the state stays.",
        ]

    def _setup_link(self) -> str:
        """Find the newest one-time link in the hub's log, while there is no account yet."""
        if self._count("staff_account"):
            return ""
        log = self._site.supervisor.log_of("hub")
        with contextlib.suppress(OSError), log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            links = [link for link in links_in(file.read().decode()) if "/setup/" in link]
            return links[-1] if links else ""
        return ""

    def _count(self, table: str) -> int:
        database = self._site.places.hub / "hub.sqlite3"
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
        ):
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a constant
            return count
        return 0


def _device_words(device: dict[str, Any]) -> str:
    if device["fault"] or not device["running"]:
        return "starting"
    words = f"runs {device['version']} from slot {device['booted']}"
    return f"{words}, on trial" if device.get("trying") == device["booted"] else words


def _short(path: Path) -> str:
    """Write a path from where we are, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
