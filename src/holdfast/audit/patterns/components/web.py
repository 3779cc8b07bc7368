"""Web servers of embedded products, and what runs inside them."""

from typing import Final

from holdfast.audit.patterns.components.software import Software

TABLE: Final[tuple[Software, ...]] = (
    Software(
        name="lighttpd",
        cpe=("lighttpd:lighttpd",),
        strings=(rb"lighttpd/(?P<version>1\.[0-9]\.[0-9]{1,2})[\x00 \n)-]",),
        programs=("lighttpd",),
    ),
    Software(
        name="nginx",
        cpe=("f5:nginx", "nginx:nginx", "igor_sysoev:nginx"),
        strings=(rb"nginx version: nginx/(?P<version>[01]\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("nginx",),
        packages=("nginx-ssl",),
    ),
    Software(
        name="apache",
        cpe=("apache:http_server",),
        own_strings=(rb"Apache/(?P<version>[12]\.[0-9]\.[0-9]{1,2})[\x00 ]",),
        programs=("apache2", "httpd2", "apache"),
        symbols=("ap_get_server_banner", "ap_add_version_component"),
        packages=("apache2", "httpd"),
    ),
    Software(
        name="mini_httpd",
        cpe=("acme:mini_httpd", "acme:mini-httpd"),
        strings=(rb"mini_httpd/(?P<version>1\.[0-9]{1,2}[a-z]?) [0-9]{2}[A-Za-z]{3}[0-9]{4}",),
        programs=("mini_httpd*", "mini-httpd*"),
        packages=("mini-httpd",),
    ),
    Software(
        name="sthttpd",
        cpe=("sthttpd_project:sthttpd",),
        strings=(rb"sthttpd/(?P<version>2\.[0-9]{1,2}\.[0-9])",),
        programs=("thttpd",),
        verified=False,
    ),
    Software(
        name="thttpd",
        cpe=("acme:thttpd",),
        strings=(
            rb"[^s]thttpd/(?P<version>2\.[0-9]{1,2}[a-z]?)(?: |\x00|-)",
            rb"\x00thttpd/(?P<version>2\.[0-9]{1,2}(?:beta[0-9]|[a-z])?)",
        ),
        programs=("thttpd",),
        verified=False,
    ),
    Software(
        name="micro_httpd",
        cpe=("acme:micro_httpd",),
        strings=(rb"Server: micro_httpd",),
        programs=("micro_httpd",),
        verified=False,
    ),
    Software(
        name="boa",
        cpe=("boa:boa",),
        strings=(rb"Boa/(?P<version>0\.9[0-9]\.[0-9]{1,2}(?:rc[0-9]{1,2})?[a-z]?)",),
        programs=("boa",),
        verified=False,
    ),
    Software(
        name="goahead",
        cpe=("embedthis:goahead", "goahead:goahead_webserver"),
        strings=(
            rb"GoAhead[ /](?P<version>[2-6]\.[0-9]{1,2}\.[0-9]{1,2})",
            rb"Server: GoAhead-(?:Webs|http)",
        ),
        programs=("goahead", "webs"),
        symbols=("websOpenServer", "websUrlHandlerDefine", "websDefineHandler"),
        libraries=("libgo",),
        verified=False,
    ),
    Software(
        name="appweb",
        cpe=("embedthis:appweb", "mbedthis_software:mbedthis_appweb_http_server"),
        strings=(rb"(?:Em|M)bedthis-Appweb/(?P<version>[2-9]\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("appweb",),
        libraries=("libappweb",),
        verified=False,
    ),
    Software(
        name="uhttpd",
        programs=("uhttpd",),
        packages=("uhttpd-mod-ubus",),
    ),
    Software(
        name="mathopd",
        cpe=("mathopd:mathopd",),
        strings=(rb"Mathopd/(?P<version>1\.[0-9](?:[pb][0-9]{1,2})?)",),
        programs=("mathopd",),
    ),
    Software(
        name="cherokee",
        cpe=("cherokee-project:cherokee", "cherokee:cherokee_httpd"),
        strings=(rb"Cherokee/(?P<version>[01]\.[0-9]{1,2}\.[0-9]{1,3})",),
        bare=r"[01]\.[0-9]{1,2}\.[0-9]{1,3}",
        programs=("cherokee*",),
        libraries=("libcherokee-server",),
        verified=False,
    ),
    Software(
        name="monkey",
        cpe=("monkey-project:monkey",),
        strings=(rb"Monkey/(?P<version>[01]\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("monkey",),
        verified=False,
    ),
    Software(
        name="mongoose",
        cpe=("cesanta:mongoose",),
        strings=(rb"Mongoose(?:/| web server v\.? ?)(?P<version>[2-7]\.[0-9]{1,2})",),
        bare=r"[5-7]\.[0-9]{1,2}",
        symbols=("mg_mgr_init", "mg_mgr_poll"),
    ),
    Software(
        name="civetweb",
        cpe=("civetweb_project:civetweb",),
        bare=r"1\.[0-9]{1,2}(?:\.[0-9])?",
        named=True,
        libraries=("libcivetweb",),
    ),
    Software(
        name="libmicrohttpd",
        cpe=("gnu:libmicrohttpd",),
        bare=r"(?:0\.9|1\.0)\.[0-9]{1,2}",
        symbols=("MHD_get_version", "MHD_start_daemon"),
        libraries=("libmicrohttpd",),
    ),
    Software(
        name="rompager",
        cpe=("allegrosoft:rompager",),
        strings=(rb"(?:Allegro-Software-)?RomPager/(?P<version>[1-6]\.[0-9]{2})",),
        verified=False,
    ),
    Software(
        name="emweb",
        strings=(rb"Virata-EmWeb/R(?P<version>[0-9]_[0-9]{1,2}(?:_[0-9])?)",),
        verified=False,
    ),
    Software(
        name="uc-httpd",
        cpe=("xiongmaitech:uc-httpd",),
        strings=(rb"uc-httpd (?P<version>[01]\.[0-9]\.[0-9])",),
        verified=False,
    ),
    Software(
        name="gsoap",
        cpe=("genivia:gsoap",),
        strings=(rb"gSOAP/(?P<version>2\.[0-9]{1,2})[\x00\r\n ]",),
        libraries=("libgsoap",),
        verified=False,
    ),
    Software(
        name="php",
        cpe=("php:php",),
        strings=(rb"X-Powered-By: PHP/(?P<version>[3-8]\.[0-9]{1,2}\.[0-9]{1,2})",),
        programs=("php", "php-*", "php5*", "php7*", "php8*"),
        libraries=("libphp",),
        packages=("php5", "php7", "php8", "php8.2"),
    ),
    Software(
        name="libwebsockets",
        cpe=("libwebsockets:libwebsockets",),
        bare=r"[1-4]\.[0-9]{1,2}\.[0-9]{1,2}-?",
        libraries=("libwebsockets",),
    ),
    Software(
        name="realtek-upnp",
        cpe=("realtek:realtek_sdk",),
        strings=(rb"UPnP/1\.0 Realtek/[Vv](?P<version>1\.[0-9])", rb"UPnP/1\.0 MiniIGD/[0-9]"),
        programs=("miniigd", "mini_upnpd"),
        verified=False,
    ),
    Software(
        name="broadcom-upnp",
        strings=(rb"UPnP/1\.0 BRCM400/(?P<version>1\.[0-9])",),
        verified=False,
    ),
    Software(
        name="lwip",
        cpe=("lwip_project:lwip",),
        strings=(rb"lwIP/(?P<version>[12]\.[0-9]\.[0-9])",),
        verified=False,
    ),
    Software(
        name="vxworks",
        cpe=("windriver:vxworks",),
        strings=(rb"VxWorks (?:version )?(?P<version>[5-7]\.[0-9](?:\.[0-9])?)[\x00 \n]",),
        part="o",
        verified=False,
    ),
    Software(
        name="jquery",
        cpe=("jquery:jquery",),
        strings=(
            (
                rb"jQuery (?:JavaScript Library )?v"
                rb"(?P<version>[1-4]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)[ |\n\r]"
            ),
        ),
        text=True,
        programs=("jquery*.js",),
        packages=("libjs-jquery",),
    ),
    Software(
        name="jquery-ui",
        cpe=("jqueryui:jquery_ui", "jquery:jquery_ui"),
        strings=(rb"jQuery UI(?: -)? v?(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})",),
        text=True,
        programs=("jquery-ui*.js", "jquery.ui*.js"),
        verified=False,
    ),
    Software(
        name="bootstrap",
        cpe=("getbootstrap:bootstrap",),
        strings=(rb"\* (?:Bootstrap|bootstrap\.js) v(?P<version>[2-5]\.[0-9]{1,2}\.[0-9]{1,2})",),
        text=True,
        programs=("bootstrap*",),
        verified=False,
    ),
    Software(
        name="prototype",
        cpe=("prototypejs:prototype",),
        strings=(
            (
                rb"Prototype JavaScript framework, version "
                rb"(?P<version>1\.[0-9](?:\.[0-9](?:\.[0-9])?)?)"
            ),
        ),
        text=True,
        verified=False,
    ),
    Software(
        name="angularjs",
        cpe=("angularjs:angularjs", "angularjs:angular.js"),
        strings=(rb"AngularJS v(?P<version>1\.[0-9]{1,2}\.[0-9]{1,2})",),
        text=True,
        verified=False,
    ),
    Software(
        name="vue",
        cpe=("vuejs:vue",),
        strings=(rb"Vue\.js v(?P<version>[123]\.[0-9]{1,2}\.[0-9]{1,2})",),
        text=True,
        verified=False,
    ),
    Software(
        name="lodash",
        cpe=("lodash:lodash",),
        strings=(
            rb"[Ll]o-?[Dd]ash (?:<https?://lodash\.com/>|v?)(?P<version>[1-4]\.[0-9]{1,2}\.[0-9]{1,2})",
        ),
        text=True,
        verified=False,
    ),
    Software(
        name="moment",
        cpe=("momentjs:moment",),
        strings=(rb"//! version : (?P<version>2\.[0-9]{1,2}\.[0-9]{1,2})\n//! authors : Tim Wood",),
        text=True,
        verified=False,
    ),
)
