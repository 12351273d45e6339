//! Random histories of schedules that every ledger must tell as the model tells them: the same verbs with the same clock must
//! leave the same schedules, the same fires, and jobs in the same states.
//!
//! Ids of jobs are each ledger's own, so a job is named by its fire. `WINDROW_HISTORY_SEEDS=500` runs more seeds,
//! `WINDROW_HISTORY_SEED=17` just that one.

use std::{env, ops::Range};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use windrow_jobs::{
    clock::VirtualClock,
    job::State,
    ledger::{Edited, Ledger},
    lifecycle::Ending,
    schedule::{Edit, ScheduleId},
};
use windrow_tests::{
    jobs::{ALL, claim_of, decided, done, retry, tenant},
    ledgers,
    schedules::{definition, id, rules},
};

/// How many seeds run unless the environment says otherwise: a few seconds' worth.
const SEEDS: u64 = 4;
const STEPS: usize = 60;
/// Few, so that the same schedule is met again and again.
const SCHEDULES: u128 = 4;

#[tokio::test]
async fn every_ledger_tells_the_same_of_schedules() {
    for seed in seeds() {
        let clock = ledgers::clock();
        let told = [ledgers::model(&clock).await, ledgers::sqlite(&clock).await, ledgers::postgres(&clock).await];
        let mut history = History { rng: StdRng::seed_from_u64(seed), clock };
        for step in 0..STEPS {
            let verb = history.next_verb();
            if let Verb::Pass(ms) = verb {
                history.clock.advance_ms(ms);
            }
            let mut answers = Vec::new();
            for ledger in &told {
                answers.push(history.tell(&**ledger, &verb).await);
            }
            assert_eq!(answers[0], answers[1], "seed {seed}, step {step}, sqlite: {verb:?}");
            assert_eq!(answers[0], answers[2], "seed {seed}, step {step}, postgres: {verb:?}");
        }
    }
}

fn seeds() -> Range<u64> {
    let number = |name| env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    match number("WINDROW_HISTORY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WINDROW_HISTORY_SEEDS").unwrap_or(SEEDS),
    }
}

#[derive(Debug)]
enum Verb {
    Create(u128, String, Value),
    Define(u128, Option<u32>, String, Value),
    Pause(u128),
    Resume(u128),
    Delete(u128),
    Run(u128),
    Fire(usize),
    Forget,
    /// Starts, or ends like this, the job of the fire in this place of a schedule.
    Work(u128, usize, Option<Ending>),
    Pass(i64),
}

struct History {
    rng: StdRng,
    clock: VirtualClock,
}

impl History {
    fn next_verb(&mut self) -> Verb {
        let number = self.rng.random_range(1..=SCHEDULES);
        match self.rng.random_range(0..100) {
            0..12 => Verb::Create(number, self.name(), self.fields()),
            12..20 => Verb::Define(number, self.pick(&[None, None, Some(1), Some(2)]), self.name(), self.fields()),
            20..24 => Verb::Pause(number),
            24..29 => Verb::Resume(number),
            29..31 => Verb::Delete(number),
            31..35 => Verb::Run(number),
            35..58 => Verb::Fire(self.pick(&[1, 2, ALL])),
            58..60 => Verb::Forget,
            60..78 => {
                let ending = self.pick(&[None, None, Some(done()), Some(retry()), Some(Ending::Cancel(None))]);
                Verb::Work(number, self.rng.random_range(0..4), ending)
            }
            _ => Verb::Pass(self.pick(&[1, 500, 3_000, 10_000, 25_000, 200_000])),
        }
    }

    fn name(&mut self) -> String {
        self.pick(&["one", "two", "three", "four", "five"]).to_owned()
    }

    fn fields(&mut self) -> Value {
        let every_s = self.pick(&[3, 10, 45]);
        let misfire = self.pick(&[json!("skip"), json!("fire_once"), json!({ "catch_up": { "max": 3, "window_s": 400 } })]);
        json!({
            "cron": format!("@every {every_s}s"),
            "overlap": self.pick(&["allow", "skip", "queue_one", "cancel_previous"]),
            "misfire": misfire,
            "jitter_s": self.pick(&[0, 0, 4]),
            "ends_at": self.pick(&[None, None, None, Some(ledgers::START.plus_ms(300_000))]),
        })
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(&mut self.rng).expect("there is a choice").clone()
    }

    /// Does it, and tells what became of it and how everything stands then.
    async fn tell(&self, ledger: &dyn Ledger, verb: &Verb) -> Value {
        let (tenant, rules) = (tenant(), rules());
        let edit = async |number, seen, edit| became(ledger.edit_schedule(&tenant, id(number), seen, edit, &rules).await.expect("edit"));
        let answer = match verb {
            Verb::Create(number, name, fields) => {
                became(ledger.create_schedule(id(*number), &tenant, definition(name, fields.clone())).await.expect("create"))
            }
            Verb::Define(number, seen, name, fields) => {
                edit(*number, *seen, Edit::Define(Box::new(definition(name, fields.clone())))).await
            }
            Verb::Pause(number) => edit(*number, None, Edit::Pause).await,
            Verb::Resume(number) => edit(*number, None, Edit::Resume).await,
            Verb::Delete(number) => json!(ledger.delete_schedule(&tenant, id(*number)).await.expect("delete")),
            Verb::Run(number) => {
                let run = ledger.run_schedule(&tenant, id(*number), &rules).await.expect("run");
                json!(run.map(|run| run.map(|fire| (fire.fire_at, fire.n)).map_err(|placed| placed.to_string())))
            }
            Verb::Fire(limit) => {
                let fired = ledger.fire(&rules, *limit).await.expect("fire");
                let mut fires: Vec<_> = fired.fires.iter().map(|one| (one.schedule, one.fire.fire_at, one.fire.status)).collect();
                fires.sort_by_key(|fire| (fire.0, fire.1));
                json!([fires, fired.next_due, fired.lag_ms])
            }
            Verb::Forget => json!(ledger.forget_fires(100_000, ALL).await.expect("forget")),
            Verb::Work(number, place, ending) => self.work(ledger, id(*number), *place, ending.clone()).await,
            Verb::Pass(_) => Value::Null,
        };
        json!([answer, stands(ledger).await])
    }

    async fn work(&self, ledger: &dyn Ledger, schedule: ScheduleId, place: usize, ending: Option<Ending>) -> Value {
        let fires = ledger.fires(&tenant(), schedule, None, None, ALL).await.expect("fires");
        let Some(job) = fires.iter().filter_map(|fire| fire.job_id).nth(place) else { return Value::Null };
        let Some(snapshot) = ledger.reread(vec![job]).await.expect("reread").pop() else { return Value::Null };
        match ending {
            None => json!(ledger.claim(claim_of([(job, snapshot.attempt)])).await.expect("claim").len()),
            Some(ending) if snapshot.state == State::Running => {
                let now = ledger.now().await.expect("now");
                json!(ledger.settle(vec![decided(&snapshot, ending, now)]).await.expect("settle"))
            }
            Some(_) => Value::Null,
        }
    }
}

fn became(edited: Edited) -> Value {
    match edited {
        Edited::Done(schedule) => json!(schedule.version),
        Edited::Missing => json!("missing"),
        Edited::Stale(version) => json!({ "stale": version }),
        Edited::NameTaken => json!("name taken"),
    }
}

/// Every schedule and its fires, each with the state of its job.
async fn stands(ledger: &dyn Ledger) -> Value {
    let mut told = Vec::new();
    for schedule in ledger.schedules(&tenant(), None, ALL).await.expect("schedules") {
        let mut fires = Vec::new();
        for mut fire in ledger.fires(&tenant(), schedule.id, None, None, ALL).await.expect("fires") {
            let job = match fire.job_id.take() {
                Some(job) => {
                    ledger.get(&tenant(), job).await.expect("get").map(|job| (job.state, job.attempt, job.cancel_requested, job.payload))
                }
                None => None,
            };
            fires.push(json!([fire, fire.open, job]));
        }
        told.push(json!([schedule, schedule.due_at, fires]));
    }
    let balances = ledger.balances().await.expect("balances");
    assert!(balances.iter().all(|balance| balance.holds()), "{balances:?}");
    json!([told, balances])
}
