"""Starting Django for a command, and keeping its tables up to date."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from holdfast.hub import state
from holdfast.hub.config import VARIABLE, HubConfig, read


def setup(config_file: Path | None = None) -> HubConfig:
    """Read the configuration, make what is missing on disk, and start Django.

    Args:
        config_file: A hub.toml; None takes what the environment or the folder offers.

    Returns:
        The configuration that is in force.

    Raises:
        ConfigError: The configuration has faults.
    """
    if config_file is not None:
        os.environ[VARIABLE] = str(config_file.absolute())
    state.prepare(read())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "holdfast.hub.settings")
    django.setup()
    config: HubConfig = settings.HUB
    return config


def all_or_nothing() -> AbstractContextManager[None]:
    """Put several writes of a command into one transaction."""
    return transaction.atomic()


def migrate() -> None:
    """Bring the tables up to date; quick if they are."""
    with state.alone(settings.HUB):
        executor = MigrationExecutor(connections["default"])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
