"""Every way that we know to write an inside address into a URL, by what it tries."""
# ruff: noqa: RUF001 - look-alikes are what it is about

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

INSIDE_V4 = (
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "0.0.0.0", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "255.255.255.255", "168.63.129.16", "240.0.0.1",
)  # fmt: skip
INSIDE_V6 = (
    "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "ff0e::1",
    "2001:db8::1", "100::1", "5f00::1", "3fff::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1",
    "3ffe::1", "4000::1", "64:ff9b::1", "64:ff9b:1::1", "2002::1",
)  # fmt: skip
NAMES = (
    "localhost", "LOCALHOST", "LocalHost", "localhost.", "x.localhost", "localhost.localdomain",
    "printer.local", "router.home.arpa", "metadata", "metadata.google.internal", "METADATA.GOOGLE.INTERNAL.",
    "metadata.goog", "instance-data", "instance-data.ec2.internal", "kubernetes", "kubernetes.default.svc",
    "vault.internal", "api.default.svc",
)  # fmt: skip
UNICODE = (
    "ⓛocalhost",
    "localhoſt",
    "ＬＯＣＡＬＨＯＳＴ",
    "ℓocalhost",
    "locaﬂhost.localhost",
    "metadata。google。internal",
)
RESOLVED = (  # public names of others that answer with an inside address
    "127.0.0.1.nip.io", "10.0.0.1.sslip.io", "localtest.me", "spoofed.burpcollaborator.net",
    "app.example.com", "xn--bcher-kva.example", "a.b.c.d.e.f.example", "169.254.169.254.xip.io",
)  # fmt: skip
DIGITS = {
    "fullwidth": "０１２３４５６７８９",
    "mathematical": "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
    "superscript": "⁰¹²³⁴⁵⁶⁷⁸⁹",
    "arabic-indic": "٠١٢٣٤٥٦٧٨٩",
    "circled": "⓪①②③④⑤⑥⑦⑧⑨",
}
DOTS = ("。", "．", "｡", "%2e", "%E3%80%82")


def spelled_v4(text: str) -> Iterator[str]:
    """Write one IPv4 address in every way that some resolver or parser takes."""
    a, b, c, d = (int(part) for part in text.split("."))
    whole = int(ipaddress.IPv4Address(text))
    yield from (text, f"{text}.", f"{text}..", str(whole), hex(whole), f"0{whole:o}", hex(whole).upper())
    yield from (f"0{whole}", f"0x0{whole:x}", f"00{whole:o}", str(whole + 2**32), str(whole + 2**64))
    yield from (f"{a}.{whole & 0xFFFFFF}", f"{a}.{b}.{whole & 0xFFFF}", f"{a:#x}.{whole & 0xFFFFFF:#x}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b}.0{c:o}.{d}")
    yield from (f"{a:04d}.{b:04d}.{c:04d}.{d:04d}", f"{a:#010x}.{b}.{c}.{d}", f"{a + 256}.{b}.{c}.{d}")
    yield from (text.replace(".", dot) for dot in DOTS)
    yield from (
        text.translate(dict(zip(map(ord, "0123456789"), row, strict=True))) for row in DIGITS.values()
    )
    yield from ("".join(f"%{ord(letter):02x}" for letter in text), f"[{text}]", f"[v1.{text}]")


def wrapped_v4(text: str) -> Iterator[str]:
    """Write an IPv4 address inside an IPv6 address."""
    whole = int(ipaddress.IPv4Address(text))
    high, low, inverse = whole >> 16, whole & 0xFFFF, whole ^ 0xFFFFFFFF
    yield from (f"[::ffff:{text}]", f"[::ffff:{high:x}:{low:x}]", f"[::{text}]", f"[::{high:x}:{low:x}]")
    yield from (f"[0:0:0:0:0:FFFF:{text}]", f"[0000:0000:0000:0000:0000:ffff:{high:04x}:{low:04x}]")
    yield from (
        f"[::ffff:0:{text}]",
        f"[64:ff9b::{text}]",
        f"[64:ff9b:1::{text}]",
        f"[64:ff9b:1:fffe::{text}]",
    )
    yield from (f"[2002:{high:x}:{low:x}::]", f"[2002:{high:x}:{low:x}::1]")
    yield f"[2001:0:1::{inverse >> 16:x}:{inverse & 0xFFFF:x}]"
    yield from (f"[2606:4700::5efe:{text}]", f"[2606:4700::200:5efe:{text}]", f"[fe80::5efe:{text}]")
    yield from (f"[::ffff:{text}%25lo]", f"[::ffff:{text}%lo]")


def spelled_v6(text: str) -> Iterator[str]:
    address = ipaddress.IPv6Address(text)
    yield from (f"[{address}]", f"[{address.exploded}]", f"[{address.exploded.upper()}]", str(address))
    yield from (f"[{address}%25eth0]", f"[{address}%eth0]", f"[{address}%251]", f"[{address}].")


def authorities(hosts: Iterable[str]) -> Iterator[str]:
    """Hide a host behind user names, ports and the signs that parsers quarrel about."""
    for host, how in product(
        hosts,
        (
            "example.com@{}", "{}@example.com", "user:pass@{}", "example.com:443@{}", "example.com%40{}",
            "example.com\\@{}", "example.com#@{}", "{}#.example.com", "{}?.example.com", "{}\\.example.com",
            "{}:22", "{}:0443", "{}:443:80", "{}:", "{}:٤٤٣", "{}%00.example.com", "{}%20", "{}\t", "\t{}",
            "{}\n.example.com", " {}", "{}%23.example.com", "{}%2f@example.com", "[{}", "{}]",
        ),
    ):  # fmt: skip
        yield how.format(host)


def table(ipv4: Sequence[str] = INSIDE_V4) -> dict[str, list[str]]:
    """Return the spellings by kind, each once."""
    kinds = {
        "IPv4, in every notation": [each for text in ipv4 for each in spelled_v4(text)],
        "IPv4 wrapped in IPv6": [each for text in ipv4 for each in wrapped_v4(text)],
        "IPv6": [each for text in INSIDE_V6 for each in spelled_v6(text)],
        "short forms": ["0", "00", "0x", "0x0", "127.1", "127.0.1", "0177.1", "0x7f.1", "127.", "1", "[::]"],
        "names of this machine and of clouds": [*NAMES, *UNICODE],
        "names that resolve to the inside": list(RESOLVED),
        "user names, ports and quarrels of parsers": list(authorities(("127.0.0.1", "localhost", "[::1]"))),
    }
    seen: set[str] = set()
    return {
        kind: [each for each in spellings if not (each in seen or seen.add(each))]  # type: ignore[func-returns-value]
        for kind, spellings in kinds.items()
    }
