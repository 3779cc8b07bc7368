"""Login with a provider of OpenID Connect; django-allauth speaks with it, we decide who gets in.

Beyond what allauth does: the signature of the ID token is always checked, `nonce` and `sub` must
fit, the issuer must be the configured one, and the callback's address never comes from a header.

Source:
    OpenID Connect Core 1.0, 3.1.2.1, 3.1.3.7, 5.3.2; RFC 9700.
"""

import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jwt
import requests
import structlog
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from holdfast.accounts.errors import HashingBusyError
from holdfast.accounts.hashing.slots import Slots
from holdfast.hub.config import OpenIdConfig
from holdfast.hub.errors import NoAccessError
from holdfast.hub.moments import now_ms
from holdfast.hub.staff.errors import ProviderError
from holdfast.hub.staff.models import Account, Origin
from holdfast.hub.staff.services import record, record_no_role

log = structlog.get_logger()
KIND = OpenIDConnectProvider.id
FOREIGN = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
    ImproperlyConfigured,
    OAuth2Error,
    jwt.PyJWTError,
    requests.RequestException,
)
"""What the libraries raise where a provider answers nonsense."""
_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LONGEST_SECRET = 4096
_LONGEST_NAME = 64
_NONCE_BYTES = 24
_FRESH_S = 600
_asked = Slots(4, wait_s=5.0, most_waiting=4)
"""Each holds one of the hub's threads for as long as a provider takes to answer."""


def configured(name: str) -> OpenIdConfig:
    """Find a provider by name.

    Raises:
        Http404: hub.toml names none such.
    """
    for each in settings.HUB.openid:
        if each.name == name:
            found: OpenIdConfig = each
            return found
    raise Http404


def apps(name: str | None = None) -> list[SocialApp]:
    """Give the providers of hub.toml as allauth wants them."""
    return [_app(each) for each in settings.HUB.openid if name in {None, KIND, each.name}]


def _app(each: OpenIdConfig) -> SocialApp:
    try:
        secret = each.secret_file.read_text(encoding="utf-8")[:_LONGEST_SECRET].strip()
    except (OSError, UnicodeDecodeError) as error:
        log.error("openid.secret_unreadable", provider=each.name)  # noqa: TRY400 - it says enough
        raise ProviderError(each.name, "the file with its secret cannot be read") from error
    app = SocialApp(
        provider=KIND,
        provider_id=each.name,
        name=each.label or each.name,
        client_id=each.client_id,
        secret=secret,
    )
    app.settings = {
        "server_url": each.issuer.rstrip("/"),
        "scope": ["openid", *each.scopes],
        "oauth_pkce_enabled": True,
    }
    return app


class HubOpenId(OpenIDConnectOAuth2Adapter):
    """allauth's way of speaking with a provider, and what it leaves out."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Read the provider's own configuration.

        Raises:
            OAuth2Error: It is that of another, or leads off the encrypted way.
        """
        if not hasattr(self, "_openid_config"):
            found = super().openid_config
            issuer = configured(self.provider_id).issuer
            if not isinstance(found, dict) or found.get("issuer") != issuer:
                del self._openid_config
                raise OAuth2Error("the provider calls itself by another address")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not str(found.get(name, "")).startswith(issuer.partition("//")[0]):
                    del self._openid_config
                    raise OAuth2Error(f"{name} is missing, or not encrypted")
        return dict(self._openid_config)

    def get_provider(self) -> "HubProvider":
        """Give our provider instead of the one in allauth's registry."""
        return HubProvider(self.request, app=apps(configured(self.provider_id).name)[0])

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Give the address to which the browser comes back."""
        del request, app
        return callback_address(self.provider_id)

    def complete_login(
        self,
        request: HttpRequest,
        app: SocialApp,
        token: Any,  # noqa: ANN401 - of allauth
        **kwargs: Any,  # noqa: ANN401 - of allauth
    ) -> Any:  # noqa: ANN401 - of allauth
        """Read what the provider says of somebody.

        Raises:
            OAuth2Error: Something in it cannot be believed.
        """
        try:
            response = kwargs["response"]
            if not isinstance(response, dict) or not response.get("id_token"):
                raise OAuth2Error("there is no ID token in the answer")
            id_token = self._decode_id_token(app, str(response["id_token"]))
            claims: dict[str, Any] = {"id_token": id_token}
            if self.openid_config.get("userinfo_endpoint"):
                claims["userinfo"] = self._fetch_user_info(token.token)
                if claims["userinfo"].get("sub") != id_token["sub"]:
                    raise OAuth2Error("ID token and user info are of different people")
            return self.get_provider().sociallogin_from_response(request, claims)
        except FOREIGN as error:
            raise OAuth2Error("the provider's answer cannot be understood") from error

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        if jwt.get_unverified_header(id_token).get("alg") not in _ALGORITHMS:
            raise OAuth2Error("the ID token is not signed in a way that can be checked")
        found: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
            verify_signature=True,
        )
        return found


class HubProvider(OpenIDConnectProvider):
    """allauth's provider, speaking through `HubOpenId`; nothing of the claims is kept."""

    oauth2_adapter_class = HubOpenId

    def extract_extra_data(self, data: Any) -> dict[str, Any]:  # noqa: ANN401 - of allauth
        """Keep nothing of what a provider says of somebody."""
        del data
        return {}

    def extract_email_addresses(self, data: Any) -> list[Any]:  # noqa: ANN401 - of allauth
        """Take no address over."""
        del data
        return []

    def sociallogin_from_response(self, request: HttpRequest, response: Any) -> Any:  # noqa: ANN401
        """Pass the claims on beside the account, for this one request."""
        made = super().sociallogin_from_response(request, response)
        made.claims = response
        return made


def callback_address(name: str) -> str:
    """Give the address that the provider must be told for this hub."""
    path: str = reverse("staff:openid-callback", args=[name])
    return str(settings.HUB.url) + path


def requests_session() -> requests.Session:
    """Make a session that believes what this machine believes, and follows nobody elsewhere."""
    session = requests.Session()
    paths = ssl.get_default_verify_paths()
    session.verify = paths.cafile or paths.capath or True
    session.trust_env = False  # a .netrc would put its password into our requests
    session.max_redirects = 0
    plain = session.request

    def bounded(*args: Any, **kwargs: Any) -> requests.Response:  # noqa: ANN401
        kwargs.setdefault("timeout", settings.SOCIALACCOUNT_REQUESTS_TIMEOUT)
        kwargs.setdefault("allow_redirects", False)
        return plain(*args, **kwargs)

    session.request = bounded  # type: ignore[method-assign]  # as allauth itself does
    return session


def depart(request: HttpRequest, name: str, *, back: str, confirm: bool = False) -> HttpResponse:
    """Send the browser to a provider.

    Args:
        request: Of whom.
        name: Of the provider.
        back: Path to which the way leads in the end.
        confirm: Whether somebody who is logged in shows once more who he is.

    Raises:
        ProviderError: It cannot be reached.
    """
    provider = HubOpenId(request, configured(name).name).get_provider()
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    wanted = {"nonce": nonce}
    if confirm:
        wanted |= {"prompt": "login", "max_age": "0"}
    try:
        with _on_the_way(name):
            answer: HttpResponse = provider.redirect(
                request,
                "login",
                next_url=back,
                data={"nonce": nonce, "confirm": confirm},
                auth_params=wanted,
            )
    except FOREIGN as error:
        log.warning("openid.unreachable", provider=name, reason=type(error).__name__)
        raise ProviderError(
            name, "it cannot be reached, or is not set up as hub.toml says"
        ) from error
    # No redirect: browsers hold a form to the places that our policy names, and stop it there.
    return render(request, "staff/hop.html", {"target": answer.headers["Location"]})


@contextmanager
def _on_the_way(name: str) -> Iterator[None]:
    """Let few at a time wait for a provider: strangers begin as many logins as they like.

    Raises:
        ProviderError: There are enough.
    """
    try:
        with _asked.taken():
            yield
    except HashingBusyError as error:
        raise ProviderError(name, "too many are on their way there at this moment") from error


class HubCallback(OAuth2CallbackView):
    """allauth's end of the way back; our own page has led a browser on already."""

    def _redirect_strict_samesite(self, request: HttpRequest, provider: object) -> None:
        del request, provider


def came_back(request: HttpRequest, name: str) -> HttpResponse:
    """Handle what the browser brings from a provider.

    Raises:
        ProviderError: Nothing of it can be believed.
        NoAccessError: No role follows from it.
    """
    try:
        view = HubCallback.adapter_view(HubOpenId(request, configured(name).name))
        with _on_the_way(name):
            answer: HttpResponse = view(request)
    except FOREIGN as error:
        log.warning("openid.failed", provider=name, error=type(error).__name__)
        raise ProviderError(name, "its answer cannot be understood") from error
    return answer


def arrived(request: HttpRequest, sociallogin: Any) -> HttpResponse:  # noqa: ANN401 - of allauth
    """Go on with somebody whom a provider knows: allauth has checked everything but the nonce.

    Raises:
        ProviderError: The answer belongs to another question.
        NoAccessError: No role follows.
    """
    from holdfast.hub.staff import arrival  # noqa: PLC0415 - which knows this module

    name = str(sociallogin.account.provider)
    claims, state = sociallogin.claims, sociallogin.state
    asked: Mapping[str, Any] = state.get("data") or {}
    id_token = claims["id_token"]
    nonce = str(asked.get("nonce", ""))
    if not nonce or not secrets.compare_digest(str(id_token.get("nonce", "")), nonce):
        raise ProviderError(name, "its answer belongs to another question")
    account = account_of(name, claims)
    auth_time = id_token.get("auth_time")
    fresh = isinstance(auth_time, int) and abs(now_ms() // 1000 - auth_time) <= _FRESH_S
    back = str(state.get("next") or "/")
    if asked.get("confirm"):
        return arrival.confirmed(request, account, fresh=fresh, back=back)
    return arrival.first_step_done(request, account, how=name, back=back, proved=fresh)


def account_of(name: str, claims: Mapping[str, Any]) -> Account:
    """Find or make the account of somebody whom a provider knows.

    Raises:
        NoAccessError: No role follows from the claims, or the account is switched off.
    """
    provider = configured(name)
    # What was signed goes first.
    all_claims = {**claims.get("userinfo", {}), **claims["id_token"]}
    told = all_claims.get(provider.role_claim)
    values = {told} if isinstance(told, str) else set()
    if isinstance(told, list):
        values = {value for value in told if isinstance(value, str)}
    uid = str(claims["id_token"]["sub"])
    link = SocialAccount.objects.select_related("user").filter(provider=name, uid=uid).first()
    if not values & set(provider.staff):
        who = link.user.name if link else f"somebody@{name}"
        record_no_role(who, {"provider": name})
        raise NoAccessError("the provider knows you, but you are not staff of this hub")
    if link is not None:
        found: Account = link.user
        if not found.is_active:
            raise NoAccessError("this account was switched off")
        return found
    return _made(name, uid, all_claims.get(provider.name_claim))


@transaction.atomic
def _made(provider: str, uid: str, told: object) -> Account:
    account = Account(
        name=_free_name(told, uid, provider), origin=Origin.OPENID, created_ms=now_ms()
    )
    account.set_unusable_password()
    account.save()
    SocialAccount.objects.create(user=account, provider=provider, uid=uid, extra_data={})
    facts = {"provider": provider}
    record(by=account.name, what="account.came", subject=account.name, facts=facts)
    return account


def _free_name(told: object, uid: str, provider: str) -> str:
    """Make a name for the audit trail; it opens nothing, the `sub` of the provider does."""
    text = told if isinstance(told, str) and told else uid
    plain = "".join(mark for mark in text if mark.isprintable() and mark != "@").strip()
    plain = plain[:_LONGEST_NAME] or "somebody"
    name = f"{plain}@{provider}"
    while Account.objects.filter(name=name).exists():
        name = f"{plain}~{secrets.token_hex(2)}@{provider}"
    return name


def failed(request: HttpRequest, provider: object, **kwargs: object) -> HttpResponse:
    """Answer when the way to a provider and back broke off."""
    from holdfast.hub.middleware import show  # noqa: PLC0415 - which knows every app

    name = getattr(getattr(provider, "app", None), "provider_id", "?")
    reason, error = kwargs.get("error", ""), kwargs.get("exception")
    log.warning("openid.failed", provider=name, reason=str(reason), error=type(error).__name__)
    told = "its answer could not be believed" if error else "nobody was logged in there"
    return show(request, ProviderError(name, told))
