//! Slots per queue, as a table or as text.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::queue::QueueName;

/// The most slots of one queue in one worker; more is a typing error.
pub const SLOTS_MAX: u32 = 100_000;

/// Slots per queue: a table in TOML, `default=16,builds=2` in the environment. A later source replaces the
/// whole of it, so that `WINDROW_QUEUES=builds=2` makes a worker that only builds; a queue without slots is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots(pub BTreeMap<QueueName, u32>);

impl Default for Slots {
    fn default() -> Self {
        "default=16,builds=2,notifications=32,syncs=8,embeddings=4".parse().expect("the default slots are well-formed")
    }
}

impl FromStr for Slots {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut slots = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, count) = part.split_once('=').ok_or_else(|| format!("{part:?} is not like default=16"))?;
            let name: QueueName = name.trim().parse().map_err(|error| format!("{name:?}: {error}"))?;
            let count = count.trim().parse().map_err(|_| format!("{part:?}: slots are a number of 1 to {SLOTS_MAX}"))?;
            if slots.insert(name, count).is_some() {
                return Err(format!("{part:?} is the second of its queue"));
            }
        }
        Self::checked(slots)
    }
}

impl Slots {
    fn checked(slots: BTreeMap<QueueName, u32>) -> Result<Self, String> {
        if slots.is_empty() {
            return Err("no queue is named".into());
        }
        match slots.iter().find(|(_, count)| !(1..=SLOTS_MAX).contains(*count)) {
            Some((name, count)) => Err(format!("{name}={count}: slots are a number of 1 to {SLOTS_MAX}")),
            None => Ok(Self(slots)),
        }
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(|(name, count)| format!("{name}={count}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl Serialize for Slots {
    // As text, not as a table: figment would merge a table with the one of the file instead of replacing it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;

        impl<'de> de::Visitor<'de> for TextOrTable {
            type Value = Slots;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("slots per queue, like default=16,builds=2")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Slots, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Slots, A::Error> {
                let slots = BTreeMap::deserialize(de::value::MapAccessDeserializer::new(table))?;
                Slots::checked(slots).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(TextOrTable)
    }
}
