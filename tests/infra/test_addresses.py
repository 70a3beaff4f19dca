"""No spelling of an inside address passes, and every public address does."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affidavit.infra.addresses import (
    DENIED,
    HostForbidden,
    HostMalformed,
    Network,
    judge,
    judge_all,
    judge_host,
    literal,
)

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_passes(address: str) -> None:
    assert str(judge_host(address)) == address


@pytest.mark.parametrize("network", [network for network, _ in DENIED], ids=str)
def test_both_ends_of_every_denied_network_are_refused(network: Network) -> None:
    for address in (network[0], network[-1]):
        with pytest.raises(HostForbidden):
            judge(address)


# Written out once more: a range that is missing from the table is missing from what is made of the table.
INSIDE = (
    "0.0.0.1 10.0.0.1 100.64.0.1 127.0.0.1 168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.254 "
    "192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 "
    "255.255.255.255 :: ::1 ::ffff:8.8.8.8 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:db8::1 "
    "2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1"
)


@pytest.mark.parametrize("address", INSIDE.split())
def test_address_inside_is_refused(address: str) -> None:
    with pytest.raises(HostForbidden):
        judge(ipaddress.ip_address(address))


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_what_the_standard_library_calls_inside_is_refused(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        with pytest.raises(HostForbidden):
            judge(address)


@given(st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address))
def test_ipv6_outside_the_global_unicast_space_is_refused(address: ipaddress.IPv6Address) -> None:
    if address not in ipaddress.IPv6Network("2000::/3") or not address.is_global:
        with pytest.raises(HostForbidden):
            judge(address)


@given(st.integers(0, 2**32 - 1))
def test_wrapped_ipv4_is_refused_however_it_is_wrapped(inner: int) -> None:
    wrappings = (
        inner,  # IPv4-compatible
        0xFFFF << 32 | inner,  # mapped
        0xFFFF << 48 | inner,  # translated
        0x64FF9B << 96 | inner,  # NAT64
        0x2002 << 112 | inner << 80,  # 6to4
        0x20010000 << 96 | inner ^ 0xFFFFFFFF,  # Teredo
        0x2606 << 112 | 0x5EFE << 32 | inner,  # ISATAP
        0x2606 << 112 | 0x2005EFE << 32 | inner,  # ISATAP of a global address
    )
    for number in wrappings:
        with pytest.raises(HostForbidden):
            judge(ipaddress.IPv6Address(number))


NUMBERS = r"(0x[0-9a-f]{1,8}|0[0-7]{1,12}|[0-9]{1,12})(\.(0x[0-9a-f]{1,4}|[0-9]{1,4})){0,3}\.?"


@given(st.from_regex(NUMBERS, fullmatch=True))
def test_whatever_the_resolver_reads_as_a_number_is_an_address_or_refused(host: str) -> None:
    """The C library's reading is the truth here: an address must never pass as a name."""
    try:
        socket.inet_aton(host.removesuffix("."))
    except OSError:
        return
    try:
        found = literal(host)
    except HostForbidden:
        return
    assert found is not None
    assert found.packed == socket.inet_aton(host.removesuffix("."))


def test_one_inside_answer_condemns_all() -> None:
    with pytest.raises(HostForbidden):
        judge_all(["8.8.8.8", "127.0.0.1"])
    with pytest.raises(HostForbidden):
        judge_all(["2606:4700:4700::1111", "fe80::1%eth0"])


def test_answers_keep_their_order_and_come_once() -> None:
    assert judge_all(["8.8.8.8", "1.1.1.1", "8.8.8.8"]) == ["8.8.8.8", "1.1.1.1"]


def test_allowed_network_opens_itself_only() -> None:
    allowed = [ipaddress.ip_network("127.0.0.1/32")]

    judge_host("127.0.0.1", allowed)
    for other in ("127.0.0.2", "10.0.0.1", "::ffff:127.0.0.1", "2130706433"):
        with pytest.raises(HostForbidden):
            judge_host(other, allowed)


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal", "x.local"]
)
def test_own_names_are_refused_unless_a_network_is_allowed(name: str) -> None:
    with pytest.raises(HostForbidden):
        judge_host(name)
    assert judge_host(name, [ipaddress.ip_network("127.0.0.0/8")]) is None


@pytest.mark.parametrize(
    "host", ["", ".", "a..b", "-a.example", "a b", "a/b", "a%2eb", "ex\tample", "x" * 64, ":::", "::g"]
)
def test_what_is_no_host_is_malformed(host: str) -> None:
    with pytest.raises(HostMalformed):
        judge_host(host)
