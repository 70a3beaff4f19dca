"""Judge network addresses: which ones a URL from outside may lead to. Pure; connects to nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Written out, since `ipaddress.is_global` lets through what leads inside: NAT64 and 6to4 wrap any
# IPv4 address, 192.88.99.0/24 is a relay, 168.63.129.16 is global and still a cloud's own door.
DENIED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata (Azure)"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
        ("::/96", "unspecified, loopback, IPv4-compatible"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard"),
        ("2001::/23", "Teredo and other protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3ffe::/16", "6bone, given back"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # nothing else of IPv6 is given out (RFC 4291)
ISATAP = 0x00005EFE  # upper half of an interface id that wraps an IPv4 address (RFC 5214)

# Names that clouds and hosts give to themselves; a resolver of theirs may answer with anything.
OWN_NAMES = frozenset(
    {"localhost", "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "kubernetes"}
)
OWN_SUFFIXES = (".localhost", ".localdomain", ".internal", ".local", ".home.arpa", ".svc")

_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z", re.IGNORECASE)


class HostMalformed(ValueError):
    """Not a host name and not an address."""


class HostForbidden(ValueError):
    """An address, or a name of this machine's surroundings, that may not be reached.

    The message says why and is for the operator: it may describe a resolved address.
    """


def judge(address: Address, allowed: Iterable[Network] = ()) -> None:
    """Return if the address is public or inside an allowed network. Raises HostForbidden."""
    if is_inside(address, allowed):
        return
    for network, reason in DENIED:
        if address in network:
            raise HostForbidden(reason)
    if isinstance(address, ipaddress.IPv6Address):
        _judge_v6(address)


def is_inside(address: Address, networks: Iterable[Network]) -> bool:
    """Tell whether one of the networks holds the address."""
    return any(address in network for network in networks)


def _judge_v6(address: ipaddress.IPv6Address) -> None:
    if address.scope_id is not None:
        raise HostForbidden("bound to an interface")
    if address not in GLOBAL_UNICAST:
        raise HostForbidden("not global unicast")
    if (int(address) >> 32) & 0xFCFFFFFF == ISATAP:
        raise HostForbidden("ISATAP")


def judge_all(answers: Iterable[str], allowed: Iterable[Network] = ()) -> list[str]:
    """Return the resolver's answers if every one may be reached. Raises HostForbidden.

    All of them, since whoever names both a public and a private address decides which is tried.
    """
    networks = tuple(allowed)
    judged: dict[str, None] = {}
    for answer in answers:
        judge(ipaddress.ip_address(answer), networks)
        judged[answer] = None
    return list(judged)


def literal(host: str) -> Address | None:
    """Return the address that a URL's host spells, or None for a name.

    `host` is without brackets. Only the plain spellings count: four decimal numbers, or IPv6
    without a zone. What a resolver would read as an address all the same (2130706433, 0177.1,
    0x7f.1, 127.1) raises HostForbidden; what is neither raises HostMalformed.
    """
    if ":" in host:
        return _literal_v6(host)
    labels = host.removesuffix(".").split(".")
    if _NUMBER.match(labels[-1]):
        return _literal_v4(labels)
    if len(host) > 254 or not all(_LABEL.match(label) for label in labels):
        raise HostMalformed("not a host name")
    return None


def _literal_v6(host: str) -> ipaddress.IPv6Address:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise HostMalformed("not an IPv6 address") from None
    if address.scope_id is not None:
        raise HostForbidden("bound to an interface")
    return address


def _literal_v4(labels: list[str]) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(".".join(labels))
    except ValueError:
        raise HostForbidden("an IPv4 address in an unusual spelling") from None


def judge_host(host: str, allowed: Iterable[Network] = ()) -> Address | None:
    """Judge a URL's host before anything is resolved; return the address if it is one.

    Raises HostForbidden, HostMalformed. A name that passes has still to be resolved and judged.
    """
    networks = tuple(allowed)
    address = literal(host)
    if address is not None:
        judge(address, networks)
    elif not networks and _is_own_name(host.lower().removesuffix(".")):
        raise HostForbidden("a name of this machine or its network")
    return address


def _is_own_name(name: str) -> bool:
    return name in OWN_NAMES or name.endswith(OWN_SUFFIXES)
