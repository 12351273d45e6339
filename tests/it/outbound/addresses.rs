//! Which addresses may be called, compared with what Python's `ipaddress` takes for global: at each border of each of its blocks, and at tens of
//! thousands of others.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use rand::{Rng, SeedableRng, rngs::StdRng};
use windrow_jobs::outbound::address::refused;
use windrow_tests::python;

/// Where the two differ on purpose: `(the first bits, why)`.
const STRICTER: [(&str, &str); 13] = [
    ("168.63.129.16/32", "Azure's host, which only looks like the internet"),
    ("192.0.0.0/24", "of the protocols' own addresses Python lets two through; nobody serves there"),
    ("192.88.99.0/24", "relays of 6to4, which were given up in 2015"),
    ("224.0.0.0/4", "Python takes multicast for global"),
    ("ff00::/8", "Python takes multicast for global"),
    ("::ffff:0:0/96", "Python looks at what is mapped; whoever writes one has a reason"),
    ("2001::/23", "the protocols' own addresses; Python lets some through"),
    ("2002::/16", "6to4, which leads to an IPv4 address of the sender's choice"),
    ("::/8", "not assigned for the internet (RFC 4291), but for NAT64"),
    ("64:ff9b::/96", "Python does not look at the IPv4 address within"),
    ("3fff::/20", "documentation since 2024, which older Pythons do not know"),
    ("100::/8", "not assigned for the internet"),
    ("5f00::/16", "segment routing since 2024, which older Pythons do not know"),
];

#[tokio::test]
async fn python_takes_no_address_for_private_that_may_be_called() {
    let seed: u64 = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let borders = borders(folder.path()).await;
    let mut addresses: Vec<IpAddr> = borders;
    addresses.extend((0..30_000).map(|_| IpAddr::V4(random.random::<u32>().into())));
    addresses.extend((0..10_000).map(|_| IpAddr::V6(random.random::<u128>().into())));
    // Most addresses of IPv6 are nobody's: these are where the registries say something.
    addresses.extend((0..10_000).map(|_| IpAddr::V6((0x2000_u128 << 112 | random.random::<u128>() >> 3).into())));
    let verdicts = verdicts(folder.path(), &addresses).await;
    assert_eq!(verdicts.len(), addresses.len());

    let mut differing: BTreeMap<&str, usize> = BTreeMap::new();
    for (address, global) in addresses.iter().zip(verdicts) {
        let ours = refused(*address).is_none();
        if ours == global {
            continue;
        }
        assert!(!ours || within(*address, "64:ff9b::/96"), "seed {seed}: {address} may be called, and Python says that it is not global");
        let known = STRICTER.iter().find(|(block, _)| within(*address, block));
        let outside = matches!(address, IpAddr::V6(address) if address.segments()[0] >> 13 != 1);
        let (block, _) = known.unwrap_or_else(|| {
            assert!(outside, "seed {seed}: {address} is refused, and Python says that it is global");
            &("outside 2000::/3", "not assigned for the internet (RFC 4291)")
        });
        *differing.entry(block).or_default() += 1;
    }
    println!("{} addresses, seed {seed}; stricter than Python in: {differing:?}", addresses.len());
}

fn within(address: IpAddr, block: &str) -> bool {
    let (first, prefix) = block.split_once('/').expect("a prefix");
    let (first, prefix): (IpAddr, u32) = (first.parse().expect("an address"), prefix.parse().expect("a number"));
    match (address, first) {
        (IpAddr::V4(address), IpAddr::V4(first)) => (address.to_bits() ^ first.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0,
        (IpAddr::V6(address), IpAddr::V6(first)) => (address.to_bits() ^ first.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0,
        _ => false,
    }
}

/// The first and the last address of every block that Python or this file names, and their neighbours.
async fn borders(folder: &Path) -> Vec<IpAddr> {
    let script = "
import ipaddress, sys
blocks = list(map(ipaddress.ip_network, sys.argv[1:]))
for constants in (ipaddress._IPv4Constants, ipaddress._IPv6Constants):
    for value in vars(constants).values():
        for block in value if isinstance(value, list) else [value]:
            if isinstance(block, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
                blocks.append(block)
for block in blocks:
    kind = type(block.network_address)
    for number in (int(block[0]) - 1, int(block[0]), int(block[-1]), int(block[-1]) + 1):
        if 0 <= number < 2 ** block.max_prefixlen:
            print(kind(number))
";
    let mut arguments = vec!["-c", script];
    arguments.extend(STRICTER.iter().map(|(block, _)| *block));
    let run = python::run("python", &arguments, &[], folder).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let borders: Vec<IpAddr> = run.stdout.lines().map(|line| line.parse().expect("an address")).collect();
    assert!(borders.len() > 150, "{} borders", borders.len());
    borders
}

/// Whether Python takes each for global.
async fn verdicts(folder: &Path, addresses: &[IpAddr]) -> Vec<bool> {
    let lines: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    std::fs::write(folder.join("addresses"), lines.join("\n")).expect("written");
    let script = "
import ipaddress
for line in open('addresses'):
    print(int(ipaddress.ip_address(line.strip()).is_global))
";
    let run = python::run("python", &["-c", script], &[], folder).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout.lines().map(|line| line == "1").collect()
}
