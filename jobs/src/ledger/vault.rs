//! Rows of connections and tenants' keys as both SQL ledgers return them, and the writes that they share.
//!
//! What is sealed is written only while the key that sealed it stands, and destroying a key waits for whoever writes so. Both
//! take hold of the key's row first.

use async_trait::async_trait;
use uuid::Uuid;

use super::{Error, Result, rows};
use crate::{
    clock::Timestamp,
    connection::{CONNECTIONS_MAX, Change, Connection, ConnectionId, NewConnection, Sealed, Stored, TenantKey},
    pace,
    tenant::TenantId,
};

/// A row of `connections`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ConnectionRow {
    pub id: Uuid,
    pub tenant: String,
    pub name: String,
    pub provider: String,
    pub version: i32,
    pub facts: String,
    pub sealed_by: Option<Uuid>,
    pub sealed: Option<Vec<u8>>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub tested_at_ms: Option<i64>,
    pub erred_at_ms: Option<i64>,
    pub last_used_at_ms: Option<i64>,
}

impl ConnectionRow {
    pub(super) fn into_connection(self) -> Result<Connection> {
        Ok(Connection {
            id: ConnectionId(self.id),
            tenant: rows::name(&self.tenant)?,
            name: self.name,
            provider: self.provider,
            version: rows::count(self.version)?,
            facts: serde_json::from_str(&self.facts)?,
            sealed: self.sealed_by.zip(self.sealed).map(|(key, bytes)| Sealed { key, bytes }),
            created_at: Timestamp::from_ms(self.created_at_ms),
            updated_at: Timestamp::from_ms(self.updated_at_ms),
            tested_at: self.tested_at_ms.map(Timestamp::from_ms),
            erred_at: self.erred_at_ms.map(Timestamp::from_ms),
            last_used_at: self.last_used_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A row of `tenant_keys`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct TenantKeyRow {
    pub tenant: String,
    pub id: Uuid,
    pub wrapped: Vec<u8>,
    pub master: String,
}

impl TenantKeyRow {
    pub(super) fn into_key(self) -> Result<TenantKey> {
        Ok(TenantKey { tenant: rows::name(&self.tenant)?, id: self.id, wrapped: self.wrapped, master: self.master })
    }
}

/// A connection as it stands once it is made at `now`.
pub(super) fn made(new: NewConnection, now: Timestamp) -> Connection {
    Connection {
        id: new.id,
        tenant: new.tenant,
        name: new.name,
        provider: new.provider,
        version: 1,
        facts: new.facts,
        sealed: new.sealed,
        created_at: now,
        updated_at: now,
        tested_at: None,
        erred_at: None,
        last_used_at: None,
    }
}

/// A connection as a change at `now` leaves it.
pub(super) fn changed(before: &Connection, change: Change, now: Timestamp) -> Connection {
    let mut after = before.clone();
    after.version += 1;
    (after.facts, after.sealed) = (change.facts, change.sealed);
    if change.edited {
        after.updated_at = now;
    }
    if change.tested {
        after.tested_at = Some(now);
    }
    if change.erred {
        after.erred_at = Some(now);
    }
    after
}

/// The migration that made the tables.
pub(super) const MIGRATION: i64 = 6;

/// The tables of connections and tenants' keys within a transaction.
#[async_trait]
pub(super) trait Vault: Send {
    /// The ledger's clock.
    async fn clock(&mut self) -> Result<Timestamp>;
    /// Which key the tenant has; it stays until the transaction has ended.
    async fn hold_key(&mut self, tenant: &TenantId) -> Result<Option<Uuid>>;
    /// Deletes the tenant's key. Returns whether there was one.
    async fn delete_key(&mut self, tenant: &TenantId) -> Result<bool>;
    /// Takes hold of a connection.
    async fn hold(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<ConnectionRow>>;
    /// Takes hold of every sealed connection of the tenant.
    async fn hold_sealed(&mut self, tenant: &TenantId) -> Result<Vec<ConnectionRow>>;
    /// Until when the row of calls through a connection is taken, and takes hold of it; none where there is no such connection.
    async fn taken_until(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<i64>>;
    /// Says until when it is taken from now on.
    async fn take_until(&mut self, id: ConnectionId, until_us: i64) -> Result<()>;
    /// How many connections the tenant has.
    async fn count(&mut self, tenant: &TenantId) -> Result<i64>;
    /// Writes a connection unless its name or its id is taken. Returns whether it was written.
    async fn insert(&mut self, connection: &Connection) -> Result<bool>;
    /// Writes a connection in the place of its row.
    async fn store(&mut self, connection: &Connection) -> Result<()>;
}

/// Keeps a connection.
pub(super) async fn create(vault: &mut impl Vault, new: NewConnection) -> Result<Stored> {
    let (tenant, id) = (new.tenant.clone(), new.id);
    if let Some(standing) = vault.hold(&tenant, id).await? {
        return Ok(Stored::Done(Box::new(standing.into_connection()?)));
    }
    if !is_key_standing(vault, &tenant, new.sealed.as_ref()).await? {
        return Ok(Stored::KeyGone);
    }
    // Several at once may go past it by as many as they are: it bounds a transaction's work, and no more.
    if vault.count(&tenant).await? >= i64::try_from(CONNECTIONS_MAX).unwrap_or(i64::MAX) {
        return Ok(Stored::TooMany);
    }
    let connection = made(new, vault.clock().await?);
    Ok(if vault.insert(&connection).await? { Stored::Done(Box::new(connection)) } else { Stored::NameTaken })
}

/// Changes a connection.
pub(super) async fn change(vault: &mut impl Vault, tenant: &TenantId, id: ConnectionId, seen: u32, change: Change) -> Result<Stored> {
    if !is_key_standing(vault, tenant, change.sealed.as_ref()).await? {
        return Ok(Stored::KeyGone);
    }
    let Some(before) = vault.hold(tenant, id).await? else { return Ok(Stored::Missing) };
    let before = before.into_connection()?;
    if before.version != seen {
        return Ok(Stored::Stale);
    }
    let after = changed(&before, change, vault.clock().await?);
    vault.store(&after).await?;
    Ok(Stored::Done(Box::new(after)))
}

/// Takes a place in the row of calls through a connection.
pub(super) async fn take_turn(
    vault: &mut impl Vault,
    tenant: &TenantId,
    id: ConnectionId,
    apart_us: i64,
    patience_us: i64,
) -> Result<Option<pace::Turn>> {
    let Some(until_us) = vault.taken_until(tenant, id).await? else { return Ok(None) };
    let now_us = vault.clock().await?.ms().saturating_mul(1_000);
    let (turn, until_then_us) = pace::take(until_us, now_us, apart_us, patience_us);
    if until_then_us != until_us {
        vault.take_until(id, until_then_us).await?;
    }
    Ok(Some(turn))
}

/// Destroys a tenant's key, and what it sealed.
pub(super) async fn destroy(vault: &mut impl Vault, tenant: &TenantId) -> Result<bool> {
    let destroyed = vault.delete_key(tenant).await?;
    let now = vault.clock().await?;
    for row in vault.hold_sealed(tenant).await? {
        let before = row.into_connection()?;
        if let Some(change) = before.shredded() {
            vault.store(&changed(&before, change, now)).await?;
        }
    }
    Ok(destroyed)
}

async fn is_key_standing(vault: &mut impl Vault, tenant: &TenantId, sealed: Option<&Sealed>) -> Result<bool> {
    match sealed {
        None => Ok(true),
        Some(sealed) => Ok(vault.hold_key(tenant).await? == Some(sealed.key)),
    }
}

/// Of each master key, how many keys it wraps.
pub(super) fn wrappings(counts: Vec<(String, i64)>) -> Result<Vec<(String, u64)>> {
    let count = |number: i64| u64::try_from(number).map_err(|_| Error::Corrupt(format!("{number} is no count")));
    counts.into_iter().map(|(master, number)| Ok((master, count(number)?))).collect()
}
