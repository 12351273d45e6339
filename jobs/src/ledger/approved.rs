//! Rows of WhatsApp's approved templates, as both databases give them.

use sqlx::FromRow;

use super::Result;
use crate::{
    clock::Timestamp,
    notification::approved::{Approved, Synced},
};

#[derive(FromRow)]
pub(super) struct ApprovedRow {
    status: String,
    facts: String,
}

impl ApprovedRow {
    fn into_approved(self) -> Result<Approved> {
        // A status that was reported since stands beside what was told then.
        let facts: Approved = serde_json::from_str(&self.facts)?;
        Ok(Approved { status: self.status, ..facts })
    }
}

pub(super) fn synced(at_ms: i64, now: Timestamp, rows: Vec<ApprovedRow>) -> Result<Synced> {
    let languages = rows.into_iter().map(ApprovedRow::into_approved).collect::<Result<_>>()?;
    Ok(Synced { at: Timestamp::from_ms(at_ms), now, languages })
}
