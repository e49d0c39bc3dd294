//! Which IP addresses are the public internet, and what the others are.
//!
//! Pure: no I/O and no settings. The lists are IANA's special-purpose registries for IPv4 and IPv6
//! (RFC 6890 and successors) plus the metadata addresses of the large clouds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Says why a request to `address` is refused by default, as a short noun phrase such as
/// `a loopback address`; `None` for an address of the public internet.
pub fn refusal_of(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_of_v4(v4),
        IpAddr::V6(v6) => refusal_of_v6(v6),
    }
}

/// Network, prefix length in bits, what it is. The first match names the address, so a single
/// address stands before the network that holds it.
const V4: &[([u8; 4], u32, &str)] = &[
    ([169, 254, 169, 254], 32, METADATA),
    // Alibaba Cloud.
    ([100, 100, 100, 200], 32, METADATA),
    // Oracle Cloud.
    ([192, 0, 0, 192], 32, METADATA),
    // Azure's host agent, which lies in otherwise public space.
    ([168, 63, 129, 16], 32, METADATA),
    ([255, 255, 255, 255], 32, "the broadcast address"),
    ([0, 0, 0, 0], 8, "an unspecified address"),
    ([10, 0, 0, 0], 8, PRIVATE),
    ([100, 64, 0, 0], 10, "a carrier-grade NAT address"),
    ([127, 0, 0, 0], 8, LOOPBACK),
    ([169, 254, 0, 0], 16, LINK_LOCAL),
    ([172, 16, 0, 0], 12, PRIVATE),
    ([192, 0, 0, 0], 24, "a protocol assignment address"),
    ([192, 0, 2, 0], 24, DOCUMENTATION),
    ([192, 88, 99, 0], 24, "a 6to4 relay address"),
    ([192, 168, 0, 0], 16, PRIVATE),
    ([198, 18, 0, 0], 15, BENCHMARKING),
    ([198, 51, 100, 0], 24, DOCUMENTATION),
    ([203, 0, 113, 0], 24, DOCUMENTATION),
    ([224, 0, 0, 0], 4, MULTICAST),
    ([240, 0, 0, 0], 4, RESERVED),
];

/// As `V4`. What no entry names is public inside 2000::/3, the only block IANA hands out, and
/// reserved outside it.
const V6: &[([u16; 8], u32, &str)] = &[
    ([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254], 128, METADATA),
    ([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254], 128, METADATA),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "an unspecified address"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, LOOPBACK),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "an IPv4-compatible address"),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "an IPv4-mapped address"),
    (
        [0, 0, 0, 0, 0xffff, 0, 0, 0],
        96,
        "an IPv4-translated address",
    ),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "a NAT64 address"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "a NAT64 address"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "a discard address"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "a Teredo address"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, BENCHMARKING),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        "a protocol assignment address",
    ),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, DOCUMENTATION),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "a 6to4 address"),
    ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, RESERVED),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, DOCUMENTATION),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a unique local address"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LINK_LOCAL),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "a site-local address"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, MULTICAST),
];

const V6_GLOBAL: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const METADATA: &str = "a cloud metadata address";
const PRIVATE: &str = "a private address";
const LOOPBACK: &str = "a loopback address";
const LINK_LOCAL: &str = "a link-local address";
const MULTICAST: &str = "a multicast address";
const RESERVED: &str = "a reserved address";
const DOCUMENTATION: &str = "a documentation address";
const BENCHMARKING: &str = "a benchmarking address";

fn refusal_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    V4.iter()
        .find(|(network, prefix, _)| {
            let difference = address.to_bits() ^ Ipv4Addr::from(*network).to_bits();
            difference.leading_zeros() >= *prefix
        })
        .map(|(_, _, what)| *what)
}

fn refusal_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    V6.iter()
        .find(|(network, prefix, _)| v6_within(address, network, *prefix))
        .map(|(_, _, what)| *what)
        .or_else(|| (!v6_within(address, &V6_GLOBAL.0, V6_GLOBAL.1)).then_some(RESERVED))
}

fn v6_within(address: Ipv6Addr, network: &[u16; 8], prefix: u32) -> bool {
    let difference = address.to_bits() ^ Ipv6Addr::from(*network).to_bits();
    difference.leading_zeros() >= prefix
}
