//! Random histories of syncs that every ledger must tell as the model tells them: pages, sweeps, intents, edits by the tenant, take-overs and
//! zombies. `WINDROW_HISTORY_SEEDS=500` runs more seeds, `WINDROW_HISTORY_SEED=17` just that one.

use std::env;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::JobError,
    ledger::Ledger,
    lifecycle::Change,
    sync::{
        definition::{Conflict, Delete},
        state::{Begin, Fence, Incoming, Page, Policy, Progress, RowError, Settled, SettledAs, Side, Since},
        store::Look,
    },
};
use windrow_tests::{jobs::*, ledgers};

use super::*;

/// How many seeds run unless the environment says otherwise: a few seconds' worth.
const SEEDS: u64 = 3;
/// Long enough for a key to be made, changed by both sides, deleted and made again.
const STEPS: usize = 120;
/// Few, so that the same key is met again and again.
const KEYS: [&str; 6] = ["a", "b", "c", "d/e", "f g", "ä"];
const EMAILS: [&str; 3] = ["x", "y", "z"];
const SYNCS: [&str; 2] = ["people", "more"];

#[tokio::test]
async fn every_ledger_tells_the_same_history_of_syncs() {
    let number = |name| env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let seeds = match number("WINDROW_HISTORY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WINDROW_HISTORY_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let clock = ledgers::clock();
        let all = [ledgers::model(&clock).await, ledgers::sqlite(&clock).await, ledgers::postgres(&clock).await];
        let ledgers: Vec<&dyn Ledger> = all.iter().map(Into::into).collect();
        let mut history =
            History { seed, rng: StdRng::seed_from_u64(seed), clock, fences: Vec::new(), pages: Vec::new(), job: 0, place: 0 };
        history.compare(&ledgers).await;
    }
}

#[derive(Debug, Clone)]
enum Verb {
    Keep(Box<NewSync>),
    DeleteSync(&'static str),
    Edit(NewRecord),
    DeleteRecord(&'static str, Option<i64>),
    /// A new job begins a run.
    Begin(Begin),
    /// The attempt fails, and the next begins.
    Restart(Begin, Vec<Change>),
    Cancel(u64),
    Page(Page),
    Sweep(Fence, Policy, Vec<String>, Progress),
    Place(Fence, String),
    Plan(Fence, Policy, Vec<Incoming>),
    Settle(Fence, Vec<Settled>, Vec<RowError>, Option<Progress>),
    End(Fence, Ending),
    Decide(SyncId, &'static str, Side),
    Upkeep,
}

struct History {
    seed: u64,
    rng: StdRng,
    clock: VirtualClock,
    /// Every fence there ever was, for zombies.
    fences: Vec<Fence>,
    /// Every page that was written, for those that are repeated.
    pages: Vec<Page>,
    job: u64,
    place: u64,
}

impl History {
    async fn compare(&mut self, ledgers: &[&dyn Ledger]) {
        for step in 0..STEPS {
            self.clock.advance_ms(self.rng.random_range(0..3));
            let verb = match SYNCS.get(step) {
                Some(sync) => self.keep(sync),
                None => self.next(ledgers[0]).await,
            };
            if let Verb::Restart(..) = verb {
                self.clock.advance_ms(60_000);
            }
            let mut told = Vec::new();
            for ledger in ledgers {
                let answer = self.play(*ledger, &verb).await;
                told.push(format!("{answer}\n{}", self.read(*ledger).await));
            }
            for (other, name) in told.iter().zip(["model", "sqlite", "postgres"]).skip(1) {
                let differ = told[0].lines().zip(other.lines()).find(|(one, other)| one != other);
                assert!(told[0] == *other, "seed {}, step {step}, {name}: {verb:?}\n{differ:#?}", self.seed);
            }
        }
    }

    async fn next(&mut self, model: &dyn Ledger) -> Verb {
        let sync = self.pick(&SYNCS);
        let key = self.pick(&KEYS);
        let number = self.rng.random_range(0..100);
        let fence = self.fence();
        let Some(fence) = fence.filter(|_| number >= 26) else {
            return match number % 8 {
                0..4 => self.begin(sync),
                4 => self.keep(sync),
                5 if number < 3 => Verb::DeleteSync(sync),
                6 => Verb::Upkeep,
                _ => self.edit(key),
            };
        };
        let runs = model.sync_runs(&tenant(), fence.sync, None, ALL).await.expect("sync_runs");
        let from = runs.iter().find(|run| run.number == fence.number).and_then(|run| run.place.clone());
        match number {
            26..40 => self.edit(key),
            40..44 => {
                let version = model.record(&tenant(), "people", key).await.expect("record").map(|record| record.version);
                Verb::DeleteRecord(key, version.filter(|_| self.rng.random_bool(0.5)))
            }
            44..66 => {
                let page = self.page(fence, from);
                self.pages.push(page.clone());
                Verb::Page(page)
            }
            66..70 => self.pages.last().cloned().map_or(Verb::Upkeep, Verb::Page),
            70..77 => {
                let keys = KEYS.iter().filter(|_| self.rng.random_bool(0.5)).map(|key| (*key).to_owned()).collect();
                let (policy, progress) = (self.policy(), self.progress(from));
                Verb::Sweep(fence, policy, keys, progress)
            }
            77..79 => Verb::Place(fence, self.next_place()),
            79..84 => Verb::Plan(fence, self.policy(), self.incoming()),
            84..89 => {
                let settled: Vec<Settled> = self.incoming().into_iter().map(|incoming| self.settled(incoming.key)).collect();
                let failed = if self.rng.random_bool(0.3) { vec![self.failure()] } else { Vec::new() };
                let progress = self.rng.random_bool(0.5).then(|| self.progress(from));
                Verb::Settle(fence, settled, failed, progress)
            }
            89..92 => {
                let error = self.rng.random_bool(0.3).then(|| JobError::new("broken", "it broke", true));
                let mark = self.rng.random_range(0..9).to_string();
                let since = self.rng.random_bool(0.5).then_some(Since { version: 1, mark, runs: 0, run: 1 });
                Verb::End(fence, Ending { error, since })
            }
            92..96 => {
                let snapshot = model.snapshot(&tenant(), fence.job).await.expect("snapshot").expect("a job");
                if snapshot.state != windrow_jobs::job::State::Running || snapshot.cancel_requested {
                    return self.begin(sync);
                }
                let begin = Begin { attempt: snapshot.attempt + 1, ..self.begin_of(sync, fence.job) };
                Verb::Restart(begin, vec![decided(&snapshot, retry(), self.clock.now())])
            }
            96 => Verb::Cancel(self.job),
            _ => {
                let side = self.pick(&[Side::Source, Side::Destination]);
                Verb::Decide(fence.sync, key, side)
            }
        }
    }

    /// The latest, or one of long ago.
    fn fence(&mut self) -> Option<Fence> {
        if self.rng.random_bool(0.85) { self.fences.last().cloned() } else { self.fences.choose(&mut self.rng).cloned() }
    }

    fn keep(&mut self, name: &str) -> Verb {
        let lookup: &[&str] = if self.rng.random_bool(0.7) { &["email"] } else { &["name", "/email"] };
        let id = SyncId(uuid::Uuid::from_u128(self.rng.random()));
        Verb::Keep(Box::new(NewSync { id, ..new_sync(name, definition("people", lookup)) }))
    }

    fn begin(&mut self, sync: &str) -> Verb {
        self.job += 1;
        Verb::Begin(self.begin_of(sync, id(self.job)))
    }

    fn begin_of(&mut self, sync: &str, job: windrow_jobs::job::JobId) -> Begin {
        Begin { tenant: tenant(), name: sync.into(), job, attempt: 1, full: true, dry_run: self.rng.random_bool(0.1) }
    }

    fn edit(&mut self, key: &str) -> Verb {
        let data = json!({ "email": self.pick(&EMAILS), "name": "mine" });
        let seen = if self.rng.random_bool(0.3) { Some(self.rng.random_range(0..4)) } else { None };
        Verb::Edit(new_record(key, &data, seen))
    }

    fn page(&mut self, fence: Fence, from: Option<String>) -> Page {
        let failed = if self.rng.random_bool(0.2) { vec![self.failure()] } else { Vec::new() };
        let (policy, incoming, progress) = (self.policy(), self.incoming(), self.progress(from));
        Page { fence, collection: "people".into(), policy, incoming, failed, progress }
    }

    fn incoming(&mut self) -> Vec<Incoming> {
        let mut incoming = Vec::new();
        for key in KEYS {
            if self.rng.random_bool(0.5) {
                let updated_at = self.rng.random_bool(0.7).then(|| self.clock.now().plus_ms(self.rng.random_range(-60..10)));
                let is_deleted = self.rng.random_bool(0.2);
                incoming.push(Incoming { updated_at, is_deleted, ..person(key, self.pick(&EMAILS)) });
            }
        }
        incoming
    }

    fn settled(&mut self, key: String) -> Settled {
        let remote_id = self.rng.random_bool(0.5).then(|| format!("remote-{key}"));
        let outcome = match self.rng.random_range(0..5) {
            0 | 1 => SettledAs::Created { remote_id },
            2 => SettledAs::Updated { remote_id },
            3 => SettledAs::Deleted { forget: self.rng.random_bool(0.5) },
            _ => SettledAs::Refused,
        };
        Settled { key, outcome }
    }

    fn failure(&mut self) -> RowError {
        let key = Some(self.pick(&KEYS).to_owned());
        RowError { key, page: 1, index: self.rng.random_range(0..9), code: "bad".into(), message: "it is bad".into(), pointer: None }
    }

    fn policy(&mut self) -> Policy {
        Policy {
            delete: self.pick(&[Delete::Soft, Delete::Hard, Delete::Keep]),
            conflict: self.pick(&[Conflict::Source, Conflict::Destination, Conflict::Newest, Conflict::Manual]),
        }
    }

    /// From where the run is, now and then from where it is not.
    fn progress(&mut self, from: Option<String>) -> Progress {
        let from = if self.rng.random_bool(0.1) { Some("nowhere".into()) } else { from };
        Progress { from, place: self.next_place(), pages: 1, read: 2, bytes: 3 }
    }

    fn next_place(&mut self) -> String {
        self.place += 1;
        self.place.to_string()
    }

    async fn play(&mut self, ledger: &dyn Ledger, verb: &Verb) -> String {
        match verb.clone() {
            Verb::Keep(new) => format!("{:?}", ledger.keep_sync(*new).await),
            Verb::DeleteSync(name) => format!("{:?}", ledger.delete_sync(&tenant(), name, None).await),
            Verb::Edit(new) => format!("{:?}", ledger.keep_record(new).await),
            Verb::DeleteRecord(key, seen) => format!("{:?}", ledger.delete_record(&tenant(), "people", key, seen).await),
            Verb::Begin(begin) => {
                insert(ledger, [ready(self.job)]).await;
                claim(ledger, self.job).await;
                self.begun(ledger, begin).await
            }
            Verb::Restart(begin, changes) => {
                // The clock has moved on since this was decided, for all alike.
                ledger.settle(changes).await.expect("settle");
                self.clock_reached(ledger, &begin).await;
                self.begun(ledger, begin).await
            }
            Verb::Cancel(number) => {
                cancel(ledger, number).await;
                String::new()
            }
            Verb::Page(page) => format!("{:?}", ledger.write_page(page).await),
            Verb::Sweep(fence, policy, keys, progress) => {
                format!("{:?}", ledger.sweep_page(&fence, "people", policy, keys, progress).await)
            }
            Verb::Place(fence, place) => format!("{:?}", ledger.keep_place(&fence, &place).await),
            Verb::Plan(fence, policy, incoming) => format!("{:?}", ledger.plan_page(&fence, policy, incoming).await),
            Verb::Settle(fence, settled, failed, progress) => {
                format!("{:?}", ledger.settle_page(&fence, settled, failed, progress).await)
            }
            Verb::End(fence, ending) => format!("{:?}", ledger.end_run(&fence, ending).await),
            Verb::Decide(sync, key, side) => format!("{:?}", ledger.settle_conflict(&tenant(), sync, key, side).await),
            Verb::Upkeep => {
                upkeep(ledger).await;
                String::new()
            }
        }
    }

    /// Lets the job that was put off run again, if it was.
    async fn clock_reached(&self, ledger: &dyn Ledger, begin: &Begin) {
        promote(ledger).await;
        let snapshot = ledger.snapshot(&tenant(), begin.job).await.expect("snapshot").expect("a job");
        ledger.claim(claim_of([(begin.job, snapshot.attempt)])).await.expect("claim");
    }

    async fn begun(&mut self, ledger: &dyn Ledger, begin: Begin) -> String {
        let begun = ledger.begin_run(begin).await.expect("begin_run");
        if let Begun::Run(sync, run) = &begun {
            let fence = fence_of(sync, run);
            if self.fences.last() != Some(&fence) {
                self.fences.push(fence);
            }
        }
        format!("{begun:?}")
    }

    /// All that can be read, one fact a line.
    async fn read(&self, ledger: &dyn Ledger) -> String {
        let mut facts = Vec::new();
        for deleted in [false, true] {
            let looked = ledger.records(&tenant(), Look { deleted, ..look() }).await.expect("records");
            facts.extend(looked.records.iter().map(|record| format!("{record:?}")));
            for (field, email) in ["email", "/email"].into_iter().flat_map(|field| EMAILS.map(|email| (field, email))) {
                let look = Look { deleted, field: Some((field.into(), email.into())), ..look() };
                facts.push(format!("{field} {email} {:?}", ledger.records(&tenant(), look).await.expect("records")));
            }
        }
        let syncs = ledger.syncs(&tenant(), None, ALL).await.expect("syncs");
        for sync in syncs {
            facts.push(format!("{sync:?}"));
            for run in ledger.sync_runs(&tenant(), sync.id, None, ALL).await.expect("sync_runs") {
                facts.push(format!("{run:?}"));
                let errors = ledger.row_errors(&tenant(), sync.id, run.number, 0, ALL).await.expect("row_errors");
                facts.push(format!("{errors:?}"));
            }
            let fence = Fence { sync: sync.id, tenant: tenant(), number: sync.last_run, job: id(1), attempt: 1 };
            facts.push(format!("{:?}", ledger.census(&fence).await.expect("census")));
            // Of a run that never was, everything is unseen.
            for number in [sync.last_run, u32::MAX >> 1] {
                let unseen = ledger.unseen(&Fence { number, ..fence.clone() }, None, ALL).await.expect("unseen");
                facts.extend(unseen.iter().map(|item| format!("{item:?}")));
            }
            let conflicts = ledger.conflicts(&tenant(), sync.id, None, ALL).await.expect("conflicts");
            facts.extend(conflicts.iter().map(|conflict| format!("{conflict:?}")));
        }
        facts.join("\n")
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.rng).expect("there is a choice")
    }
}
