"""Passwords that devices are delivered with, readable: for audits, which try them on hashes.

The policy itself asks the block list, which holds the same passwords as hashes.
"""

import csv
from pathlib import Path
from typing import Final, NamedTuple

TABLE: Final = Path(__file__).with_name("default-credentials.csv")


class Credential(NamedTuple):
    """A name and a password with which something is delivered.

    Attributes:
        product: Maker and product as the list names them; `Mirai` for the bot's own table.
        user: May be empty.
        password: May be empty.
    """

    product: str
    user: str
    password: str


def credentials() -> list[Credential]:
    """Read all of them, sorted by product."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [Credential(*row) for row in csv.reader(file)]
