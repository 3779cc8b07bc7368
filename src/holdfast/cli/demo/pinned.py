"""Talking to a device whose certificate is known by its fingerprint, and by nothing else."""

import hashlib
import hmac
import http.client
import ssl

from holdfast.core.errors import HoldfastError


class PinError(HoldfastError):
    """Who answers does not hold the certificate that the label names."""

    code = "certificate-pin"
    hint = "Somebody else may be answering in its place. Do not type the set-up code there."


def _unjudged() -> ssl.SSLContext:
    """Give a context that judges no certificate; the fingerprint does, before a byte is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class PinnedConnection(http.client.HTTPSConnection):
    """An https connection that is only made to the holder of one certificate.

    Args:
        netloc: Host and port.
        sha256: Fingerprint, 64 hexadecimal digits.
        timeout_s: For each wait.
    """

    def __init__(self, netloc: str, *, sha256: str, timeout_s: float) -> None:
        super().__init__(netloc, timeout=timeout_s, context=_unjudged())
        self._sha256 = sha256

    def connect(self) -> None:
        """Connect, and look at the certificate before anything is said.

        Raises:
            PinError: It is another one.
        """
        super().connect()
        shown = self.sock.getpeercert(binary_form=True)
        found = hashlib.sha256(shown or b"").hexdigest()
        if not hmac.compare_digest(found, self._sha256.lower()):
            self.close()
            raise PinError(
                f"{self.host}:{self.port} shows a certificate with the fingerprint {found}, "
                f"not {self._sha256}"
            )
