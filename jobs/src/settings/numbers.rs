//! Numbers by name, as a table or as text: a table in TOML, `default=16,builds=2` in the environment. A later source replaces the
//! whole of it, so that `WINDROW_QUEUES=builds=2` makes a worker that only builds.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{error::InvalidName, queue::QueueName, tenant::TenantId};

/// What the numbers are.
pub trait Meaning {
    /// What has a number.
    type Name: Ord + Clone + fmt::Display + FromStr<Err = InvalidName> + for<'de> Deserialize<'de>;
    /// What the numbers are, for messages.
    const WHAT: &'static str;
    /// The smallest is 1, this is the largest; more is a typing error.
    const MAX: u32;
    /// What the text looks like.
    const EXAMPLE: &'static str;
    /// What is wrong where there are none; none where nothing is.
    const NEEDED: Option<&'static str>;
}

/// Slots per queue; a queue without slots is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfQueues;

/// Seconds per tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfTenants;

impl Meaning for OfQueues {
    type Name = QueueName;
    const WHAT: &'static str = "slots";
    const MAX: u32 = 100_000;
    const EXAMPLE: &'static str = "default=16,builds=2";
    const NEEDED: Option<&'static str> = Some("no queue is named");
}

impl Meaning for OfTenants {
    type Name = TenantId;
    const WHAT: &'static str = "seconds";
    const MAX: u32 = 86_400;
    const EXAMPLE: &'static str = "acme=60,beta=300";
    const NEEDED: Option<&'static str> = None;
}

/// Numbers by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers<M: Meaning>(pub BTreeMap<M::Name, u32>);

/// Slots per queue.
pub type Slots = Numbers<OfQueues>;
/// The shortest time between two fires of a tenant's schedules, in seconds.
pub type Gaps = Numbers<OfTenants>;

impl Default for Slots {
    fn default() -> Self {
        "default=16,builds=2,notifications=32,syncs=8,embeddings=4".parse().expect("the default slots are well-formed")
    }
}

impl Default for Gaps {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<M: Meaning> FromStr for Numbers<M> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or_else(|| format!("{part:?} is not like {}", M::EXAMPLE))?;
            let name: M::Name = name.trim().parse().map_err(|error| format!("{name:?}: {error}"))?;
            let number = number.trim().parse().map_err(|_| format!("{part:?}: {} are a number of 1 to {}", M::WHAT, M::MAX))?;
            if numbers.insert(name, number).is_some() {
                return Err(format!("{part:?} is the second of its name"));
            }
        }
        Self::checked(numbers)
    }
}

impl<M: Meaning> Numbers<M> {
    fn checked(numbers: BTreeMap<M::Name, u32>) -> Result<Self, String> {
        if let (true, Some(needed)) = (numbers.is_empty(), M::NEEDED) {
            return Err(needed.into());
        }
        match numbers.iter().find(|(_, number)| !(1..=M::MAX).contains(*number)) {
            Some((name, number)) => Err(format!("{name}={number}: {} are a number of 1 to {}", M::WHAT, M::MAX)),
            None => Ok(Self(numbers)),
        }
    }
}

impl<M: Meaning> fmt::Display for Numbers<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(name, number)| format!("{name}={number}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl<M: Meaning> Serialize for Numbers<M> {
    // As text, not as a table: figment would merge a table with the one of the file instead of replacing it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, M: Meaning> Deserialize<'de> for Numbers<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable<M>(PhantomData<M>);

        impl<'de, M: Meaning> de::Visitor<'de> for TextOrTable<M> {
            type Value = Numbers<M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} by name, like {}", M::WHAT, M::EXAMPLE)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers<M>, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Numbers<M>, A::Error> {
                let numbers = BTreeMap::deserialize(de::value::MapAccessDeserializer::new(table))?;
                Numbers::checked(numbers).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrTable(PhantomData))
    }
}
