"""Sessions in the database under a digest: who reads the tables cannot take over a session."""

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

_KEPT_DIGITS = 40
"""Width of Django's column: 160 bits of the digest."""


def kept(key: str) -> str:
    """Return what is kept of the key in a session's cookie."""
    return hashlib.sha256(key.encode()).hexdigest()[:_KEPT_DIGITS]


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with the digest of the key in the place of the key."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        found = self.model.objects.filter(
            session_key=kept(str(self.session_key)), expire_date__gt=timezone.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session with this key."""
        return super().exists(kept(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Make the row of this session."""
        row = super().create_model_instance(data)
        row.session_key = kept(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete a session; this one unless another is named."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(kept(key))
