"""TACACS+: authentication, authorisation and accounting, over TLS 1.3 unless somebody was warned.

Source:
    RFC 8907, RFC 9887; docs/decisions/0017-own-tacacs-client.md.
"""

from holdfast.accounts.directories.tacacs.bodies import Event
from holdfast.accounts.directories.tacacs.directory import TacacsDirectory

__all__ = ["Event", "TacacsDirectory"]
