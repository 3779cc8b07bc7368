"""Starting Django for a command, and keeping its tables up to date."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import django
import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from holdfast.accounts.hashing import device_keys
from holdfast.core.errors import UsageError
from holdfast.hub import state
from holdfast.hub.config import VARIABLE, HubConfig, read

log = structlog.get_logger()


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


def migrate(*, new_account_keys: bool = False) -> None:
    """Bring the tables up to date, and see that there are keys of accounts; quick if all is there.

    Args:
        new_account_keys: Make new keys although something needs those that are gone.
    """
    with state.alone(settings.HUB):
        executor = MigrationExecutor(connections["default"])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", interactive=False, verbosity=0)
        _see_to_account_keys(anew=new_account_keys)


def _see_to_account_keys(*, anew: bool) -> None:
    """Make the keys that are mixed into passwords, unless those of before are only lost.

    New ones in their place would open nothing of what is stored, and hide what has to be put back.
    """
    from holdfast.hub.staff import hashers  # noqa: PLC0415 - after Django has started

    path = settings.HUB.account_keys
    if path.exists():
        if anew:
            error = UsageError(f"the keys of accounts are there: {path}")
            error.hint = "Move the file away first, if it is damaged and there is no backup of it."
            raise error
        return
    if anew or not hashers.are_keys_needed():
        device_keys.save(path, device_keys.DeviceKeys.made())
    else:
        log.error("account_keys.missing", file=path.name, hint=hashers.KEYS_GONE)
