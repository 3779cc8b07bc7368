"""Judges new settings of central login; only the short-lived worker imports it.

What is uploaded is one JSON object: {"settings": {...}, "secrets": {"NAME": "..." or null}}. A
secret that is not named stays as it is; null drops it.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from holdfast.accounts.directories import chain
from holdfast.accounts.directories import settings as central
from holdfast.accounts.errors import CentralSettingsError

SERVICE = "gui"
_MOST_SECRETS = 32


def judged(
    content: str, sha256: str, roles: Sequence[str], protocols: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Judge what was uploaded.

    Args:
        content: The JSON text.
        sha256: Digest that the owner's proof names.
        roles: Of the product profile.
        protocols: Methods that the product profile allows.

    Returns:
        What auth keeps (the settings, and what it has to know of them without reading them), and
        the secrets by name.

    Raises:
        CentralSettingsError: Something is faulty; the message names it.
    """
    found = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    if not hmac.compare_digest(found, sha256):
        raise CentralSettingsError("a part of them is missing; send them again")
    try:
        plain: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CentralSettingsError("they are not JSON") from error
    if not isinstance(plain, dict) or set(plain) - {"settings", "secrets"}:
        raise CentralSettingsError("exactly settings and secrets are expected")
    settings = central.of_plain(plain.get("settings", {}))
    for rule in settings.roles:
        if rule.role not in roles:
            known = ", ".join(roles)
            raise CentralSettingsError(f"there is no role {rule.role!r} here, but {known}")
    for server in settings.servers:
        if server.protocol not in protocols:
            raise CentralSettingsError(f"this product does not use {server.protocol}")
    methods = settings.methods_of(SERVICE)
    kept = {
        "settings": json.loads(central.to_json(settings)),
        "segments": [list(one) for one in chain.segments(methods)],
        "local_names": [name.casefold() for name in methods.local_names],
        "budget_s": settings.budget_s,
        "secret_names": _secret_names(settings),
    }
    return kept, _secrets(plain.get("secrets", {}), kept["secret_names"])


def _secret_names(settings: central.CentralLogin) -> list[str]:
    names = [server.name for server in settings.servers]
    return names + [f"{one.name}.key" for one in settings.servers if one.client_certificate]


def _secrets(plain: object, names: Sequence[str]) -> dict[str, str | None]:
    if not isinstance(plain, dict) or len(plain) > _MOST_SECRETS:
        raise CentralSettingsError("secrets must be an object of texts")
    for name, value in plain.items():
        if name not in names:
            raise CentralSettingsError(f"a secret is for {name[:40]!r}, which is no server")
        if value is not None and not isinstance(value, str):
            raise CentralSettingsError(f"the secret of {name} is no text")
        if isinstance(value, str) and not _is_text(value):
            raise CentralSettingsError(f"the secret of {name} holds what is no text")
    return plain


def _is_text(value: str) -> bool:
    try:
        return bool(value.encode()) and "\0" not in value
    except UnicodeEncodeError:
        return False
