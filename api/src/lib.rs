//! The HTTP side: takes jobs in, answers questions, never runs anything.
//!
//! It holds the ledger's roles `Intake + Inspect + Timetable + Effects + Connections + Library + Wordings + Deliveries + Hooks + Approvals + Syncs +
//! Records` and no other, so "only enqueues" is a type. It reads no settings: whoever starts it passes values in [`Parts`].
//! A request's path: `edge.rs` (id, time-out, panic, problem), `auth.rs` (whose it is), `routes/`.
//! Next on a job's path: `routes/jobs.rs`, then `windrow_jobs::submit`.

mod auth;
mod body;
mod catalog;
mod edge;
mod embed;
mod error;
mod idempotency;
pub mod openapi;
mod page;
mod prefer;
mod query;
mod routes;
mod standing;
pub mod wait;

/// The numbers that callers can run into.
pub mod limits {
    pub use crate::{
        body::BODY_BYTES_MAX,
        embed::VECTOR_WAIT_S_MAX,
        page::{PAGE_BYTES_MAX, PAGE_SIZE, PAGE_SIZE_MAX},
        prefer::WAIT_S_MAX,
        routes::{
            batch::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX},
            notification_templates::RENDERERS_MAX,
            schedules::preview::PREVIEW_FIRES_MAX,
        },
    };
}

use std::{io, sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use windrow_jobs::{
    connection::{keys::TenantKeys, seal::Keyring},
    ledger::{Approvals, Connections, Deliveries, Effects, Hooks, Inspect, Intake, Library, Records, Syncs, Timetable, Wordings},
    objects::{Objects, link::Signer},
    process::health::Health,
    queue::QueueName,
    renderer::pool::Renderers,
    search::store::SearchStore,
    settings::{SchedulesSettings, Settings},
};

use crate::{auth::PlatformKey, catalog::Kinds, idempotency::InFlight, routes::hooks::refused::Refused, standing::LastWord, wait::Changes};

/// What the api may do to a ledger: take in, look, keep schedules, connections, bundles, templates of notifications, syncs and records, and hear what
/// became of effects and messages.
pub trait Front:
    Intake + Inspect + Timetable + Effects + Connections + Library + Wordings + Deliveries + Hooks + Approvals + Syncs + Records
{
}
impl<L> Front for L where
    L: Intake
        + Inspect
        + Timetable
        + Effects
        + Connections
        + Library
        + Wordings
        + Deliveries
        + Hooks
        + Approvals
        + Syncs
        + Records
        + ?Sized
{
}

/// What an api is made of.
pub struct Parts {
    /// The durable truth.
    pub ledger: Arc<dyn Front>,
    /// The queues of the installation.
    pub queues: Vec<QueueName>,
    /// What is asked of schedules.
    pub schedules: Schedules,
    /// The first key, a platform key.
    pub key: String,
    /// The base of links and `Location`, without a slash at its end; empty makes them relative.
    pub public_url: String,
    /// Where artifacts lie.
    pub objects: Arc<dyn Objects>,
    /// Who signed the links to objects that this api serves itself.
    pub signer: Signer,
    /// The master keys, which seal what tenants confide.
    pub keyring: Keyring,
    /// Who reads and fills in templates of notifications.
    pub renderers: Renderers,
    /// What keeps indexes.
    pub search: Arc<dyn SearchStore>,
    /// Where wake-ups for waiting requests come from. Without any they poll.
    pub changes: Changes,
    /// Whoever else lives in this process and may need it to be restarted.
    pub inside: Option<Arc<dyn Health>>,
    /// Ends requests that wait, and makes `/readyz` say no.
    pub shutdown: CancellationToken,
}

/// What an installation asks of schedules.
#[derive(Debug, Clone)]
pub struct Schedules {
    /// How far apart fires must be, and how late they may.
    pub settings: SchedulesSettings,
    /// For how long fires are kept.
    pub fires_kept_ms: i64,
}

impl From<&Settings> for Schedules {
    fn from(settings: &Settings) -> Self {
        Self { settings: settings.schedules.clone(), fires_kept_ms: settings.retention().fires_ms }
    }
}

/// The state of the routes. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(crate) ledger: Arc<dyn Front>,
    pub(crate) kinds: Kinds,
    pub(crate) queues: Arc<[QueueName]>,
    pub(crate) schedules: Arc<Schedules>,
    pub(crate) key: PlatformKey,
    pub(crate) public_url: Arc<str>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) signer: Signer,
    pub(crate) keys: TenantKeys,
    pub(crate) in_flight: InFlight,
    pub(crate) refused: Refused,
    pub(crate) unpacking: Arc<Semaphore>,
    pub(crate) renderers: Renderers,
    pub(crate) search: Arc<dyn SearchStore>,
    pub(crate) changes: Changes,
    pub(crate) inside: Option<Arc<dyn Health>>,
    pub(crate) last_word: LastWord,
    pub(crate) shutdown: CancellationToken,
}

impl Api {
    /// An api of these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            kinds: Kinds::of(parts.ledger.clone()),
            keys: TenantKeys::new(parts.ledger.clone(), parts.keyring),
            ledger: parts.ledger,
            queues: parts.queues.into(),
            schedules: Arc::new(parts.schedules),
            key: PlatformKey::of(&parts.key),
            public_url: parts.public_url.into(),
            objects: parts.objects,
            signer: parts.signer,
            in_flight: InFlight::default(),
            refused: Refused::default(),
            unpacking: Arc::new(Semaphore::new(routes::bundles::UNPACKINGS_MAX)),
            renderers: parts.renderers,
            search: parts.search,
            changes: parts.changes,
            inside: parts.inside,
            last_word: LastWord::default(),
            shutdown: parts.shutdown,
        }
    }
}

/// Every route, with the edge around it.
pub fn router(api: Api) -> Router {
    let (routes, _) = routes::all().split_for_parts();
    routes.layer(axum::middleware::from_fn(edge::edge)).with_state(api)
}

/// How long answers may take once the api is told to stop; requests that wait are ended at once.
const DRAIN: Duration = Duration::from_secs(15);

/// Answers on `listener` until `shutdown`, then lets running requests end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // An answer is one write, and Nagle's algorithm would hold it back for the client's delayed ACK.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone before it began");
        }
    });
    let graceful = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = graceful => ended,
        () = drained => {
            tracing::warn!(drain_s = DRAIN.as_secs(), "connections that would not end are closed");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
