"""Patterns of what leaves the product about people, and of keys to the maker's services."""

from typing import Final

from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        name="telemetry-host",
        expression=rb"google-analytics\.com|googletagmanager\.com|app-measurement\.com"
        rb"|crashlytics\.com|firebaselogging|api\.mixpanel\.com|api2?\.amplitude\.com"
        rb"|api\.segment\.io|cdn\.segment\.com|ingest\.sentry\.io|sentry\.io/api"
        rb"|notify\.bugsnag\.com|data\.flurry\.com|alogs?\.umeng\.com|hm\.baidu\.com|cnzz\.com"
        rb"|talkingdata\.(?:net|com)|doubleclick\.net|connect\.facebook\.net|graph\.facebook\.com"
        rb"|appsflyer\.com|app\.adjust\.com|kochava\.com|api2?\.branch\.io|localytics\.com"
        rb"|countly\.(?:com|io)|static\.hotjar\.com|bam\.nr-data\.net|browser-intake-datadoghq\.com"
        rb"|mc\.yandex\.ru|cdn\.matomo\.cloud|api\.rollbar\.com|o[0-9]{4,9}\.ingest\.",
        most=16,
    ),
    # ---- keys to services; what stands there is never kept
    Pattern(name="cloud-aws", expression=rb"(?:AKIA|ASIA)[0-9A-Z]{16}", secret=True),
    Pattern(name="cloud-google", expression=rb"AIza[0-9A-Za-z_-]{35}", secret=True),
    Pattern(name="cloud-github", expression=rb"gh[pousr]_[0-9A-Za-z]{36}", secret=True),
    Pattern(name="cloud-gitlab", expression=rb"glpat-[0-9A-Za-z_-]{20}", secret=True),
    Pattern(
        name="cloud-slack", expression=rb"xox[abeprs]-[0-9]{8,14}-[0-9A-Za-z-]{16}", secret=True
    ),
    Pattern(name="cloud-stripe", expression=rb"[rs]k_live_[0-9A-Za-z]{24}", secret=True),
    Pattern(
        name="cloud-sendgrid",
        expression=rb"SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}",
        secret=True,
    ),
    Pattern(name="cloud-telegram", expression=rb"[0-9]{8,10}:AA[0-9A-Za-z_-]{33}", secret=True),
    Pattern(
        name="cloud-azure",
        expression=rb"(?:AccountKey|SharedAccessKey)=[0-9A-Za-z+/]{43,86}={1,2}",
        secret=True,
    ),
    Pattern(
        name="cloud-token",
        expression=rb"eyJ[0-9A-Za-z_-]{16,400}\.eyJ[0-9A-Za-z_-]{16,400}\.[0-9A-Za-z_-]{20}",
        secret=True,
    ),
    Pattern(
        name="cloud-google-account",
        expression=rb"\"type\":[ ]?\"service_account\"",
        secret=True,
        most=2,
    ),
    # ---- where data about people is kept, and how it goes away
    Pattern(
        name="privacy-mount",
        expression=rb"mount[ \t][^\n\x00]{0,60}-t[ \t]{1,4}(?:jffs2|ubifs|yaffs2?|ext[234]|f2fs)"
        rb"[ \t][^\n\x00]{1,100}",
        most=4,
    ),
    Pattern(
        name="privacy-encryption",
        expression=rb"luksOpen|cryptsetup[ \t]{1,4}(?:-[^\n\x00]{1,40} )?open"
        rb"|dmsetup[^\n\x00]{1,80} crypt |-t[ \t]{1,4}ecryptfs|fscrypt[ \t]{1,4}(?:unlock|setup)"
        rb"|fileencryption=",
        most=4,
    ),
    Pattern(
        name="privacy-reset",
        expression=rb"factory[ _-]?(?:reset|default|setting)|restore[ _-]?(?:to )?(?:the )?factory"
        rb"|(?:restore|reset)[ _-]?(?:to )?(?:the )?default[ _-]?(?:setting|config|cfg)|jffs2reset",
        any_case=True,
        most=2,
    ),
    Pattern(
        name="privacy-table",
        expression=rb"CREATE TABLE[^\x00;]{1,300}"
        rb"(?:e_?mail|phone|birth|latitude|full_?name|first_?name|postcode|face_)",
        any_case=True,
        most=4,
    ),
    Pattern(
        name="privacy-table-encrypted", expression=rb"PRAGMA key|sqlite3_key|SQLCipher", most=1
    ),
    Pattern(
        name="privacy-logger",
        expression=rb"logger[ \t][^\n\x00]{0,100}\$\{?[A-Za-z_]{0,20}"
        rb"(?:pass|psk|secret|token|mail|user|serial)",
        any_case=True,
    ),
)
