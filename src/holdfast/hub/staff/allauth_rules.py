"""How django-allauth behaves here: it keeps and checks factors, and it lets nobody in by itself."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from holdfast.accounts import vault
from holdfast.hub.staff.hashers import keys

_SEALED_AS = "hub second factor"


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up, and nothing is said or mailed behind our back."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say no: accounts come from set-up links, directories and providers."""
        del request
        return False

    def add_message(self, *args: object, **kwargs: object) -> None:
        """Say nothing: our own pages tell what happened."""

    def send_notification_mail(self, *args: object, **kwargs: object) -> None:
        """Send nothing: mails leave through the hub's own queue."""


class FactorAdapter(DefaultMFAAdapter):
    """Second factors: sealed with the hub's own key, and bound to its own name."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("This is not right, or was used already. Try once more."),
    }

    def encrypt(self, text: str) -> str:
        """Seal the seed of an app or of recovery codes."""
        return vault.seal(_SEALED_AS, text.encode(), keys().newest)

    def decrypt(self, encrypted_text: str) -> str:
        """Open it again.

        Raises:
            VaultError: It is damaged.
            UnknownKeyError: It belongs to another hub.
        """
        return vault.unseal(_SEALED_AS, encrypted_text, keys()).decode()

    def get_totp_issuer(self) -> str:
        """Give what the app shows above the name."""
        return f"Holdfast {settings.HUB.host}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to the configured name, whatever Host header came."""
        return {"id": settings.HUB.host, "name": f"Holdfast {settings.HUB.host}"}


class OpenIdAdapter(DefaultSocialAccountAdapter):
    """Providers of OpenID Connect: they say who somebody is, `staff.openid` decides the rest."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ANN401
        """Say no: an account is made by `staff.openid` where a role follows."""
        del request, sociallogin
        return False

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> Any:  # noqa: ANN401
        """Give the providers of hub.toml."""
        from holdfast.hub.staff import openid  # noqa: PLC0415 - loads much, used rarely

        del request, client_id
        return openid.apps(provider)

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:  # noqa: ANN401
        """Take over once the provider has said who it is.

        Raises:
            ImmediateHttpResponse: Always; allauth does not go on to log in.
        """
        from holdfast.hub.staff import openid  # noqa: PLC0415 - loads much, used rarely

        raise ImmediateHttpResponse(openid.arrived(request, sociallogin))

    def on_authentication_error(
        self, request: HttpRequest, provider: object, *args: object, **kwargs: object
    ) -> None:
        """Answer with our own page.

        Raises:
            ImmediateHttpResponse: Always.
        """
        from holdfast.hub.staff import openid  # noqa: PLC0415 - loads much, used rarely

        del args
        raise ImmediateHttpResponse(openid.failed(request, provider, **kwargs))

    def get_requests_session(self) -> Any:  # noqa: ANN401 - of requests
        """Give the way to providers."""
        from holdfast.hub.staff import openid  # noqa: PLC0415 - loads much, used rarely

        return openid.requests_session()
