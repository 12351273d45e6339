//! Schedules for tests, by number, and the ledger's verbs with all that a test does not care about filled in.

use serde_json::{Value, json};
use uuid::Uuid;
use windrow_jobs::{
    contract::Catalog,
    kinds,
    ledger::{Edited, Fired, Ledger, ScheduleKey},
    schedule::{Definition, Edit, Fire, FireStatus, Rules, Schedule, ScheduleId},
};

use crate::jobs::{ALL, tenant};

/// The id of the schedule with this number.
pub fn id(number: u128) -> ScheduleId {
    ScheduleId(Uuid::from_u128(number))
}

/// The built-in kinds, and fires that are kept for 30 days.
pub fn rules() -> Rules {
    Rules { catalog: Catalog::new(kinds::contracts()).expect("the schemas compile"), fires_kept_ms: 30 * 86_400_000 }
}

/// A schedule each ten seconds that echoes the numbers of its jobs, with these fields in the place of its own.
pub fn definition(name: &str, change: Value) -> Definition {
    let mut body = json!({ "name": name, "cron": "@every 10s", "job": { "kind": "echo", "payload": { "message": "{{ n }}." } } });
    body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    serde_json::from_str(&body.to_string()).expect("a definition")
}

/// Keeps the default tenant's schedule of this number, named after it.
pub async fn create(ledger: &dyn Ledger, number: u128, change: Value) -> Schedule {
    let definition = definition(&format!("schedule-{number}"), change);
    done(ledger.create_schedule(id(number), &tenant(), definition).await.expect("create"))
}

/// What stands then.
pub fn done(edited: Edited) -> Schedule {
    match edited {
        Edited::Done(schedule) => *schedule,
        other => panic!("not kept: {other:?}"),
    }
}

/// Changes the schedule of this number.
pub async fn edit(ledger: &dyn Ledger, number: u128, edit: Edit) -> Schedule {
    done(ledger.edit_schedule(&tenant(), id(number), None, edit, &rules()).await.expect("edit"))
}

/// Gives the schedule of this number these fields.
pub async fn define(ledger: &dyn Ledger, number: u128, change: Value) -> Schedule {
    edit(ledger, number, Edit::Define(Box::new(definition(&format!("schedule-{number}"), change)))).await
}

/// Decides all that is due, once.
pub async fn fire(ledger: &dyn Ledger) -> Fired {
    ledger.fire(&rules(), ALL).await.expect("fire")
}

/// The fires of the schedule of this number, oldest first.
pub async fn fires(ledger: &dyn Ledger, number: u128) -> Vec<Fire> {
    let mut fires = ledger.fires(&tenant(), id(number), None, None, ALL).await.expect("fires");
    fires.reverse();
    fires
}

/// Their statuses.
pub async fn statuses(ledger: &dyn Ledger, number: u128) -> Vec<FireStatus> {
    fires(ledger, number).await.iter().map(|fire| fire.status).collect()
}

/// The schedule of this number as it stands.
pub async fn schedule(ledger: &dyn Ledger, number: u128) -> Schedule {
    ledger.schedule(&tenant(), &ScheduleKey::Id(id(number))).await.expect("schedule").expect("it is there")
}
