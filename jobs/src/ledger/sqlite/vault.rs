//! The role `Connections`, as `ledger/vault.rs` asks for it.

use std::path::Path;

use async_trait::async_trait;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::{
    SqliteLedger, Statements, hooks,
    writer::{Tx, Verb},
};
use crate::{
    clock::Timestamp,
    connection::{Change, Connection, ConnectionId, NewConnection, Stored, TenantKey},
    ledger::{
        Connections, Error, Result,
        schema::Schema,
        vault::{self, ConnectionRow, TenantKeyRow, Vault},
    },
    pace,
    tenant::TenantId,
};

impl SqliteLedger {
    /// How many tenants' keys each master key wraps in this file, which is not opened for writing; nobody's where it has no keys yet.
    pub async fn wrappings_at(path: &Path) -> Result<Vec<(String, u64)>> {
        let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
        if Schema::of_sqlite(&mut connection).await?.applied < vault::MIGRATION {
            return Ok(Vec::new());
        }
        vault::wrappings(sqlx::query_as(Statements::default().wrappings).fetch_all(&mut connection).await?)
    }
}

#[async_trait]
impl Connections for SqliteLedger {
    async fn create_connection(&self, new: NewConnection) -> Result<Stored> {
        self.writer.write(Create(new)).await
    }

    async fn connection(&self, tenant: &TenantId, name: &str) -> Result<Option<Connection>> {
        let row: Option<ConnectionRow> =
            sqlx::query_as(self.sql.connection_by_name.clone()).bind(tenant.as_str()).bind(name).fetch_optional(&self.readers).await?;
        row.map(ConnectionRow::into_connection).transpose()
    }

    async fn connections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Connection>> {
        let rows: Vec<ConnectionRow> = sqlx::query_as(self.sql.connections.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(ConnectionRow::into_connection).collect()
    }

    async fn change_connection(&self, tenant: &TenantId, id: ConnectionId, seen: u32, change: Change) -> Result<Stored> {
        self.writer.write(ChangeOne { tenant: tenant.clone(), id, seen, change }).await
    }

    async fn delete_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<bool> {
        self.writer.write(Delete { tenant: tenant.clone(), id }).await
    }

    async fn touch_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<()> {
        self.writer.write(Touch { tenant: tenant.clone(), id }).await
    }

    async fn take_turn(&self, tenant: &TenantId, id: ConnectionId, apart_us: i64, patience_us: i64) -> Result<Option<pace::Turn>> {
        self.writer.write(TakeTurn { tenant: tenant.clone(), id, apart_us, patience_us }).await
    }

    async fn tenant_key(&self, tenant: &TenantId) -> Result<Option<TenantKey>> {
        let row: Option<TenantKeyRow> =
            sqlx::query_as(self.sql.tenant_key.clone()).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
        row.map(TenantKeyRow::into_key).transpose()
    }

    async fn keep_tenant_key(&self, key: TenantKey) -> Result<TenantKey> {
        self.writer.write(KeepKey(key)).await
    }

    async fn rewrap_tenant_key(&self, key: TenantKey, seen: &str) -> Result<bool> {
        self.writer.write(Rewrap { key, seen: seen.to_owned() }).await
    }

    async fn tenant_keys_not_by(&self, master: &str, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantKey>> {
        let rows: Vec<TenantKeyRow> = sqlx::query_as(self.sql.tenant_keys_not_by.clone())
            .bind(master)
            .bind(after.map_or("", TenantId::as_str))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(TenantKeyRow::into_key).collect()
    }

    async fn wrappings(&self) -> Result<Vec<(String, u64)>> {
        vault::wrappings(sqlx::query_as(self.sql.wrappings.clone()).fetch_all(&self.readers).await?)
    }

    async fn destroy_tenant_key(&self, tenant: &TenantId) -> Result<bool> {
        self.writer.write(Destroy(tenant.clone())).await
    }
}

struct Create(NewConnection);

#[async_trait]
impl Verb for Create {
    type Answer = Stored;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Stored> {
        vault::create(tx, self.0.clone()).await
    }
}

struct ChangeOne {
    tenant: TenantId,
    id: ConnectionId,
    seen: u32,
    change: Change,
}

#[async_trait]
impl Verb for ChangeOne {
    type Answer = Stored;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Stored> {
        vault::change(tx, &self.tenant, self.id, self.seen, self.change.clone()).await
    }
}

struct Delete {
    tenant: TenantId,
    id: ConnectionId,
}

#[async_trait]
impl Verb for Delete {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let deleted =
            sqlx::query(tx.sql.delete_connection.clone()).bind(self.id.0).bind(self.tenant.as_str()).execute(&mut *tx.connection).await?;
        hooks::end(tx, &self.tenant, self.id).await?;
        Ok(deleted.rows_affected() > 0)
    }
}

struct Touch {
    tenant: TenantId,
    id: ConnectionId,
}

#[async_trait]
impl Verb for Touch {
    type Answer = ();

    async fn write(&self, tx: &mut Tx<'_>) -> Result<()> {
        sqlx::query(tx.sql.touch_connection.clone())
            .bind(self.id.0)
            .bind(self.tenant.as_str())
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        Ok(())
    }
}

struct TakeTurn {
    tenant: TenantId,
    id: ConnectionId,
    apart_us: i64,
    patience_us: i64,
}

#[async_trait]
impl Verb for TakeTurn {
    type Answer = Option<pace::Turn>;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Option<pace::Turn>> {
        vault::take_turn(tx, &self.tenant, self.id, self.apart_us, self.patience_us).await
    }
}

struct KeepKey(TenantKey);

#[async_trait]
impl Verb for KeepKey {
    type Answer = TenantKey;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<TenantKey> {
        let Self(key) = self;
        sqlx::query(tx.sql.keep_tenant_key.clone())
            .bind(key.tenant.as_str())
            .bind(key.id)
            .bind(&key.wrapped)
            .bind(&key.master)
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        let row: Option<TenantKeyRow> =
            sqlx::query_as(tx.sql.tenant_key.clone()).bind(key.tenant.as_str()).fetch_optional(&mut *tx.connection).await?;
        row.ok_or_else(|| Error::Corrupt("a key that was kept is not there".into()))?.into_key()
    }
}

struct Rewrap {
    key: TenantKey,
    seen: String,
}

#[async_trait]
impl Verb for Rewrap {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let written = sqlx::query(tx.sql.rewrap_tenant_key.clone())
            .bind(self.key.tenant.as_str())
            .bind(self.key.id)
            .bind(&self.key.wrapped)
            .bind(&self.key.master)
            .bind(&self.seen)
            .bind(tx.now.ms())
            .execute(&mut *tx.connection)
            .await?;
        Ok(written.rows_affected() > 0)
    }
}

struct Destroy(TenantId);

#[async_trait]
impl Verb for Destroy {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        vault::destroy(tx, &self.0).await
    }
}

#[async_trait]
impl Vault for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        Ok(self.now)
    }

    async fn hold_key(&mut self, tenant: &TenantId) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar(self.sql.hold_tenant_key.clone()).bind(tenant.as_str()).fetch_optional(&mut *self.connection).await?)
    }

    async fn delete_key(&mut self, tenant: &TenantId) -> Result<bool> {
        let deleted = sqlx::query(self.sql.delete_tenant_key.clone()).bind(tenant.as_str()).execute(&mut *self.connection).await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn hold(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<ConnectionRow>> {
        Ok(sqlx::query_as(self.sql.lock_connection.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&mut *self.connection).await?)
    }

    async fn hold_sealed(&mut self, tenant: &TenantId) -> Result<Vec<ConnectionRow>> {
        Ok(sqlx::query_as(self.sql.lock_sealed_connections.clone()).bind(tenant.as_str()).fetch_all(&mut *self.connection).await?)
    }

    async fn taken_until(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar(self.sql.taken_until.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(&mut *self.connection).await?)
    }

    async fn take_until(&mut self, id: ConnectionId, until_us: i64) -> Result<()> {
        sqlx::query(self.sql.take_turn.clone()).bind(id.0).bind(until_us).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn count(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql.count_connections.clone()).bind(tenant.as_str()).fetch_one(&mut *self.connection).await?)
    }

    async fn insert(&mut self, connection: &Connection) -> Result<bool> {
        let inserted = sqlx::query(self.sql.insert_connection.clone())
            .bind(connection.id.0)
            .bind(connection.tenant.as_str())
            .bind(&connection.name)
            .bind(&connection.provider)
            .bind(connection.version)
            .bind(serde_json::to_string(&connection.facts)?)
            .bind(connection.sealed.as_ref().map(|sealed| sealed.key))
            .bind(connection.sealed.as_ref().map(|sealed| sealed.bytes.clone()))
            .bind(connection.created_at.ms())
            .bind(connection.updated_at.ms())
            .bind(connection.tested_at.map(Timestamp::ms))
            .bind(connection.erred_at.map(Timestamp::ms))
            .bind(connection.last_used_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store(&mut self, connection: &Connection) -> Result<()> {
        sqlx::query(self.sql.store_connection.clone())
            .bind(connection.id.0)
            .bind(connection.version)
            .bind(serde_json::to_string(&connection.facts)?)
            .bind(connection.sealed.as_ref().map(|sealed| sealed.key))
            .bind(connection.sealed.as_ref().map(|sealed| sealed.bytes.clone()))
            .bind(connection.updated_at.ms())
            .bind(connection.tested_at.map(Timestamp::ms))
            .bind(connection.erred_at.map(Timestamp::ms))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
