"""Django settings of the hub, made from hub.toml. Importing this writes no file."""

import secrets
from contextlib import suppress
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from holdfast.hub.config import read

HERE = Path(__file__).parent
HUB = read()


def _secret_key() -> str:
    """Read the key that `holdfast hub init` made; without it sessions end with the process."""
    with suppress(FileNotFoundError):
        return HUB.secret_key.read_text(encoding="ascii").strip()
    return secrets.token_urlsafe(48)


SECRET_KEY = _secret_key()
DEBUG = False
ALLOWED_HOSTS = [HUB.host, "127.0.0.1", "localhost", "[::1]"]
USE_X_FORWARDED_HOST = False

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_tasks",
    "django_tasks_db",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "holdfast.hub.staff",
    "holdfast.hub.products",
    "holdfast.hub.releases",
    "holdfast.hub.fleet",
    "holdfast.hub.owners",
]
MIDDLEWARE = [
    "holdfast.hub.middleware.HeaderMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "holdfast.hub.middleware.FormMiddleware",
    "holdfast.hub.middleware.ErrorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "holdfast.hub.staff.sessions.SessionLimitMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]
ROOT_URLCONF = "holdfast.hub.urls"
WSGI_APPLICATION = "holdfast.hub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"moments": "holdfast.hub.filters"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "holdfast.hub.navigation.context",
            ],
        },
    },
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HUB.database,
        "OPTIONS": {
            # Writers queue instead of failing; a commit that was answered survives a power cut.
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "staff.Account"
# The first makes new hashes; with the others only what is stored already is read.
PASSWORD_HASHERS = [
    "holdfast.hub.staff.hashers.KeyedHasher",
    "holdfast.hub.staff.hashers.Argon2idHasher",
]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "holdfast.hub.staff.passwords.PolicyValidator"}]
# django-allauth brings passkeys, codes from an app, recovery codes and OpenID Connect. Its pages
# are not used and nobody signs up: who gets in is decided in staff.entrance alone.
ACCOUNT_ADAPTER = "holdfast.hub.staff.allauth_rules.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = "name"
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False  # staff.brake counts, also across restarts
SOCIALACCOUNT_ADAPTER = "holdfast.hub.staff.allauth_rules.OpenIdAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, object]] = {}  # staff.openid reads hub.toml
MFA_ADAPTER = "holdfast.hub.staff.allauth_rules.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey is two factors, or none
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODE_DIGITS = 12
MFA_RATE_LIMITS = False
LOGIN_URL = "staff:login"
LOGIN_REDIRECT_URL = "staff:home"
LOGOUT_REDIRECT_URL = "staff:login"

SESSION_ENGINE = "holdfast.hub.staff.sessions"
SESSION_COOKIE_NAME = "__Host-hub" if HUB.secure else "hub"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = HUB.secure
SESSION_COOKIE_HTTPONLY = True
# From elsewhere nothing arrives logged in; staff.views.login leads a followed link on.
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_NAME = "__Host-hub-csrf" if HUB.secure else "hub-csrf"
CSRF_COOKIE_SECURE = HUB.secure
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "holdfast.hub.middleware.csrf_failure"
# A proxy that ends TLS passes plain http on; the browser's Origin is the public one.
CSRF_TRUSTED_ORIGINS = [HUB.url] if HUB.secure else []
SECURE_CONTENT_TYPE_NOSNIFF = False  # HeaderMiddleware sets every security header in one place
# A form is read before anybody has logged in: into memory, and no more than a profile needs.
# FormMiddleware refuses what is longer.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 << 20
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 << 20
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [HERE / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 300
WHITENOISE_ALLOW_ALL_ORIGINS = False

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": []}}
# What these say is said once, structured, by ErrorMiddleware.
_QUIET = {"handlers": ["none"], "propagate": False}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"django.request": _QUIET, "django.security": _QUIET},
}
