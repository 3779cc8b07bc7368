"""Where vulnerability data is fetched from, and whose signature it must bear.

The file is `vulnerabilities.toml` below `$XDG_CONFIG_HOME/holdfast`; without it the publishers'
own addresses are used.

    [signed]
    key = "64 hexadecimal digits"
    address = "https://updates.example.com/vulnerabilities.holdfast"

    [[source]]
    name = "kev"
    address = "https://..."
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from holdfast.core import config
from holdfast.core.limits import Between, Items, Matching

SourceName = Literal["nvd", "cve5", "osv", "alpine", "debian", "linux-streams", "kev", "epss"]
Address = Annotated[
    str, Matching(r"https?://[^\s/@]+(?:/\S*)?", "an http or https address without a password")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a publisher.

    Attributes:
        name: What it is.
        address: Where; `{year}` stands for each year from 2002 on.
        most_bytes: Longest file that is taken.
    """

    name: SourceName
    address: Address
    most_bytes: Annotated[int, Between(1, 16 << 30)] = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Data that somebody has put together and signed.

    Attributes:
        key: Public key; when it is set, nothing that is not signed by it is taken in.
        address: Where the signed file is fetched from; "" if it is brought by hand.
    """

    key: Annotated[str, Matching(r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")]
    address: Address | None = None


_SECDB = "https://secdb.alpinelinux.org"
PUBLISHERS: Final = (
    Source(name="kev", address="https://www.cisa.gov/sites/default/files/feeds/"
           "known_exploited_vulnerabilities.json"),
    Source(name="epss", address="https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"),
    Source(name="nvd", address="https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-{year}.json.gz"),
    Source(name="cve5", address="https://github.com/CVEProject/cvelistV5/archive/refs/heads/main.zip"),
    Source(name="debian", address="https://security-tracker.debian.org/tracker/data/json"),
    *(
        Source(name="alpine", address=f"{_SECDB}/{branch}/{part}.json")
        for branch in ("v3.20", "v3.21", "v3.22", "v3.23")
        for part in ("main", "community")
    ),
)  # fmt: skip
"""The publishers' own addresses. Alpine and Debian matter only to images made from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it.

    Attributes:
        source: What is fetched.
        signed: Whose signature is needed; None if data is taken from its publishers.
        authority: File with the certificates that addresses are checked against; the system's
            unless told.
    """

    source: Annotated[tuple[Source, ...], Items(0, 200)] = PUBLISHERS
    signed: Signed | None = None
    authority: Path | None = None


def default_path() -> Path:
    """Say where the settings lie unless told: below `$XDG_CONFIG_HOME`."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(home) / "holdfast" / "vulnerabilities.toml"


def read(path: Path | None = None) -> Settings:
    """Read the settings; a default place may be empty, a named one may not.

    Raises:
        ConfigError: They cannot be read, or are wrong somewhere.
    """
    if path is None:
        path = default_path()
        if not path.exists():
            return Settings()
    return config.load(path, Settings)
