//! Hosts that may be called though their addresses are not of the internet, or without TLS: `sandbox.internal, 127.0.0.1:9000`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The most of them: they are exceptions.
const HOSTS_MAX: usize = 100;

/// Hosts by name or address, each at one port or at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    /// As a URL has it: lower case, an IPv6 address in brackets.
    name: String,
    /// None for every port.
    port: Option<u16>,
}

impl Hosts {
    /// Whether this host, as a URL has it, is named at this port.
    pub fn has(&self, name: &str, port: u16) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.0.iter().any(|host| host.name == name && host.port.is_none_or(|only| only == port))
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no host: they are like sandbox.internal, 127.0.0.1:9000 or [::1]:9000");
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().map_err(|_| wrong())?)),
            _ => (text, None),
        };
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let well_formed = match inner {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
        };
        if !well_formed {
            return Err(wrong());
        }
        // The shortest form of an address is the one that URLs have.
        let name = match inner.map(str::parse::<std::net::Ipv6Addr>) {
            Some(Ok(address)) => format!("[{address}]"),
            _ => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        };
        Ok(Self { name, port })
    }
}

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(text.split(',').map(str::trim).filter(|host| !host.is_empty()))
    }
}

impl Hosts {
    fn of<'a>(hosts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let hosts: Vec<Host> = hosts.map(str::parse).collect::<Result<_, _>>()?;
        if hosts.len() > HOSTS_MAX {
            return Err(format!("{} hosts of the {HOSTS_MAX} allowed", hosts.len()));
        }
        Ok(Self(hosts))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&hosts.join(","))
    }
}

impl Serialize for Hosts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            List(Vec<String>),
        }
        match Given::deserialize(deserializer)? {
            Given::Text(text) => text.parse(),
            Given::List(hosts) => Self::of(hosts.iter().map(|host| host.trim())),
        }
        .map_err(de::Error::custom)
    }
}
