//! What comes after a run's reading: it is looked whether all was read, what vanished is seen to, a file is put together, and the run ends.
//! Next: `verify.rs`, `report.rs`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    ERRORS,
    handler::{away, stopped},
    object,
    place::{At, Phase},
    read::changing,
    report,
    running::{Numbers, Running},
    verify::{self, After},
};
use crate::{
    handler::Outcome,
    sync::{
        decide::NEVER,
        definition::Verify,
        state::{Counts, Ending, Incoming, Item, Run, Since, Sync},
    },
};

impl Running<'_> {
    pub(super) async fn verify(&mut self) -> Result<(), Outcome> {
        let is_object = self.sync.definition.destination.object.is_some() && !self.run.dry_run;
        let last = if is_object { Phase::Assemble } else { Phase::End };
        if self.at.not_modified {
            return self.enter(last).await;
        }
        let census = self.context.ledger.census(&self.fence).await.map_err(away)?;
        let limits = self.sync.definition.limits.clone();
        // Of what a dry run found nothing is kept that another pass could be compared with.
        let verify = if self.run.dry_run { Verify::None } else { verify::verify_of(&self.sync.definition.source) };
        match verify::after_pass(&self.at, verify, is_object, census, &self.run.counts, &limits) {
            After::Again(pass) => self.again(Some(pass)).await,
            After::Changing => Err(changing(self.at.pass)),
            // Who only asked for what changed knows nothing of the rest; and whichever record has no readable key, it is there.
            After::Complete if !self.at.all || self.at.unkeyed > 0 => {
                if self.at.unkeyed > 0 {
                    self.context.warn(format!("nothing is deleted: {} records have no key by which they are known", self.at.unkeyed));
                }
                self.enter(last).await
            }
            After::Complete => {
                let may = verify::may_delete(census, &self.run.counts, self.run.dry_run, self.policy.delete, &limits);
                may.map_err(|message| Outcome::bury("deleted_percent_max", message))?;
                self.enter(Phase::Sweep).await
            }
        }
    }

    /// Sees to what vanished.
    pub(super) async fn sweep(&mut self) -> Result<(), Outcome> {
        loop {
            self.heed()?;
            let limit = self.batch_max();
            let unseen = self.context.ledger.unseen(&self.fence, self.at.swept.as_deref(), limit).await.map_err(away)?;
            let Some(last) = unseen.last() else { break };
            let at = At { swept: Some(last.key.clone()), step: self.at.step + 1, ahead: BTreeSet::new(), ..self.at.clone() };
            let collection = self.sync.definition.destination.records.as_ref().map(|records| records.collection.clone());
            let Some(collection) = collection else {
                let gone = |item: Item| Incoming { key: item.key, data: String::new(), hash: NEVER, updated_at: None, is_deleted: true };
                self.write_elsewhere(unseen.into_iter().map(gone).collect(), Vec::new(), at, Numbers::default(), true).await?;
                continue;
            };
            let keys = unseen.into_iter().map(|item| item.key).collect();
            let progress = self.progress(&at, Numbers::default());
            let counts = self.context.ledger.sweep_page(&self.fence, &collection, self.policy, keys, progress).await.map_err(away)?;
            self.wrote(counts, at).await?;
            self.context.progress(95, format!("{} vanished records seen to", self.run.counts.deleted + self.run.counts.missing));
        }
        let is_object = self.sync.definition.destination.object.is_some() && !self.run.dry_run;
        self.enter(if is_object { Phase::Assemble } else { Phase::End }).await
    }

    /// Puts the file together.
    pub(super) async fn assemble(&mut self) -> Result<(), Outcome> {
        if let Some(object) = &self.sync.definition.destination.object {
            let part = self.at.part.as_deref().filter(|_| !self.at.not_modified);
            let columns = self.sync.definition.mapping.iter().map(|field| field.to.clone()).collect();
            object::assemble(self.context, &self.fence, object, columns, part, self.at.read, self.at.not_modified).await?;
        }
        self.enter(Phase::End).await
    }

    /// Tells what could not be taken over, and ends the run.
    pub(super) async fn end(self) -> Result<Outcome, Outcome> {
        if self.run.counts.failed > 0 {
            report::keep(self.context, &self.fence).await?;
        }
        if self.sync.definition.destination.object.is_some() && !self.run.dry_run {
            object::remove_parts(self.context, &self.fence).await?;
        }
        let error = self.at.error.clone();
        let ending = Ending { error: error.clone(), since: self.since().filter(|_| error.is_none()) };
        if !self.context.ledger.end_run(&self.fence, ending).await.map_err(away)? {
            return Err(stopped());
        }
        match error {
            Some(error) => Err(Outcome::Bury(error)),
            None => Ok(done(&self.sync, &self.run, self.at.all)),
        }
    }

    /// From where the next run asks for what changed. Whoever failed for a record asks from where it did, so that the record comes again; who has
    /// validators reads all then (`Running::trust`).
    fn since(&self) -> Option<Since> {
        let before = self.sync.since.as_ref().filter(|_| !self.at.all);
        let failed = self.run.counts.failed > 0;
        if self.run.dry_run || failed && self.has_validators() {
            return None;
        }
        let runs = before.map_or(0, |since| since.runs + 1);
        let known = before.map(|since| since.mark.clone());
        let mark = if failed { known } else { self.at.mark.clone().or(known) };
        Some(Since { version: self.run.version, mark: mark?, runs, run: self.run.number })
    }
}

pub(super) fn done(sync: &Sync, run: &Run, full: bool) -> Outcome {
    #[derive(Serialize)]
    struct Result<'r> {
        run: u32,
        full: bool,
        dry_run: bool,
        complete: bool,
        #[serde(flatten)]
        counts: Counts,
        #[serde(skip_serializing_if = "Option::is_none")]
        errors: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        object: Option<&'r str>,
    }
    let failed = run.counts.failed > 0;
    Outcome::done(&Result {
        run: run.number,
        full,
        dry_run: run.dry_run,
        complete: !failed,
        counts: run.counts,
        errors: failed.then_some(ERRORS),
        object: sync.definition.destination.object.as_ref().map(|object| &*object.name).filter(|_| !run.dry_run),
    })
}
