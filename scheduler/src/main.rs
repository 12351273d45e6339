//! `windrow-scheduler`: the duties of a cluster. Run two: one leads, the other stands by.

use std::{process::ExitCode, sync::Arc};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::SystemClock,
    dispatch::carrier::{PlannerEnd, ledger::TicketRows, redis::RedisTickets},
    process::{self, health::Health},
    settings::Settings,
};
use windrow_scheduler::Scheduler;

fn main() -> ExitCode {
    process::run("windrow-scheduler", |settings| settings.worker.health_listen, serve)
}

async fn serve(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ledger = Arc::new(process::postgres::open(&settings, &shutdown).await?);
    let carrier: Arc<dyn PlannerEnd> = match process::redis::of(&settings)? {
        Some(redis) => {
            process::redis::warn(&redis).await;
            process::redis::hear_nudges(&redis, &ledger, shutdown.clone()).await?;
            Arc::new(RedisTickets::start(redis, ledger.clone()))
        }
        None => Arc::new(TicketRows(ledger.clone())),
    };
    let scheduler = Scheduler {
        name: format!("{}-{}", rustix::system::uname().nodename().to_string_lossy(), uuid::Uuid::now_v7().simple()),
        ledger,
        carrier,
        clock: Arc::new(SystemClock),
        objects: process::objects::open(&settings)?,
        search: Arc::new(process::search::open(&settings)),
        keyring: process::secrets::keyring(&settings)?,
        retention: settings.retention(),
        late_after_s: settings.schedules.late_after_s,
        hears_all: false,
    };
    let probing = tokio::spawn(process::health::serve(settings.worker.health_listen, Arc::new(Running), shutdown.clone()));
    tracing::info!(scheduler = scheduler.name, "windrow-scheduler is ready");
    scheduler.run(shutdown.clone()).await;
    shutdown.cancel();
    probing.await?
}

/// A scheduler that runs is well: one that stands by has nothing to show, and one that leads ends its own term when
/// it cannot renew it.
struct Running;

impl Health for Running {
    fn live(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}
