//! A worker process of a cluster: what `windrow-worker` is, and what a worker with handlers of your own is.

use std::{process::ExitCode, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    clock::SystemClock,
    connection::open::Opener,
    dispatch::carrier::{WorkerEnd, ledger::TicketLooks, redis::RedisLooks},
    handler::Registry,
    ledger::postgres::PostgresLedger,
    process::{self, health::Health},
    settings::{self, Settings},
};

use crate::{Worker, pulse::Pulse};

/// Runs these handlers as a worker of the cluster that the environment names, until SIGTERM or Ctrl-C.
pub fn run(registry: Registry) -> ExitCode {
    run_with(|_| Ok(registry))
}

/// The same for handlers that are made by the settings.
pub fn run_with(registry: impl FnOnce(&Settings) -> Result<Registry, settings::Error>) -> ExitCode {
    process::run("windrow-worker", |settings| settings.worker.health_listen, |settings, shutdown| serve(registry, settings, shutdown))
}

async fn serve(
    registry: impl FnOnce(&Settings) -> Result<Registry, settings::Error>,
    settings: Settings,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let registry = registry(&settings)?;
    let ledger: PostgresLedger = process::postgres::open(&settings, &shutdown).await?;
    let kinds = registry.contracts().map(|contract| contract.kind.clone()).collect();
    let looks = Arc::new(TicketLooks::new(Arc::new(ledger.clone()), kinds));
    let name = Worker::unique_name();
    let (carrier, carrying): (Arc<dyn WorkerEnd>, _) = match process::redis::of(&settings)? {
        Some(redis) => {
            process::redis::check_clock(&ledger, &SystemClock).await?;
            process::redis::warn(&redis).await;
            process::redis::publish_nudges(&redis, &ledger, CancellationToken::new()).await?;
            let queues = settings.worker.queues.0.keys().cloned();
            let carrier = Arc::new(RedisLooks::new(redis, &name, queues, looks));
            (carrier.clone(), tokio::spawn(carrier.keep(shutdown.clone())))
        }
        None => (looks.clone(), tokio::spawn(looks.keep(shutdown.clone()))),
    };
    let pulse = Arc::new(Pulse::new(Arc::new(SystemClock), settings.worker.stalled_after_s));
    let worker = Worker {
        name,
        slots: settings.worker.queues.0.clone(),
        registry,
        access: Arc::new(Opener::new(Arc::new(ledger.clone()), process::secrets::keyring(&settings)?)),
        ledger: Arc::new(ledger),
        objects: process::objects::open(&settings)?,
        carrier,
        grace: Duration::from_secs(settings.worker.grace_s.into()),
        pulse: pulse.clone(),
    };
    let probing = tokio::spawn(process::health::serve(settings.worker.health_listen, pulse as Arc<dyn Health>, shutdown.clone()));
    tracing::info!(worker = worker.name, "windrow-worker is ready");
    let worked = worker.run(shutdown.clone()).await;
    shutdown.cancel();
    carrying.await?;
    probing.await??;
    Ok(worked?)
}
