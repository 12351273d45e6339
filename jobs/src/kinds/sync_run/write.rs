//! A run's writing: a batch goes into a collection, into a part of a file, or to a provider, with where the run is after it. Next:
//! `elsewhere.rs`, `object.rs`.

use std::collections::HashSet;

use super::{
    batch::Entry,
    elsewhere::{self, Carried, Http},
    handler::{away, stopped},
    object,
    place::At,
    running::{Numbers, Running},
};
use crate::{
    handler::Outcome,
    sync::{
        BATCH_RECORDS_MAX,
        decide::Elsewhere,
        definition::Delete,
        state::RowError,
        state::{self, Incoming, Planned, Settled, SettledAs},
    },
};

impl Running<'_> {
    /// How many records one batch has at most.
    pub(super) fn batch_max(&self) -> usize {
        match &self.sync.definition.destination.http {
            Some(http) => elsewhere::batch_max(http),
            None => BATCH_RECORDS_MAX,
        }
    }

    /// Writes a batch, after which the run is `at`.
    pub(super) async fn write_batch(&mut self, batch: Vec<Entry>, mut at: At, progress: Numbers) -> Result<(), Outcome> {
        let (mut incoming, mut failed, mut unkeyed) = (Vec::new(), Vec::new(), self.at.unkeyed);
        for entry in batch {
            match entry {
                Ok(record) => incoming.push(record),
                Err(error) => match &error.key {
                    Some(key) if self.told().await?.contains(key) => {}
                    Some(_) => failed.push(error),
                    None => {
                        unkeyed += 1;
                        if unkeyed > self.at.unkeyed_told {
                            at.unkeyed_told = unkeyed;
                            failed.push(error);
                        }
                    }
                },
            }
        }
        at.unkeyed = unkeyed;
        if let Some(told) = &mut self.told {
            told.extend(failed.iter().filter_map(|error| error.key.clone()));
        }
        let Some(records) = &self.sync.definition.destination.records else {
            return self.write_elsewhere(incoming, failed, at, progress, false).await;
        };
        let page = state::Page {
            fence: self.fence.clone(),
            collection: records.collection.clone(),
            policy: self.policy,
            incoming,
            failed,
            progress: self.progress(&at, progress),
        };
        let counts = self.context.ledger.write_page(page).await.map_err(away)?;
        self.wrote(counts, at).await
    }

    /// The keys of which it was told that they cannot be taken over, as far as the ledger keeps them.
    async fn told(&mut self) -> Result<&mut HashSet<String>, Outcome> {
        if self.told.is_none() {
            let mut told = HashSet::new();
            let mut read = 0;
            loop {
                // Mostly there is nothing to be read.
                if self.run.counts.failed == 0 {
                    break;
                }
                let ledger = &self.context.ledger;
                let errors = ledger.row_errors(&self.fence.tenant, self.fence.sync, self.fence.number, read, BATCH_RECORDS_MAX).await;
                let errors = errors.map_err(away)?;
                read += errors.len() as u64;
                told.extend(errors.iter().filter_map(|error| error.key.clone()));
                if errors.len() < BATCH_RECORDS_MAX {
                    break;
                }
            }
            self.told = Some(told);
        }
        Ok(self.told.as_mut().expect("it was just read"))
    }

    /// Does elsewhere what is to be done about records, after which the run is `at`. What is done is noted even where the rest has to wait.
    pub(super) async fn write_elsewhere(
        &mut self,
        mut incoming: Vec<Incoming>,
        failed: Vec<RowError>,
        mut at: At,
        numbers: Numbers,
        is_sweep: bool,
    ) -> Result<(), Outcome> {
        incoming.retain(|record| !self.at.ahead.contains(&record.key));
        if !is_sweep {
            // What was refused once is not asked for again in this run.
            let told = self.told().await?;
            incoming.retain(|record| !told.contains(&record.key));
        }
        let planned = self.context.ledger.plan_page(&self.fence, self.policy, incoming.clone()).await.map_err(away)?.ok_or_else(stopped)?;
        let mut plan: Vec<(Incoming, Planned)> = incoming.into_iter().zip(planned).collect();
        let forget = self.policy.delete == Delete::Hard;
        let carried = if self.run.dry_run {
            Carried::as_planned(&plan, forget)
        } else if self.sync.definition.destination.object.is_some() {
            if !is_sweep {
                let name = format!("{}-{}", self.context.attempt, at.step);
                object::keep_part(self.context, &self.fence, &name, self.at.part.as_deref(), plan.iter().map(|(record, _)| record)).await?;
                at.part = Some(name);
            }
            Carried::as_planned(&plan, forget)
        } else {
            plan.retain(|(_, planned)| planned.fate != Elsewhere::Nothing);
            let Some(http) = self.sync.definition.destination.http.clone() else {
                return Err(Outcome::bury("destination_unknown", "the sync has no destination that this program knows"));
            };
            if self.elsewhere.is_none() && !plan.is_empty() {
                self.elsewhere =
                    Some(Http::open(self.services, self.context, self.sync.id, http, forget, &self.sync.definition.limits).await?);
            }
            match &self.elsewhere {
                Some(elsewhere) => elsewhere.carry_out(plan).await,
                None => Carried::default(),
            }
        };
        let (at, numbers) = match &carried.stopped {
            None => (at, numbers),
            Some(_) => {
                let mut here = At { step: self.at.step + 1, ..self.at.clone() };
                // In a sweep none of them is found again.
                if !is_sweep {
                    here.ahead.extend(carried.settled.iter().map(|settled| settled.key.clone()));
                }
                (here, Numbers::default())
            }
        };
        if let Some(told) = &mut self.told {
            told.extend(carried.failed.iter().filter_map(|error| error.key.clone()));
        }
        let failed = match carried.stopped {
            None => failed.into_iter().chain(carried.failed).collect(),
            // What could not be mapped is told with the whole batch.
            Some(_) => carried.failed,
        };
        let withdrawn = carried.withdrawn.into_iter().map(|key| Settled { key, outcome: SettledAs::Refused });
        let settled = carried.settled.into_iter().chain(withdrawn).collect();
        let progress = self.progress(&at, numbers);
        let counts = self.context.ledger.settle_page(&self.fence, settled, failed, Some(progress)).await.map_err(away)?;
        self.wrote(counts, at).await?;
        carried.stopped.map_or(Ok(()), Err)
    }
}
