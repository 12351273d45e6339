//! The role `Effects`: intents before, confirmations after.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    SqliteLedger,
    writer::{Tx, Verb},
};
use crate::{
    clock::Timestamp,
    effect::{EFFECTS_MAX, Intended, Intent, Kept, Turn},
    job::JobId,
    ledger::{Effects, Result, rows::EffectRow},
    tenant::TenantId,
};

#[async_trait]
impl Effects for SqliteLedger {
    async fn intend(&self, intent: Intent) -> Result<Intended> {
        self.writer.write(intent).await
    }

    async fn turn_effect(&self, turn: Turn) -> Result<bool> {
        self.writer.write(turn).await
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Kept>> {
        let rows: Vec<EffectRow> =
            sqlx::query_as(self.sql.effects.clone()).bind(uuid(job)).bind(tenant.as_str()).fetch_all(&self.readers).await?;
        rows.into_iter().map(EffectRow::into_kept).collect()
    }

    async fn awaited(&self, callback: &[u8; 32]) -> Result<Option<(Kept, Timestamp)>> {
        let row: Option<EffectRow> =
            sqlx::query_as(self.sql.awaited.clone()).bind(callback.as_slice()).fetch_optional(&self.readers).await?;
        row.map(|row| Ok((row.into_kept()?, self.clock.now()))).transpose()
    }
}

#[async_trait]
impl Verb for Intent {
    type Answer = Intended;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<Intended> {
        let written = sqlx::query(tx.sql.intend.clone())
            .bind(uuid(self.job))
            .bind(self.tenant.as_str())
            .bind(self.attempt)
            .bind(&self.key)
            .bind(serde_json::to_string(&self.facts())?)
            .bind(self.callback.as_ref().map(<[u8; 32]>::as_slice))
            .bind(tx.now.ms())
            .bind(i64::try_from(EFFECTS_MAX).unwrap_or(i64::MAX))
            .execute(&mut *tx.connection)
            .await?;
        let row: Option<EffectRow> =
            sqlx::query_as(tx.sql.effect.clone()).bind(uuid(self.job)).bind(&self.key).fetch_optional(&mut *tx.connection).await?;
        self.answer(row.map(EffectRow::into_kept).transpose()?, written.rows_affected() > 0, tx.now)
    }
}

#[async_trait]
impl Verb for Turn {
    type Answer = bool;

    async fn write(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let facts = serde_json::to_string(&self.facts)?;
        let turned = sqlx::query(tx.sql.turn_effect.clone())
            .bind(uuid(self.job))
            .bind(&self.key)
            .bind(self.seen)
            .bind(&facts)
            .bind(self.callback.as_ref().map(<[u8; 32]>::as_slice))
            .bind(tx.now.ms())
            .bind(self.await_ms)
            .bind(self.running)
            .execute(&mut *tx.connection)
            .await?;
        if turned.rows_affected() > 0 {
            return Ok(true);
        }
        let stands: i64 = sqlx::query_scalar(tx.sql.effect_stands.clone())
            .bind(uuid(self.job))
            .bind(&self.key)
            .bind(self.seen)
            .bind(facts)
            .fetch_one(&mut *tx.connection)
            .await?;
        Ok(stands > 0)
    }
}

fn uuid(id: JobId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
