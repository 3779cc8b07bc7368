"""What records of the kernel do not say of themselves: processors, and places in its source."""

from collections.abc import Mapping
from typing import Final

_X86 = frozenset({"x86"})
_BIG = frozenset({"x86", "arm", "powerpc", "s390"})

PROCESSOR_FLAWS: Final[Mapping[str, frozenset[str]]] = {
    "CVE-2017-5715": _BIG | {"mips"}, "CVE-2017-5753": _BIG | {"mips"}, "CVE-2017-5754": _BIG,
    "CVE-2018-3639": _BIG, "CVE-2022-23960": frozenset({"arm"}),
    **dict.fromkeys(
        (
            "CVE-2018-3620", "CVE-2018-3646", "CVE-2018-3665", "CVE-2018-8897", "CVE-2018-12126",
            "CVE-2018-12127", "CVE-2018-12130", "CVE-2018-12207", "CVE-2019-1125",
            "CVE-2019-11091", "CVE-2019-11135", "CVE-2020-0543", "CVE-2022-0001", "CVE-2022-0002",
            "CVE-2022-21123", "CVE-2022-21125", "CVE-2022-21166", "CVE-2022-29900",
            "CVE-2022-29901", "CVE-2023-20569", "CVE-2023-20588", "CVE-2023-20593",
            "CVE-2024-2201",
        ),
        _X86,
    ),
}  # fmt: skip
"""Flaws of processors that the kernel only works around, and the families that have them."""

_PLACES: Final[Mapping[str, str]] = {
    "arch/arm/include/asm/uaccess.h": "CVE-2013-6282",
    "arch/x86/crypto/aesni-intel_glue.c": "CVE-2015-3331",
    "arch/x86/entry/": "CVE-2014-0038",
    "drivers/android/binder.c": "CVE-2019-2215 CVE-2020-0041",
    "drivers/hid/hid-core.c": "CVE-2024-50302",
    "drivers/infiniband/hw/cxgb3/iwch_cm.c": "CVE-2015-8812",
    "drivers/media/usb/uvc/uvc_driver.c": "CVE-2024-53104",
    "drivers/net/wireless/ath/ath9k/htc_drv_main.c": "CVE-2013-4579",
    "drivers/net/wireless/broadcom/brcm80211/brcmfmac/cfg80211.c": "CVE-2023-1380",
    "drivers/net/wireless/marvell/mwifiex/join.c": "CVE-2019-14901",
    "drivers/usb/usbip/usbip_common.c": "CVE-2016-3955",
    "drivers/video/fbdev/core/fbmem.c": "CVE-2013-2596",
    "fs/ext4/inline.c": "CVE-2018-11412",
    "fs/nfsd/nfs3xdr.c": "CVE-2017-7895 CVE-2022-43945",
    "fs/overlayfs/copy_up.c": "CVE-2015-8660 CVE-2021-3493 CVE-2023-0386 CVE-2023-2640 "
    "CVE-2023-32629",
    "fs/smb/server/smb2pdu.c": "CVE-2022-47938 CVE-2022-47939 CVE-2023-0210 CVE-2023-52440 "
    "CVE-2023-52442 CVE-2024-26594",
    "io_uring/kbuf.c": "CVE-2024-0582",
    "kernel/bpf/verifier.c": "CVE-2016-4557 CVE-2017-16995 CVE-2021-3490",
    "net/bluetooth/l2cap_core.c": "CVE-2017-1000251",
    "net/ceph/messenger_v2.c": "CVE-2023-44466",
    "net/mac80211/sta_info.c": "CVE-2019-5108",
    "net/netfilter/nf_conntrack_proto_dccp.c": "CVE-2014-2523",
    "net/netfilter/nf_tables_api.c": "CVE-2022-2586 CVE-2023-32233 CVE-2024-1086",
    "net/netfilter/x_tables.c": "CVE-2021-22555",
    "net/netfilter/xt_TCPMSS.c": "CVE-2017-18017",
    "net/packet/af_packet.c": "CVE-2016-8655 CVE-2017-7308 CVE-2021-22600",
    "net/rds/page.c": "CVE-2010-3904",
    "net/tipc/crypto.c": "CVE-2021-43267",
    "net/tipc/monitor.c": "CVE-2022-0435",
    "net/wireless/nl80211.c": "CVE-2019-16746",
    "sound/core/control.c": "CVE-2023-0266",
    "sound/usb/quirks.c": "CVE-2024-53150 CVE-2024-53197",
    "virt/kvm/kvm_main.c": "CVE-2016-10150 CVE-2019-6974",
}

PLACES_OF: Final[Mapping[str, str]] = {
    cve: place for place, cves in _PLACES.items() for cve in cves.split()
}
"""Where those lie that are, or may soon be, exploited, for records that do not say it."""
