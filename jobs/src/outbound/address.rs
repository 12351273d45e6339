//! Which addresses of the internet somebody else may have us call: those that anybody reaches, and no other. Pure.
//!
//! The table follows IANA's registries of special-purpose addresses (RFC 6890):
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and <https://www.iana.org/assignments/iana-ipv6-special-registry>,
//! multicast and class E from <https://www.iana.org/assignments/ipv4-address-space>, and of IPv6 only `2000::/3`, all that is assigned for
//! the internet (<https://www.iana.org/assignments/ipv6-address-space>). `tests/it/outbound/addresses.rs` compares it with Python's `ipaddress`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that begin alike, and what they are for.
struct Block<A> {
    first: A,
    prefix: u8,
    purpose: &'static str,
}

const fn v4(octets: [u8; 4], prefix: u8, purpose: &'static str) -> Block<Ipv4Addr> {
    Block { first: Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), prefix, purpose }
}

const fn v6(first: u128, prefix: u8, purpose: &'static str) -> Block<Ipv6Addr> {
    Block { first: Ipv6Addr::from_bits(first), prefix, purpose }
}

/// IPv4 addresses that nobody may have us call.
const REFUSED_V4: [Block<Ipv4Addr>; 16] = [
    v4([0, 0, 0, 0], 8, "this network"),
    v4([10, 0, 0, 0], 8, "a private network"),
    v4([100, 64, 0, 0], 10, "a network shared behind a carrier's NAT"),
    v4([127, 0, 0, 0], 8, "loopback"),
    v4([169, 254, 0, 0], 16, "link-local, where clouds keep their metadata"),
    // A public address, but within Azure it is the host that hands out certificates and keys (168.63.129.16, "WireServer").
    v4([168, 63, 129, 16], 32, "a cloud's metadata"),
    v4([172, 16, 0, 0], 12, "a private network"),
    v4([192, 0, 0, 0], 24, "protocol assignments"),
    v4([192, 0, 2, 0], 24, "documentation"),
    v4([192, 88, 99, 0], 24, "6to4 relays, which are no more"),
    v4([192, 168, 0, 0], 16, "a private network"),
    v4([198, 18, 0, 0], 15, "benchmarks"),
    v4([198, 51, 100, 0], 24, "documentation"),
    v4([203, 0, 113, 0], 24, "documentation"),
    v4([224, 0, 0, 0], 4, "multicast"),
    v4([240, 0, 0, 0], 4, "reserved, or broadcast"),
];

/// The only IPv6 addresses of the internet.
const INTERNET_V6: Block<Ipv6Addr> = v6(0x2000 << 112, 3, "the internet");

/// IPv6 addresses within [`INTERNET_V6`] that nobody may have us call.
const REFUSED_V6: [Block<Ipv6Addr>; 4] = [
    // Teredo, benchmarks and ORCHID among them.
    v6(0x2001 << 112, 23, "protocol assignments, or Teredo"),
    v6(0x2001_0db8 << 96, 32, "documentation"),
    v6(0x2002 << 112, 16, "6to4"),
    v6(0x3fff << 112, 20, "documentation"),
];

/// Where a network without IPv4 reaches IPv4 (RFC 6052): the last 32 bits say whom.
const NAT64: Block<Ipv6Addr> = v6(0x0064_ff9b << 96, 96, "NAT64");

/// IPv4 in the clothes of IPv6. No resolver gives one, so whoever writes one has a reason.
const MAPPED: Block<Ipv6Addr> = v6(0xffff << 32, 96, "an IPv4 address in IPv6");

/// Why nobody may have us call this address: what it is for. None where it is one of the internet.
pub fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4.iter().find(|block| block.contains(address)).map(|block| block.purpose)
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if NAT64.contains(address) {
        let [.., a, b, c, d] = address.octets();
        return refused_v4(Ipv4Addr::new(a, b, c, d));
    }
    if MAPPED.contains(address) {
        return Some(MAPPED.purpose);
    }
    if !INTERNET_V6.contains(address) {
        return Some("no address of the internet");
    }
    REFUSED_V6.iter().find(|block| block.contains(address)).map(|block| block.purpose)
}

impl Block<Ipv4Addr> {
    fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX << (32 - u32::from(self.prefix));
        address.to_bits() & mask == self.first.to_bits()
    }
}

impl Block<Ipv6Addr> {
    fn contains(&self, address: Ipv6Addr) -> bool {
        let mask = u128::MAX << (128 - u32::from(self.prefix));
        address.to_bits() & mask == self.first.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(address: &str) -> Option<&'static str> {
        refused(address.parse().expect("an address"))
    }

    #[test]
    fn every_block_ends_where_its_prefix_says() {
        for block in &REFUSED_V4 {
            let first = block.first.to_bits();
            let last = first | !(u32::MAX << (32 - u32::from(block.prefix)));
            assert_eq!(first & !(u32::MAX << (32 - u32::from(block.prefix))), 0, "{} is no beginning of a block", block.first);
            for inside in [first, last] {
                assert!(block.contains(Ipv4Addr::from_bits(inside)));
            }
            for outside in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
                assert!(!block.contains(Ipv4Addr::from_bits(outside)));
            }
        }
        for block in REFUSED_V6.iter().chain([&INTERNET_V6, &NAT64, &MAPPED]) {
            let rest = !(u128::MAX << (128 - u32::from(block.prefix)));
            let first = block.first.to_bits();
            assert_eq!(first & rest, 0, "{} is no beginning of a block", block.first);
            assert!(block.contains(Ipv6Addr::from_bits(first | rest)));
            assert!(!block.contains(Ipv6Addr::from_bits(first - 1)) && !block.contains(Ipv6Addr::from_bits((first | rest) + 1)));
        }
    }

    #[test]
    fn addresses_of_the_internet_may_be_called() {
        for address in ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:81b::200e", "64:ff9b::808:808"] {
            assert_eq!(said(address), None, "{address}");
        }
    }

    #[test]
    fn what_leads_inside_may_not() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "203.0.113.7",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2001:0:1::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(said(address).is_some(), "{address}");
        }
    }
}
