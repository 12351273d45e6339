//! The role `Connections`, as `ledger/vault.rs` asks for it.

use std::str::FromStr;

use async_trait::async_trait;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{PostgresLedger, Statements, Tx, changes::int};
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

impl PostgresLedger {
    /// How many tenants' keys each master key wraps in this database; nobody's where it has no keys yet.
    pub async fn wrappings_at(url: &str) -> Result<Vec<(String, u64)>> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        if Schema::of_postgres(&mut connection).await?.applied < vault::MIGRATION {
            return Ok(Vec::new());
        }
        vault::wrappings(sqlx::query_as(Statements::default().wrappings).fetch_all(&mut connection).await?)
    }
}

#[async_trait]
impl Connections for PostgresLedger {
    async fn create_connection(&self, new: NewConnection) -> Result<Stored> {
        let mut tx = self.core.begin().await?;
        let stored = vault::create(&mut tx, new).await?;
        tx.commit().await?;
        Ok(stored)
    }

    async fn connection(&self, tenant: &TenantId, name: &str) -> Result<Option<Connection>> {
        let row: Option<ConnectionRow> = sqlx::query_as(self.core.sql.connection_by_name.clone())
            .bind(tenant.as_str())
            .bind(name)
            .fetch_optional(&self.core.readers)
            .await?;
        row.map(ConnectionRow::into_connection).transpose()
    }

    async fn connections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Connection>> {
        let rows: Vec<ConnectionRow> = sqlx::query_as(self.core.sql.connections.clone())
            .bind(tenant.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(ConnectionRow::into_connection).collect()
    }

    async fn change_connection(&self, tenant: &TenantId, id: ConnectionId, seen: u32, change: Change) -> Result<Stored> {
        let mut tx = self.core.begin().await?;
        let stored = vault::change(&mut tx, tenant, id, seen, change).await?;
        tx.commit().await?;
        Ok(stored)
    }

    async fn delete_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let deleted = sqlx::query(tx.sql().delete_connection.clone()).bind(id.0).bind(tenant.as_str()).execute(tx.connection()).await?;
        // After the connection, whose lock a hook that is just made holds.
        sqlx::query(tx.sql().end_hook.clone()).bind(id.0).bind(tenant.as_str()).execute(tx.connection()).await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn touch_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<()> {
        sqlx::query(self.core.sql.touch_connection.clone())
            .bind(id.0)
            .bind(tenant.as_str())
            .bind(self.core.clock_ms())
            .execute(&self.core.writers)
            .await?;
        Ok(())
    }

    async fn take_turn(&self, tenant: &TenantId, id: ConnectionId, apart_us: i64, patience_us: i64) -> Result<Option<pace::Turn>> {
        let mut tx = self.core.begin().await?;
        let turn = vault::take_turn(&mut tx, tenant, id, apart_us, patience_us).await?;
        tx.commit().await?;
        Ok(turn)
    }

    async fn tenant_key(&self, tenant: &TenantId) -> Result<Option<TenantKey>> {
        let row: Option<TenantKeyRow> =
            sqlx::query_as(self.core.sql.tenant_key.clone()).bind(tenant.as_str()).fetch_optional(&self.core.readers).await?;
        row.map(TenantKeyRow::into_key).transpose()
    }

    async fn keep_tenant_key(&self, key: TenantKey) -> Result<TenantKey> {
        let clock_ms = self.core.clock_ms();
        let mut tx = self.core.begin().await?;
        sqlx::query(tx.sql().keep_tenant_key.clone())
            .bind(key.tenant.as_str())
            .bind(key.id)
            .bind(&key.wrapped)
            .bind(&key.master)
            .bind(clock_ms)
            .execute(tx.connection())
            .await?;
        let row: Option<TenantKeyRow> =
            sqlx::query_as(tx.sql().tenant_key.clone()).bind(key.tenant.as_str()).fetch_optional(tx.connection()).await?;
        tx.commit().await?;
        // It may be destroyed between the two statements: then whoever asked begins anew.
        row.ok_or_else(|| Error::Unavailable("the tenant's key was destroyed meanwhile".into()))?.into_key()
    }

    async fn rewrap_tenant_key(&self, key: TenantKey, seen: &str) -> Result<bool> {
        let written = sqlx::query(self.core.sql.rewrap_tenant_key.clone())
            .bind(key.tenant.as_str())
            .bind(key.id)
            .bind(&key.wrapped)
            .bind(&key.master)
            .bind(seen)
            .bind(self.core.clock_ms())
            .execute(&self.core.writers)
            .await?;
        Ok(written.rows_affected() > 0)
    }

    async fn tenant_keys_not_by(&self, master: &str, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantKey>> {
        let rows: Vec<TenantKeyRow> = sqlx::query_as(self.core.sql.tenant_keys_not_by.clone())
            .bind(master)
            .bind(after.map_or("", TenantId::as_str))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.core.readers)
            .await?;
        rows.into_iter().map(TenantKeyRow::into_key).collect()
    }

    async fn wrappings(&self) -> Result<Vec<(String, u64)>> {
        vault::wrappings(sqlx::query_as(self.core.sql.wrappings.clone()).fetch_all(&self.core.readers).await?)
    }

    async fn destroy_tenant_key(&self, tenant: &TenantId) -> Result<bool> {
        let mut tx = self.core.begin().await?;
        let destroyed = vault::destroy(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(destroyed)
    }
}

#[async_trait]
impl Vault for Tx<'_> {
    async fn clock(&mut self) -> Result<Timestamp> {
        let clock_ms = self.core.clock_ms();
        Ok(Timestamp::from_ms(sqlx::query_scalar(self.sql().clock.clone()).bind(clock_ms).fetch_one(self.connection()).await?))
    }

    async fn hold_key(&mut self, tenant: &TenantId) -> Result<Option<Uuid>> {
        Ok(sqlx::query_scalar(self.sql().hold_tenant_key.clone()).bind(tenant.as_str()).fetch_optional(self.connection()).await?)
    }

    async fn delete_key(&mut self, tenant: &TenantId) -> Result<bool> {
        let deleted = sqlx::query(self.sql().delete_tenant_key.clone()).bind(tenant.as_str()).execute(self.connection()).await?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn hold(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<ConnectionRow>> {
        Ok(sqlx::query_as(self.sql().lock_connection.clone()).bind(id.0).bind(tenant.as_str()).fetch_optional(self.connection()).await?)
    }

    async fn hold_sealed(&mut self, tenant: &TenantId) -> Result<Vec<ConnectionRow>> {
        Ok(sqlx::query_as(self.sql().lock_sealed_connections.clone()).bind(tenant.as_str()).fetch_all(self.connection()).await?)
    }

    async fn taken_until(&mut self, tenant: &TenantId, id: ConnectionId) -> Result<Option<i64>> {
        let found = sqlx::query_scalar(self.sql().taken_until.clone()).bind(id.0).bind(tenant.as_str());
        Ok(found.fetch_optional(self.connection()).await?)
    }

    async fn take_until(&mut self, id: ConnectionId, until_us: i64) -> Result<()> {
        sqlx::query(self.sql().take_turn.clone()).bind(id.0).bind(until_us).execute(self.connection()).await?;
        Ok(())
    }

    async fn count(&mut self, tenant: &TenantId) -> Result<i64> {
        Ok(sqlx::query_scalar(self.sql().count_connections.clone()).bind(tenant.as_str()).fetch_one(self.connection()).await?)
    }

    async fn insert(&mut self, connection: &Connection) -> Result<bool> {
        let inserted = sqlx::query(self.sql().insert_connection.clone())
            .bind(connection.id.0)
            .bind(connection.tenant.as_str())
            .bind(&connection.name)
            .bind(&connection.provider)
            .bind(int(connection.version))
            .bind(serde_json::to_string(&connection.facts)?)
            .bind(connection.sealed.as_ref().map(|sealed| sealed.key))
            .bind(connection.sealed.as_ref().map(|sealed| sealed.bytes.clone()))
            .bind(connection.created_at.ms())
            .bind(connection.updated_at.ms())
            .bind(connection.tested_at.map(Timestamp::ms))
            .bind(connection.erred_at.map(Timestamp::ms))
            .bind(connection.last_used_at.map(Timestamp::ms))
            .execute(self.connection())
            .await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn store(&mut self, connection: &Connection) -> Result<()> {
        sqlx::query(self.sql().store_connection.clone())
            .bind(connection.id.0)
            .bind(int(connection.version))
            .bind(serde_json::to_string(&connection.facts)?)
            .bind(connection.sealed.as_ref().map(|sealed| sealed.key))
            .bind(connection.sealed.as_ref().map(|sealed| sealed.bytes.clone()))
            .bind(connection.updated_at.ms())
            .bind(connection.tested_at.map(Timestamp::ms))
            .bind(connection.erred_at.map(Timestamp::ms))
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
