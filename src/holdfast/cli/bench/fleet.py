"""A made-up fleet in a fresh database of the hub, for measurements."""

import hashlib
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from holdfast.core.process import run

PRODUCT = "home-gateway"
ID_FORM = "device-%06d"
TOKEN_FORM = "bench-token-%06d"  # noqa: S105 - of devices that exist for one measurement


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def make_hub(folder: Path, *, port: int) -> Path:
    """Make the hub's database and configuration; returns the path of hub.toml."""
    config = folder / "hub.toml"
    (folder / "state").mkdir()
    config.write_text(f'state = "state"\n\n[gateway]\nlisten = "127.0.0.1:{port}"\n')
    environment = {
        "PATH": os.defpath,
        "HOLDFAST_HUB_CONFIG": str(config),
        "DJANGO_SETTINGS_MODULE": "holdfast.hub.settings",
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    run(command, timeout_s=120, env=environment, cwd=folder)
    return config


def insert(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
) -> int:
    """Insert rows as the hub would; gives the id of the last one.

    Columns that are not named get what the database has for them, else an empty value: what they
    hold does not matter to the gateway, and the hub may have got new ones.
    """
    names, values = list(columns), ["?"] * len(columns)
    for _, name, kind, required, default, key in connection.execute(
        f"PRAGMA table_info({table})"
    ).fetchall():
        if required and default is None and not key and name not in names:
            names.append(name)
            values.append("''" if kind.lower().startswith(("varchar", "text")) else "0")
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})"  # noqa: S608 - names of our own
    connection.executemany(sql, rows)
    return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])


def register(database: Path, count: int) -> None:
    """Register devices that have told their attributes and have nothing to do."""
    now_ms = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(database)) as connection, connection:
        insert(connection, "products_product", ("id", "poll_s"), [(PRODUCT, 300)])
        insert(
            connection,
            "fleet_device",
            (
                "controller_id",
                "token_sha256",
                "product_id",
                "wants_attributes",
                "attributes",
                "created_ms",
            ),
            (
                (
                    ID_FORM % number,
                    hashlib.sha256((TOKEN_FORM % number).encode()).hexdigest(),
                    PRODUCT,
                    0,
                    "{}",
                    now_ms,
                )
                for number in range(count)
            ),
        )
