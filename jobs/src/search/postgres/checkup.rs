//! What an operator should know of a PostgreSQL server before indexes are kept there. Reads only, and migrates nothing.

use std::str::FromStr;

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use super::{PostgresSearch, has_vectors};
use crate::ledger::{Result, schema::Schema};

/// The oldest pgvector that the statements are written for: with it a walk of an index of vectors goes on until it has found enough.
pub const VERSION_MIN: (u32, u32) = (0, 8);

/// Whether a server can keep indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vectors {
    /// This version of pgvector is in the database.
    There(String),
    /// This version is on the server, and the first start makes it the database's.
    Offered(String),
    /// The same, but only a superuser may make it the database's.
    Withheld(String),
    /// The server has none.
    Missing,
}

impl Vectors {
    /// Whether indexes are kept there, or would be as soon as a process starts.
    pub fn is_usable(&self) -> bool {
        match self {
            Self::There(version) | Self::Offered(version) => is_new(version),
            Self::Withheld(_) | Self::Missing => false,
        }
    }
}

/// Whether a version is as new as needed. What cannot be read is taken for one.
pub fn is_new(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= VERSION_MIN,
        _ => true,
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// Whether it can.
    pub vectors: Vectors,
    /// Where the schema stands.
    pub schema: Schema,
}

impl Checkup {
    /// Asks the server at this URL.
    pub async fn of(url: &str) -> Result<Self> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        Ok(Self { vectors: vectors(&mut connection).await?, schema: PostgresSearch::schema(url).await? })
    }
}

async fn vectors(connection: &mut PgConnection) -> Result<Vectors> {
    let there = "SELECT extversion FROM pg_extension WHERE extname = 'vector'";
    if let Some(version) = sqlx::query_scalar(there).fetch_optional(&mut *connection).await? {
        return Ok(Vectors::There(version));
    }
    if has_vectors(connection).await? {
        return Ok(Vectors::There("of an unknown version".into()));
    }
    let offered: Option<(String, bool)> = sqlx::query_as(include_str!("checkup/offered.sql")).fetch_optional(connection).await?;
    Ok(match offered {
        Some((version, true)) => Vectors::Offered(version),
        Some((version, false)) => Vectors::Withheld(version),
        None => Vectors::Missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, new) in [("0.8.0", true), ("0.10.1", true), ("1.0", true), ("0.7.4", false), ("0.5.1", false), ("dev", true)] {
            assert_eq!(is_new(version), new, "{version}");
        }
    }
}
