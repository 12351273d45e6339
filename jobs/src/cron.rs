//! stub
#![allow(missing_docs)]
use crate::clock::Timestamp;
#[derive(Debug, Clone)]
pub struct Timing {
    every_ms: i64,
    anchor: Timestamp,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Cron,
    TimeZone,
}
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    pub field: Field,
    pub message: String,
}
impl Timing {
    pub fn parse(cron: &str, _tz: &str, anchor: Timestamp) -> Result<Self, Malformed> {
        let every = if cron == "@hourly" {
            "3600s"
        } else {
            cron.strip_prefix("@every ").ok_or(Malformed { field: Field::Cron, message: "stub".into() })?
        };
        let (n, unit) = every.split_at(every.len() - 1);
        let unit = match unit {
            "s" => 1_000,
            "m" => 60_000,
            _ => 3_600_000,
        };
        let anchor = if cron == "@hourly" { Timestamp::from_ms(0) } else { anchor };
        Ok(Self { every_ms: n.parse::<i64>().map_err(|e| Malformed { field: Field::Cron, message: e.to_string() })? * unit, anchor })
    }
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let k = (after.ms() - self.anchor.ms()).div_euclid(self.every_ms) + 1;
        Some(self.anchor.plus_ms(k.max(1) * self.every_ms))
    }
    pub fn describe(&self) -> String {
        String::new()
    }
    pub fn shortest_gap_s(&self) -> u64 {
        (self.every_ms / 1000) as u64
    }
    pub fn local(&self, at: Timestamp) -> String {
        at.to_string()
    }
}
pub fn tzdb_version() -> &'static str {
    ""
}
