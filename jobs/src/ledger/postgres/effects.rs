//! The role `Effects`: intents before, confirmations after.

use async_trait::async_trait;

use super::{
    PostgresLedger,
    changes::{int, uuid},
};
use crate::{
    clock::Timestamp,
    effect::{EFFECTS_MAX, Intended, Intent, Kept, Turn},
    job::JobId,
    ledger::{Effects, Inspect, Result, rows::EffectRow, timetable::ScheduleTable as _},
    tenant::TenantId,
};

#[async_trait]
impl Effects for PostgresLedger {
    async fn intend(&self, intent: Intent) -> Result<Intended> {
        let mut tx = self.core.begin().await?;
        let written = sqlx::query(tx.sql().intend.clone())
            .bind(uuid(intent.job))
            .bind(intent.tenant.as_str())
            .bind(int(intent.attempt))
            .bind(&intent.key)
            .bind(serde_json::to_string(&intent.facts())?)
            .bind(intent.callback.as_ref().map(<[u8; 32]>::as_slice))
            .bind(self.core.clock_ms())
            .bind(i64::try_from(EFFECTS_MAX).unwrap_or(i64::MAX))
            .execute(tx.connection())
            .await?;
        let row: Option<EffectRow> =
            sqlx::query_as(tx.sql().effect.clone()).bind(uuid(intent.job)).bind(&intent.key).fetch_optional(tx.connection()).await?;
        let now = tx.clock().await?;
        tx.commit().await?;
        intent.answer(row.map(EffectRow::into_kept).transpose()?, written.rows_affected() > 0, now)
    }

    async fn turn_effect(&self, turn: Turn) -> Result<bool> {
        let facts = serde_json::to_string(&turn.facts)?;
        let turned = sqlx::query(self.core.sql.turn_effect.clone())
            .bind(uuid(turn.job))
            .bind(&turn.key)
            .bind(int(turn.seen))
            .bind(&facts)
            .bind(turn.callback.as_ref().map(<[u8; 32]>::as_slice))
            .bind(self.core.clock_ms())
            .bind(turn.await_ms)
            .bind(turn.running.map(int))
            .execute(&self.core.writers)
            .await?;
        if turned.rows_affected() > 0 {
            return Ok(true);
        }
        let stands: i64 = sqlx::query_scalar(self.core.sql.effect_stands.clone())
            .bind(uuid(turn.job))
            .bind(&turn.key)
            .bind(int(turn.seen))
            .bind(facts)
            .fetch_one(&self.core.writers)
            .await?;
        Ok(stands > 0)
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Kept>> {
        let rows: Vec<EffectRow> =
            sqlx::query_as(self.core.sql.effects.clone()).bind(uuid(job)).bind(tenant.as_str()).fetch_all(&self.core.readers).await?;
        rows.into_iter().map(EffectRow::into_kept).collect()
    }

    async fn awaited(&self, callback: &[u8; 32]) -> Result<Option<(Kept, Timestamp)>> {
        let row: Option<EffectRow> =
            sqlx::query_as(self.core.sql.awaited.clone()).bind(callback.as_slice()).fetch_optional(&self.core.readers).await?;
        match row {
            Some(row) => Ok(Some((row.into_kept()?, self.now().await?))),
            None => Ok(None),
        }
    }
}
