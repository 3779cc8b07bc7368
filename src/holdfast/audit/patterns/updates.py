"""Patterns that tell how updates are fetched, checked and written."""

from typing import Final

from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        name="update-address",
        expression=rb"https?://[A-Za-z0-9_~:/?#@!&*+,;=%$.-]{4,140}",
        most=100,
    ),
    # ---- what installs
    Pattern(
        name="update-firmware",
        expression=rb"(?:firmware|fw)[ _-]?(?:update|upgrade|upload|flash)"
        rb"|(?:update|upgrade|flash|burn)[ _-]?(?:the )?(?:firmware|fw[ _.])",
        any_case=True,
        most=4,
    ),
    Pattern(
        name="update-flash",
        expression=rb"/dev/mtd|/proc/mtd|flash_erase|flashcp|nandwrite|/dev/mmcblk0|fw_setenv"
        rb"|mtd(?:_?|(?:[ \t]+-[^ \t\n\x00]{1,20}(?:[ \t]+[\w%/]{1,40})?){0,4}[ \t]+)write",
        most=4,
    ),
    Pattern(
        name="update-fetch",
        expression=rb"(?:wget|curl|uclient-fetch|tftp|ftpget)[ \t]+[-\"'$hf0-9]",
        most=2,
    ),
    # ---- what checks, and what only seems to
    Pattern(name="update-swupdate-signed", expression=rb"built for signed images", most=1),
    Pattern(
        name="update-signature",
        expression=rb"verif[a-z]{1,7}[ _-](?:[a-z]{1,10}[ _-]){0,2}signature"
        rb"|(?:bad|wrong|invalid|missing|check)[ _-](?:[a-z]{1,10}[ _-]){0,2}signature"
        rb"|signature[ _-](?:[a-z]{1,10}[ _-]){0,2}(?:verif|mismatch|invalid|valid|failed)",
        any_case=True,
        most=4,
    ),
    Pattern(
        name="update-checksum",
        expression=rb"(?:checksum|md5|crc32)[^\n\x00]{0,24}(?:err|fail|mismatch|wrong)",
        any_case=True,
        most=2,
    ),
    Pattern(
        name="update-verify-command",
        expression=rb"openssl[ \t]+(?:dgst|cms|smime|pkeyutl|rsautl)[^\n\x00]{1,120}-verify"
        rb"|gpg2?[ \t][^\n\x00]{0,80}--verify|gpgv[ \t]+[^\n\x00]{1,80}"
        rb"|(?:usign|signify|minisign|ucert)[ \t]+-[a-zA-Z]{0,3}V",
    ),
    Pattern(
        name="update-rollback",
        expression=rb"anti[ _-]?roll[ _-]?back|rollback[ _-]?(?:index|protect|counter)"
        rb"|(?:firmware|version|image)[ _-](?:[a-z]{1,8}[ _-]){0,2}downgrad"
        rb"|downgrad(?:e|ing) (?:is |not |firmware|version|image|protect)"
        rb"|(?:older|lower) firmware|(?:firmware|fw|image) version (?:is )?(?:too )?(?:old|low)",
        any_case=True,
        most=4,
    ),
    # ---- what lets the unchecked through
    Pattern(
        name="update-no-certificate",
        expression=rb"(?:wget|uclient-fetch)[ \t][^\n\x00]{0,120}--no-check-certificate"
        rb"|curl[ \t][^\n\x00]{0,120}(?:--insecure|-[A-Za-z]{0,6}k)"
        rb"|CURLOPT_SSL_VERIFYPEER,[ ]?(?:0|false|FALSE)|rejectUnauthorized[ ]?:[ ]?false",
        most=16,
    ),
    Pattern(
        name="update-unsigned",
        expression=rb"opkg[ \t][^\n\x00]{0,120}--force-signature"
        rb"|apk[ \t][^\n\x00]{0,120}--allow-untrusted"
        rb"|(?:apt|apt-get)[ \t][^\n\x00]{0,120}--allow-unauthenticated"
        rb"|(?:rpm|yum|dnf|zypper)[ \t][^\n\x00]{0,120}--no(?:signature|gpgcheck|-gpg-check)"
        rb"|rauc[ \t][^\n\x00]{0,80}--no-verify"
        rb"|sysupgrade[ \t][^\n\x00]{0,80}(?:-[a-zA-Z]{0,4}F|--force)[ \t]",
        most=16,
    ),
    Pattern(
        name="update-request",
        expression=rb"GET [^\n\x00]{1,120}HTTP/1\.[01]",
        most=4,
    ),
)
