//! Tokens of tenants' days.

use super::{Base, Rows, SqlSearch, bound, unsigned};
use crate::{
    ledger::Result,
    search::store::{Spent, day_of, spend},
    tenant::TenantId,
};

impl<B: Base> SqlSearch<B> {
    pub(super) async fn count_tokens(&self, tenant: &TenantId, tokens: u64, day_max: Option<u64>) -> Result<Spent> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        let now = tx.now();
        let rows: Vec<(i64,)> = tx.fetch(&sql.hold_spent, bound![tenant, day_of(now)]).await?;
        let standing = rows.first().map_or(0, |(tokens,)| unsigned(*tokens));
        let (spent, total) = spend(standing, tokens, day_max, now);
        if spent == Spent::Counted {
            let total = i64::try_from(total).unwrap_or(i64::MAX);
            tx.execute(&sql.store_spent, bound![tenant, day_of(now), total]).await?;
            tx.commit().await?;
        }
        Ok(spent)
    }

    pub(super) async fn counted_tokens(&self, tenant: &TenantId) -> Result<u64> {
        let mut tx = self.begin_snapshot().await?;
        let day = day_of(tx.now());
        let rows: Vec<(i64,)> = tx.fetch(&self.statements().spent, bound![tenant, day]).await?;
        Ok(rows.first().map_or(0, |(tokens,)| unsigned(*tokens)))
    }
}
