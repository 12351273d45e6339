//! The code of `sync.run`.
//!
//! An attempt begins the sync's run, or goes on where another left it, phase by phase. The ledger keeps where it is with what was written, and
//! refuses whoever no longer holds the run. A run that fails for good is ended with its error; one that is interrupted is left as it is.
//! Next: `place.rs`, then the destinations in `elsewhere.rs` and `object.rs`.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use serde::Serialize;

use super::{
    ERRORS, KIND, Payload,
    batch::{self, Entry},
    contract,
    elsewhere::{self, Carried, Http},
    object,
    place::{At, Cut, Pass, Phase},
    report,
    verify::{self, After},
};
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    ledger,
    sync::{
        BATCH_RECORDS_MAX,
        decide::{Elsewhere, NEVER},
        definition::{Delete, Incremental, Verify},
        mapping::{Mapping, Unmade},
        reader::{Page, Reader, Stopped},
        state::{
            self, Begin, Begun, Counts, Ending, Fence, Incoming, Item, Planned, Policy, Progress, RowError, Run, RunState, Settled,
            SettledAs, Since, Sync,
        },
    },
};

/// How soon it is looked again whether another job's run has ended.
const BUSY_S: u64 = 3;
/// Where a run's progress is when all is read; sweeping and reporting is the rest.
const READ_PERCENT: u64 = 90;

/// The handler.
pub struct SyncRun {
    services: Services,
}

impl SyncRun {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for SyncRun {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.sync(&context, payload).await.unwrap_or_else(|outcome| outcome))
    }
}

impl SyncRun {
    async fn sync(&self, context: &Context, payload: Payload) -> Result<Outcome, Outcome> {
        let Payload { sync: name, full, dry_run } = payload;
        let begin = Begin { tenant: context.tenant.clone(), name: name.clone(), job: context.job, attempt: context.attempt, full, dry_run };
        match context.ledger.begin_run(begin).await.map_err(away)? {
            // It was done, and nobody heard.
            Begun::Run(sync, run) if run.state == RunState::Completed => {
                let at = run.place.as_deref().and_then(|place| serde_json::from_str::<At>(place).ok());
                Ok(done(&sync, &run, at.is_none_or(|at| at.all)))
            }
            Begun::Run(sync, run) => Running::of(&self.services, context, *sync, *run)?.go().await,
            Begun::Busy { job } => {
                context.progress(0, format!("waits for another run of the sync, the job {job}"));
                Ok(Outcome::Snooze(Duration::from_secs(BUSY_S)))
            }
            Begun::Unknown => Err(Outcome::bury("sync_unknown", format!("there is no sync {name:?}"))),
            Begun::Over => Err(stopped()),
        }
    }
}

/// A run under way.
struct Running<'a> {
    services: &'a Services,
    context: &'a Context,
    sync: Sync,
    run: Run,
    fence: Fence,
    policy: Policy,
    mapping: Mapping,
    /// Where it is, and how the ledger has that.
    at: At,
    written: Option<String>,
    /// Keys of which it was told that they cannot be taken over, once; read again when they are needed.
    told: Option<HashSet<String>>,
    /// The way to a destination elsewhere, once it is needed.
    elsewhere: Option<Http>,
}

impl<'a> Running<'a> {
    fn of(services: &'a Services, context: &'a Context, sync: Sync, run: Run) -> Result<Self, Outcome> {
        let fence = Fence { sync: sync.id, tenant: context.tenant.clone(), number: run.number, job: context.job, attempt: context.attempt };
        let at = match &run.place {
            None => At::start(sync.reads_all(run.full)),
            Some(place) => serde_json::from_str(place)
                .map_err(|error| Outcome::bury("place_unreadable", format!("where the run is was written by another program: {error}")))?,
        };
        let policy = Policy { delete: sync.definition.delete(), conflict: sync.definition.conflict };
        let mapping = Mapping::new(&sync.definition);
        let written = run.place.clone();
        Ok(Self { services, context, sync, run, fence, policy, mapping, at, written, told: None, elsewhere: None })
    }

    async fn go(mut self) -> Result<Outcome, Outcome> {
        match &self.written {
            None if self.run.dry_run => self.context.info(format!("run {} begins; it only counts", self.run.number)),
            None => self.context.info(format!("run {} begins", self.run.number)),
            Some(_) => self.context.info(format!(
                "run {} goes on: {:?}, pass {}, after {} pages and {} records of it",
                self.run.number, self.at.phase, self.at.pass, self.at.pages, self.at.read
            )),
        }
        match self.phases().await {
            Ok(()) => {}
            Err(Outcome::Bury(error)) => {
                self.at.error = Some(error);
                self.enter(Phase::End).await?;
            }
            Err(outcome) => return Err(outcome),
        }
        self.end().await
    }

    async fn phases(&mut self) -> Result<(), Outcome> {
        loop {
            match self.at.phase {
                Phase::Read => self.read().await?,
                Phase::Verify => self.verify().await?,
                Phase::Sweep => self.sweep().await?,
                Phase::Assemble => self.assemble().await?,
                Phase::End => return Ok(()),
            }
        }
    }

    /// Another phase, or another pass.
    async fn enter(&mut self, phase: Phase) -> Result<(), Outcome> {
        self.at.phase = phase;
        self.at.step += 1;
        let place = self.at.json();
        if !self.context.ledger.keep_place(&self.fence, &place).await.map_err(away)? {
            return Err(stopped());
        }
        self.written = Some(place);
        Ok(())
    }

    /// What a write that leads to this place says of itself.
    fn progress(&self, at: &At, Numbers { pages, read, bytes }: Numbers) -> Progress {
        Progress { from: self.written.clone(), place: at.json(), pages, read, bytes }
    }

    /// A write was done.
    fn wrote(&mut self, counts: Option<Counts>, at: At) -> Result<(), Outcome> {
        self.run.counts = counts.ok_or_else(stopped)?;
        self.written = Some(at.json());
        self.at = at;
        let (failed, failed_max) = (self.run.counts.failed, self.sync.definition.limits.failed_max);
        if failed > failed_max {
            return Err(Outcome::bury("failed_max", format!("{failed} records failed, more than the {failed_max} allowed")));
        }
        Ok(())
    }

    /// Whoever is told to stop does so between two pages.
    fn heed(&self) -> Result<(), Outcome> {
        if self.context.cancel.is_cancelled() { Err(stopped()) } else { Ok(()) }
    }
}

/// Reading.
impl Running<'_> {
    async fn read(&mut self) -> Result<(), Outcome> {
        self.look_at_file().await?;
        let since = self.sync.since.clone().filter(|_| !self.at.all);
        let (source, limits) = (self.sync.definition.source.clone(), self.sync.definition.limits.clone());
        let mut reader = Reader::open(self.services, self.context, self.context.ledger.clone(), &source, &limits, since.as_ref()).await?;
        let mut ahead = None;
        while self.at.phase == Phase::Read {
            self.heed()?;
            let read = match ahead.take() {
                Some(read) => read,
                None => reader.page(self.at.next.as_ref()).await,
            };
            let page = match read {
                Ok(page) => page,
                Err(Stopped::Wait { after, why }) => {
                    self.context.progress(self.percent(), why);
                    return Err(Outcome::Snooze(after));
                }
                // What was learned is of no use any more: all is read.
                Err(Stopped::Expired) if !self.at.all => {
                    self.context.info("the source no longer knows since when it was asked for what changed: all is read");
                    self.at = At { step: self.at.step, ..At::start(true) };
                    return self.enter(Phase::Read).await;
                }
                Err(Stopped::Expired) => return Err(Outcome::bury("source_refused", "the source refuses to be read from its beginning")),
                Err(Stopped::Failed(outcome)) => return Err(outcome),
                Err(Stopped::Cancelled) => return Err(stopped()),
            };
            if page.shifted {
                self.again(None).await?;
                continue;
            }
            if page.not_modified {
                self.at.not_modified = true;
                self.at.mark = page.mark;
                self.enter(Phase::Verify).await?;
                continue;
            }
            if !self.at.all && self.has_validators() {
                // It did change, and this is all of it.
                self.at.all = true;
            }
            if let Some(next) = page.next.clone() {
                // The next page is on its way while this one is written.
                let (written, read) = futures::join!(self.write(page), reader.page(Some(&next)));
                written?;
                ahead = Some(read);
            } else {
                self.write(page).await?;
            }
        }
        Ok(())
    }

    fn has_validators(&self) -> bool {
        let incremental = self.sync.definition.source.http.as_ref().and_then(|http| http.list.incremental.as_ref());
        matches!(incremental, Some(Incremental::Validators {}))
    }

    /// A file that is gone is made anew, though the source may say that nothing changed.
    async fn look_at_file(&mut self) -> Result<(), Outcome> {
        match &self.sync.definition.destination.object {
            Some(object) if !self.at.all && !object::is_there(self.context, &self.fence, object).await? => self.at.all = true,
            _ => {}
        }
        Ok(())
    }

    /// Writes a page, batch by batch; of one that was begun, and says the same, the rest.
    async fn write(&mut self, page: Page) -> Result<(), Outcome> {
        let (number, limits) = (self.at.pages + 1, &self.sync.definition.limits);
        if number > u64::from(limits.pages_max) {
            return Err(Outcome::bury("pages_max", format!("the list has more than the {} pages allowed", limits.pages_max)));
        }
        let records = page.records.len() as u64;
        if self.at.read + records > limits.records_max {
            return Err(Outcome::bury("records_max", format!("the list has more than the {} records allowed", limits.records_max)));
        }
        let mapped = self.mapping.map(&self.services.renderers, page.records).await.map_err(unmade)?;
        let entries = batch::entries(mapped, number);
        let mut done = match &self.at.cut {
            Some(cut) if cut.digest == entries.digest => cut.entries.min(entries.list.len()),
            _ => {
                self.at.ahead.clear();
                0
            }
        };
        // Where an attempt that has to wait within a batch leaves it.
        self.at.cut = Some(Cut { entries: done, digest: entries.digest.clone() });
        let batch_max = self.batch_max();
        loop {
            let end = done + batch::batch(&entries.list[done..], batch_max);
            let batch = entries.list[done..end].to_vec();
            let mut at = At { ahead: BTreeSet::new(), step: self.at.step + 1, ..self.at.clone() };
            let mut read = (end - done) as u64;
            let is_last = end == entries.list.len();
            if is_last {
                read += entries.repeated;
                at.pages += 1;
                at.read += records;
                at.keys = batch::keys_after(&at.keys, &entries.list);
                at.total_changed |= at.total.is_some() && page.total.is_some() && at.total != page.total;
                at.total = page.total.or(at.total);
                at.mark = page.mark.clone().or(at.mark);
                at.phase = if page.next.is_some() { Phase::Read } else { Phase::Verify };
                at.next = page.next.clone();
                at.cut = None;
            } else {
                at.cut = Some(Cut { entries: end, digest: entries.digest.clone() });
            }
            let (pages, bytes) = if is_last { (1, page.bytes) } else { (0, 0) };
            self.write_batch(batch, at, Numbers { pages, read, bytes }).await?;
            if is_last {
                break;
            }
            done = end;
            self.heed()?;
        }
        let told = self.at.total.map_or(String::new(), |total| format!(" of {total}"));
        self.context.progress(self.percent(), format!("{}{told} records read", self.at.read));
        Ok(())
    }

    fn percent(&self) -> u8 {
        let part = self.at.total.map_or(0, |total| (self.at.read * READ_PERCENT).checked_div(total).unwrap_or(0));
        u8::try_from(part.min(READ_PERCENT)).unwrap_or(0)
    }

    /// The list is read again from its beginning; `pass` is what this reading found, if it came to its end.
    async fn again(&mut self, pass: Option<Pass>) -> Result<(), Outcome> {
        if self.at.pass >= self.sync.definition.limits.passes_max {
            return Err(changing(self.at.pass));
        }
        self.context.info("the list changed while it was read, or may have: it is read again");
        self.at.another_pass(pass, &self.run.counts);
        self.enter(Phase::Read).await
    }
}

/// Writing.
impl Running<'_> {
    /// How many records one batch has at most.
    fn batch_max(&self) -> usize {
        match &self.sync.definition.destination.http {
            Some(http) => elsewhere::batch_max(http),
            None => BATCH_RECORDS_MAX,
        }
    }

    /// Writes a batch, after which the run is `at`.
    async fn write_batch(&mut self, batch: Vec<Entry>, mut at: At, progress: Numbers) -> Result<(), Outcome> {
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
        self.wrote(counts, at)
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
    async fn write_elsewhere(
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
        let nothing = plan.iter().filter(|(_, planned)| planned.fate == Elsewhere::Nothing).count() as u64;
        let counts = match is_sweep && self.policy.delete == Delete::Keep {
            true => Counts { missing: nothing, ..Counts::default() },
            false => Counts { unchanged: nothing, ..Counts::default() },
        };
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
                self.elsewhere = Some(Http::open(self.services, self.context, self.sync.id, http, forget).await?);
            }
            match &self.elsewhere {
                Some(elsewhere) => elsewhere.carry_out(plan).await,
                None => Carried::default(),
            }
        };
        let (counts, at, numbers) = match &carried.stopped {
            None => (counts, at, numbers),
            Some(_) => {
                let mut here = At { step: self.at.step + 1, ..self.at.clone() };
                here.ahead.extend(carried.settled.iter().map(|settled| settled.key.clone()));
                (Counts::default(), here, Numbers::default())
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
        let counts = self.context.ledger.settle_page(&self.fence, settled, counts, failed, Some(progress)).await.map_err(away)?;
        self.wrote(counts, at)?;
        carried.stopped.map_or(Ok(()), Err)
    }
}

/// What comes after reading.
impl Running<'_> {
    async fn verify(&mut self) -> Result<(), Outcome> {
        let is_object = self.sync.definition.destination.object.is_some() && !self.run.dry_run;
        let last = if is_object { Phase::Assemble } else { Phase::End };
        if self.at.not_modified {
            return self.enter(last).await;
        }
        let census = self.context.ledger.census(&self.fence).await.map_err(away)?;
        let limits = self.sync.definition.limits.clone();
        // Of what a dry run found nothing is kept that another pass could be compared with.
        let verify = if self.run.dry_run { Verify::None } else { verify::verify_of(&self.sync.definition.source) };
        match verify::after_pass(&self.at, verify, census, &self.run.counts, &limits) {
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
                let may = verify::may_delete(census, &self.run.counts, self.policy.delete, &limits);
                may.map_err(|message| Outcome::bury("deleted_percent_max", message))?;
                self.enter(Phase::Sweep).await
            }
        }
    }

    /// Sees to what vanished.
    async fn sweep(&mut self) -> Result<(), Outcome> {
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
            self.wrote(counts, at)?;
            self.context.progress(95, format!("{} vanished records seen to", self.run.counts.deleted + self.run.counts.missing));
        }
        let is_object = self.sync.definition.destination.object.is_some() && !self.run.dry_run;
        self.enter(if is_object { Phase::Assemble } else { Phase::End }).await
    }

    /// Puts the file together.
    async fn assemble(&mut self) -> Result<(), Outcome> {
        if let Some(object) = &self.sync.definition.destination.object {
            let part = self.at.part.as_deref().filter(|_| !self.at.not_modified);
            let columns = self.sync.definition.mapping.iter().map(|field| field.to.clone()).collect();
            object::assemble(self.context, &self.fence, object, columns, part, self.at.read, self.at.not_modified).await?;
        }
        self.enter(Phase::End).await
    }

    /// Tells what could not be taken over, and ends the run.
    async fn end(self) -> Result<Outcome, Outcome> {
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

    /// From where the next run asks for what changed. Whoever failed for a record asks from where it did, so that the record comes again.
    fn since(&self) -> Option<Since> {
        let before = self.sync.since.as_ref().filter(|_| !self.at.all);
        if self.run.dry_run {
            return None;
        }
        let runs = before.map_or(0, |since| since.runs + 1);
        let known = before.map(|since| since.mark.clone());
        let mark = if self.run.counts.failed > 0 { known } else { self.at.mark.clone().or(known) };
        Some(Since { version: self.run.version, mark: mark?, runs })
    }
}

/// What a write adds to a run's counts.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    pages: u64,
    read: u64,
    bytes: u64,
}

fn done(sync: &Sync, run: &Run, full: bool) -> Outcome {
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

/// Somebody else has the run, or it is to stop.
pub(super) const fn stopped() -> Outcome {
    Outcome::Snooze(Duration::from_secs(1))
}

fn changing(passes: u32) -> Outcome {
    let message = format!(
        "the list changed each of the {passes} times that it was read, so records may have been passed over; what was read is written, and nothing was deleted"
    );
    Outcome::bury("source_changed", message)
}

fn unmade(unmade: Unmade) -> Outcome {
    match unmade {
        Unmade::Costly(_) => Outcome::bury("mapping_too_costly", unmade.to_string()),
        Unmade::Unavailable(_) => Outcome::retry("renderer_unavailable", unmade.to_string()),
    }
}

pub(super) fn away(error: ledger::Error) -> Outcome {
    tracing::debug!(kind = KIND, %error, "the ledger is away from a run");
    Outcome::retry("ledger_unavailable", error.to_string())
}
