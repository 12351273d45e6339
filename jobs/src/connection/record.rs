//! A connection and a tenant's key as the ledger keeps them. Secrets are in here only as sealed bytes.
//!
//! Next: `decide.rs`, which decides every change, then the ledger's role `Connections`.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConnectionId, ConnectionState};
use crate::{clock::Timestamp, job::JobError, tenant::TenantId};

/// A connection as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Which.
    pub id: ConnectionId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: String,
    /// The provider, of the catalogue.
    pub provider: String,
    /// Counts its changes: what a change was decided on. Its use is none.
    pub version: u32,
    /// What is known of it.
    pub facts: Facts,
    /// Its secrets; none where it has none, or where the key that opened them was destroyed.
    pub sealed: Option<Sealed>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last changed what it says.
    pub updated_at: Timestamp,
    /// When a test of it last passed.
    pub tested_at: Option<Timestamp>,
    /// When its last error was met.
    pub erred_at: Option<Timestamp>,
    /// When it was last opened, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Counts the edits by people.
    pub generation: u32,
    /// How it stands.
    pub state: ConnectionState,
    /// Its configuration, as it was given.
    pub config: serde_json::Value,
    /// The names of its secrets, sorted.
    pub secret_names: Vec<String>,
    /// What the provider last refused it for; none once a test passed or it was edited.
    pub error: Option<JobError>,
}

/// Sealed secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The tenant's key that opens them.
    pub key: Uuid,
    /// In the format of `seal.rs`.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes by {})", self.bytes.len(), self.key)
    }
}

/// A connection before the ledger has it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewConnection {
    /// Which.
    pub id: ConnectionId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: String,
    /// The provider.
    pub provider: String,
    /// What is known of it.
    pub facts: Facts,
    /// Its secrets.
    pub sealed: Option<Sealed>,
}

/// A decided change of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is known of it from now on.
    pub facts: Facts,
    /// Its secrets from now on.
    pub sealed: Option<Sealed>,
    /// Somebody edited it: stamps `updated_at`.
    pub edited: bool,
    /// A test passed: stamps `tested_at`.
    pub tested: bool,
    /// An error was met: stamps `erred_at`.
    pub erred: bool,
}

/// What became of writing a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// It stands so.
    Done(Box<Connection>),
    /// The tenant has another of this name.
    NameTaken,
    /// The tenant has as many as it may.
    TooMany,
    /// There is none.
    Missing,
    /// It stands at another version than was seen.
    Stale,
    /// The key that sealed its secrets is not the tenant's any more: seal them again.
    KeyGone,
}

/// A tenant's data key, wrapped.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantKey {
    /// Whose.
    pub tenant: TenantId,
    /// Tells it from one that was destroyed before.
    pub id: Uuid,
    /// The data key, wrapped in the format of `seal.rs`.
    pub wrapped: Vec<u8>,
    /// The master key that wraps it, by its id.
    pub master: String,
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantKey({} of {}, wrapped by {})", self.id, self.tenant, self.master)
    }
}
