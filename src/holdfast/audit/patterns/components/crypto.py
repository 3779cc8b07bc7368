"""Libraries and programs that encrypt, sign and log in."""

from typing import Final

from holdfast.audit.patterns.components.software import Software

_DAY: Final = rb" {1,2}[0-9]{1,2} [A-Z][a-z]{2} 20[0-9]{2}"
_OPENSSL: Final = rb"(?P<version>0\.9\.[0-9]{1,2}[a-z]{0,2}|[13]\.[0-9]\.[0-9]{1,2}[a-z]{0,2})"

TABLE: Final[tuple[Software, ...]] = (
    Software(
        name="libressl",
        cpe=("openbsd:libressl",),
        strings=(rb"LibreSSL (?P<version>[2-4]\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        libraries=("libcrypto", "libssl", "libtls"),
        verified=False,
    ),
    Software(
        name="openssl",
        cpe=("openssl:openssl",),
        strings=(rb"part of OpenSSL " + _OPENSSL + rb"(?:-[a-z0-9]{2,12})?" + _DAY,),
        header_strings=(rb"[^f] ?OpenSSL " + _OPENSSL + rb"(?:-[a-z0-9]{2,12})?" + _DAY,),
        programs=("openssl",),
        libraries=("libcrypto", "libssl"),
        packages=("libopenssl",),
    ),
    Software(
        name="wolfssl",
        cpe=("wolfssl:wolfssl",),
        strings=(rb"wolfSSL (?P<version>[3-6]\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        bare=r"[3-6]\.[0-9]{1,2}\.[0-9]{1,2}",
        symbols=("wolfSSL_lib_version",),
        libraries=("libwolfssl",),
        packages=("libwolfssl",),
    ),
    Software(
        name="cyassl",
        cpe=("yassl:cyassl", "wolfssl:wolfssl"),
        bare=r"[123]\.[0-9]{1,2}\.[0-9]{1,2}",
        symbols=("CyaSSL_lib_version", "CyaSSL_Init"),
        libraries=("libcyassl",),
        packages=("libcyassl",),
        verified=False,
    ),
    Software(
        name="mbedtls",
        cpe=("arm:mbed_tls", "mbed:mbedtls"),
        strings=(rb"[Mm]bed TLS (?P<version>[1-4]\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        named=True,
        symbols=("mbedtls_version_get_string", "mbedtls_ssl_init"),
        libraries=("libmbedtls", "libmbedcrypto", "libmbedx509"),
        packages=("libmbedtls",),
    ),
    Software(
        name="polarssl",
        cpe=("polarssl:polarssl", "arm:mbed_tls"),
        strings=(rb"PolarSSL (?P<version>[01]\.[0-9]{1,2}\.[0-9]{1,2})\x00",),
        libraries=("libpolarssl",),
        packages=("libpolarssl",),
        verified=False,
    ),
    Software(
        name="gnutls",
        cpe=("gnu:gnutls",),
        strings=(rb"Enabled GnuTLS (?P<version>[23]\.[0-9]{1,2}\.[0-9]{1,2}) logging",),
        bare=r"[123]\.[0-9]{1,2}\.[0-9]{1,2}",
        libraries=("libgnutls",),
        packages=("gnutls28", "libgnutls"),
    ),
    Software(
        name="matrixssl",
        cpe=("matrixssl:matrixssl", "peersec_networks:matrixssl"),
        strings=(
            rb"MatrixSSL[/ ](?P<version>[1-4]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)(?:-[A-Z]{2,6})?\r\n",
        ),
        bare=r"[1-4]\.[0-9]{1,2}\.[0-9]{1,2}(?:-OPEN)?",
        symbols=("matrixSslOpen", "matrixSslNewServerSession"),
        libraries=("libmatrixssl",),
        verified=False,
    ),
    Software(
        name="axtls",
        cpe=("axtls_project:axtls",),
        strings=(rb"axhttpd/(?P<version>[12]\.[0-9]\.[0-9])",),
        bare=r"[12]\.[0-9]\.[0-9]",
        programs=("axhttpd", "axssl"),
        libraries=("libaxtls",),
        verified=False,
    ),
    Software(
        name="libgcrypt",
        cpe=("gnupg:libgcrypt",),
        strings=(rb"This is Libgcrypt (?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})",),
        libraries=("libgcrypt",),
        packages=("libgcrypt20",),
    ),
    Software(
        name="nettle",
        cpe=("nettle_project:nettle",),
        libraries=("libnettle", "libhogweed"),
    ),
    Software(
        name="gmp",
        cpe=("gmplib:gmp",),
        bare=r"[456]\.[0-9]\.[0-9]",
        libraries=("libgmp",),
        packages=("libgmp",),
    ),
    Software(
        name="libsodium",
        cpe=("libsodium:libsodium",),
        bare=r"[01]\.[0-9]\.[0-9]{1,2}",
        libraries=("libsodium",),
    ),
    Software(
        name="libssh",
        cpe=("libssh:libssh",),
        strings=(rb"SSH-2\.0-libssh[_-](?P<version>0\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        libraries=("libssh",),
    ),
    Software(
        name="libssh2",
        cpe=("libssh2:libssh2",),
        strings=(rb"SSH-2\.0-libssh2_(?P<version>[01]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        libraries=("libssh2",),
    ),
    Software(
        name="openssh",
        cpe=("openbsd:openssh",),
        strings=(
            rb"OpenSSH_(?P<version>(?:[1-9]|1[0-9])\.[0-9]{1,2}(?:\.[0-9]{1,2})?p[0-9])[\x00 \r\n]",
        ),
        programs=("sshd", "ssh", "ssh-keygen", "scp", "sftp", "sftp-server", "ssh-agent"),
    ),
    Software(
        name="dropbear",
        cpe=("dropbear_ssh_project:dropbear_ssh", "matt_johnston:dropbear_ssh_server"),
        strings=(
            rb"SSH-2\.0-dropbear_(?P<version>20[12][0-9]\.[0-9]{2}|0\.[0-9]{2}(?:\.[0-9])?)[\x00\r\n]",
        ),
        programs=("dropbear*", "dbclient"),
        packages=("dropbear-bin",),
    ),
    Software(
        name="stunnel",
        cpe=("stunnel:stunnel",),
        strings=(rb"stunnel (?P<version>[345]\.[0-9]{1,2}) on [a-z0-9_]",),
        programs=("stunnel*",),
        packages=("stunnel4",),
    ),
    Software(
        name="krb5",
        cpe=("mit:kerberos_5",),
        strings=(rb"KRB5_BRAND: krb5-(?P<version>1\.[0-9]{1,2}(?:\.[0-9]{1,2})?)",),
        libraries=("libkrb5", "libgssapi_krb5"),
    ),
    Software(
        name="openldap",
        cpe=("openldap:openldap",),
        strings=(rb"OpenLDAP: [a-z]{2,12} (?P<version>2\.[0-9]\.[0-9]{1,3}) \(",),
        programs=("slapd",),
        libraries=("libldap",),
        verified=False,
    ),
)
