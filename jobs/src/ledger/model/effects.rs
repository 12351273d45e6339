//! `Effects` of the model.

use async_trait::async_trait;

use super::{ModelLedger, Tables};
use crate::{
    clock::Timestamp,
    effect::{EFFECTS_MAX, Intended, Intent, Kept, Turn},
    job::{JobId, State},
    ledger::{Effects, Result},
    tenant::TenantId,
};

#[async_trait]
impl Effects for ModelLedger {
    async fn intend(&self, intent: Intent) -> Result<Intended> {
        Ok(self.transact(|tables, now, _| {
            if let Some(kept) = tables.effects.get(&(intent.job, intent.key.clone())) {
                return if kept.tenant == intent.tenant { Intended::Found { kept: kept.clone(), now } } else { Intended::Refused };
            }
            let owned = tables.jobs.get(&intent.job).is_some_and(|job| job.tenant == intent.tenant);
            let others = tables.effects.keys().filter(|(job, _)| *job == intent.job).count();
            if !owned || !tables.runs(intent.job, intent.attempt) || others >= EFFECTS_MAX {
                return Intended::Refused;
            }
            let kept = Kept {
                facts: intent.facts(),
                tenant: intent.tenant,
                job: intent.job,
                key: intent.key.clone(),
                version: 1,
                callback: intent.callback,
                created_at: now,
                changed_at: now,
                until: None,
            };
            tables.effects.insert((intent.job, intent.key), kept.clone());
            Intended::Written(kept)
        }))
    }

    async fn turn_effect(&self, turn: Turn) -> Result<bool> {
        Ok(self.transact(|tables, now, _| {
            let runs = turn.running.is_none_or(|attempt| tables.runs(turn.job, attempt));
            let Some(kept) = tables.effects.get_mut(&(turn.job, turn.key)) else {
                return false;
            };
            if kept.version == turn.seen && runs {
                *kept = Kept {
                    version: turn.seen + 1,
                    facts: turn.facts,
                    callback: turn.callback.or(kept.callback),
                    changed_at: now,
                    until: turn.await_ms.map(|await_ms| now.plus_ms(await_ms)),
                    ..kept.clone()
                };
                return true;
            }
            kept.version == turn.seen + 1 && kept.facts == turn.facts
        }))
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Kept>> {
        let of_job = |kept: &&Kept| kept.job == job && kept.tenant == *tenant;
        Ok(self.read(|tables| tables.effects.values().filter(of_job).cloned().collect()))
    }

    async fn awaited(&self, callback: &[u8; 32]) -> Result<Option<(Kept, Timestamp)>> {
        Ok(self.transact(|tables, now, _| {
            let reports = |kept: &&Kept| kept.callback.as_ref() == Some(callback);
            tables.effects.values().find(reports).map(|kept| (kept.clone(), now))
        }))
    }
}

impl Tables {
    fn runs(&self, id: JobId, attempt: u32) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.state == State::Running && job.attempt == attempt)
    }
}
