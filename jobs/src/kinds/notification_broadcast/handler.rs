//! The code of `notification.broadcast`.
//!
//! An attempt makes children until all are made, and then looks how they fare: it comes back until all have ended, and has no slot meanwhile,
//! which its children may need.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    KIND, Payload, REPORT, Totals,
    audience::{Audience, Place, Row, path_of},
    child::Family,
    contract,
    report::Report,
};
use crate::{
    children::Child,
    clock::{Clock, Timestamp},
    contract::Contract,
    handler::{ArtifactError, Context, Failure, Handler, Outcome},
    ledger,
    submit::NewJob,
};

/// Children that are made in one commit, between two checkpoints.
const CHUNK: usize = 500;
/// Bytes of their payloads in one commit, give or take one child.
const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How soon it looks again how its children fare, at first and at most.
const LOOK_FIRST_MS: u64 = 1_000;
const LOOK_MS_MAX: u64 = 60_000;
/// A look copies the audience, and the last one reads all children: it comes again after so many milliseconds for each thousand of them.
const LOOK_MS_PER_THOUSAND: u64 = 200;

/// The handler.
pub struct Broadcast(pub Arc<dyn Clock>);

/// What an attempt leaves to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    /// Rows there are.
    rows: u64,
    /// Where the rows begin whose children are not made; none where all are.
    next: Option<Place>,
    /// When the first was made, by this machine's clock: for the connection's rate alone.
    began_at: Timestamp,
    /// How often it was looked how they fare.
    #[serde(default)]
    looks: u32,
    /// Where the rows begin of which it was not seen that all have ended; none at the beginning.
    #[serde(default)]
    ended: Option<Place>,
}

impl Handler for Broadcast {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.broadcast(&context, &payload).await.unwrap_or_else(|outcome| outcome))
    }
}

impl Broadcast {
    async fn broadcast(&self, context: &Context, payload: &Payload) -> Result<Outcome, Outcome> {
        let audience = match (&payload.audience.recipients, &payload.audience.artifact) {
            (Some(recipients), _) => Audience::listed(recipients.clone()),
            (None, Some(artifact)) => Audience::filed(context, artifact).await?,
            (None, None) => return Err(Outcome::bury("audience_invalid", "an audience has recipients or an artifact")),
        };
        let (rows, mut audience) = off_thread(move || audience.count()).await?;
        let before = context.checkpoint.as_deref().map(serde_json::from_str::<Progress>);
        let mut progress = match before {
            Some(Ok(progress)) if progress.rows != rows => {
                let message = format!("the file has {rows} rows, and had {} when the broadcast began", progress.rows);
                return Err(Outcome::bury("audience_changed", message));
            }
            Some(Ok(progress)) => progress,
            _ => Progress { rows, next: Some(Place::START), began_at: self.0.now(), looks: 0, ended: None },
        };
        let family = Arc::new(Family {
            tenant: context.tenant.clone(),
            parent: context.job,
            deadline: context.deadline,
            message: payload.message.clone(),
            priority: payload.priority,
        });
        if let Some(place) = progress.next {
            if place == Place::START {
                context.info(format!("{rows} recipients"));
            } else {
                context.info(format!("going on at row {} of {rows}", place.row));
                audience.seek(place)?;
            }
            let apart_ms = self.apart_ms(context, payload).await;
            audience = self.bear(context, &family, audience, &mut progress, apart_ms).await?;
            audience.seek_start()?;
        }
        look(context, &family, audience, &mut progress).await
    }

    /// How far apart the connection wants its calls; a connection that cannot be opened is the children's trouble.
    async fn apart_ms(&self, context: &Context, payload: &Payload) -> f64 {
        let Some(name) = payload.message.payload.get("connection").and_then(serde_json::Value::as_str) else { return 0.0 };
        let opened = context.access.open(&context.tenant, name).await.ok();
        let rate = opened.and_then(|opened| opened.config.get("rate_per_s").and_then(serde_json::Value::as_f64));
        rate.filter(|rate| *rate > 0.0).map_or(0.0, |rate| 1_000.0 / rate)
    }

    /// Makes the children that are not made.
    async fn bear(
        &self,
        context: &Context,
        family: &Arc<Family>,
        mut audience: Audience,
        progress: &mut Progress,
        apart_ms: f64,
    ) -> Result<Audience, Outcome> {
        loop {
            let passed_ms = self.0.now().ms_since(progress.began_at);
            let delay_ms = move |row: u64| (((row - 1) as f64 * apart_ms) as i64 - passed_ms).max(0);
            let family = family.clone();
            let (made, children, rest) = off_thread(move || {
                let (made, children) = chunk(&family, &mut audience, delay_ms)?;
                Ok((made, children, audience))
            })
            .await?;
            audience = rest;
            let Some(made) = made else { break };
            // The attempt is over, or is to end: somebody else goes on, or nobody.
            if context.cancel.is_cancelled() || !context.ledger.bear(context.job, context.attempt, children).await.map_err(away)? {
                return Err(stopped());
            }
            progress.next = Some(audience.place());
            keep(context, progress)?;
            let percent = made.saturating_mul(50) / progress.rows.max(1);
            context.progress(u8::try_from(percent).unwrap_or(50), format!("{made} of {} made", progress.rows));
        }
        progress.next = None;
        keep(context, progress)?;
        Ok(audience)
    }
}

/// The jobs of the next rows, as many as one commit has, and which row was the last; none where no row is left.
fn chunk(family: &Family, audience: &mut Audience, delay_ms: impl Fn(u64) -> i64) -> Result<(Option<u64>, Vec<NewJob>), Outcome> {
    let (mut last, mut children, mut rows, mut bytes) = (None, Vec::new(), 0, 0);
    while rows < CHUNK && bytes < CHUNK_BYTES_MAX {
        let Some(row) = audience.row()? else { break };
        rows += 1;
        last = Some(row.number);
        let child = row.recipient.and_then(|recipient| family.child(row.number, &recipient, delay_ms(row.number)));
        if let Ok(child) = child {
            bytes += child.payload.get().len();
            children.push(child);
        }
    }
    Ok((last, children))
}

/// Work that waits for the disk or computes for long: beside the runtime's threads, so that whoever ends the attempt need not wait for it.
pub(in crate::kinds) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Outcome> + Send + 'static,
) -> Result<T, Outcome> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}

const fn stopped() -> Outcome {
    Outcome::Snooze(Duration::from_secs(1))
}

fn unwritten(error: impl std::fmt::Display) -> Outcome {
    Outcome::retry("objects_unavailable", format!("writing the report: {error}"))
}

/// Looks how the children fare: finished where all have ended. It looks from where it was, up to the first chunk in which one has not, and
/// makes the report once there is none.
async fn look(context: &Context, family: &Arc<Family>, mut audience: Audience, progress: &mut Progress) -> Result<Outcome, Outcome> {
    if let Some(place) = progress.ended {
        audience.seek(place)?;
    }
    loop {
        let (rows, children, rest) = fare(context, family, audience).await?;
        audience = rest;
        let Some(last) = rows.last() else { break };
        let open = children.iter().filter(|child| !child.state.is_final()).count();
        if open > 0 {
            return again(context, progress, last.number.saturating_sub(open as u64));
        }
        progress.ended = Some(audience.place());
    }
    audience.seek_start()?;
    let mut report = Report::new().map_err(unwritten)?;
    loop {
        let (rows, children, rest) = fare(context, family, audience).await?;
        audience = rest;
        if rows.is_empty() {
            break;
        }
        let family = family.clone();
        report = off_thread(move || {
            report.add(&family, &rows, children).map_err(unwritten)?;
            Ok(report)
        })
        .await?;
    }
    if report.open > 0 {
        // Somebody has sent one back meanwhile.
        progress.ended = None;
        return again(context, progress, progress.rows.saturating_sub(report.open));
    }
    let (totals, file) = off_thread(move || report.finish().map_err(unwritten)).await?;
    let kept = context.artifact(REPORT, "text/csv; charset=utf-8", path_of(&file)).await;
    drop(file);
    kept.map_err(|error| match error {
        ArtifactError::Over(_) => stopped(),
        error => unwritten(error),
    })?;
    Ok(done(&totals))
}

/// The next rows and their children.
async fn fare(context: &Context, family: &Family, mut audience: Audience) -> Result<(Vec<Row>, Vec<Child>, Audience), Outcome> {
    if context.cancel.is_cancelled() {
        return Err(stopped());
    }
    let (rows, audience) = off_thread(move || Ok((audience.read(CHUNK)?, audience))).await?;
    let ids: Vec<_> = rows.iter().filter_map(|row| Some(family.id_of(&row.recipient.as_ref().ok()?.to))).collect();
    let children = context.ledger.children(&context.tenant, &ids).await.map_err(away)?;
    Ok((rows, children, audience))
}

/// It looks again later; so many rows have ended at least, as those behind the first that has not are not looked at.
fn again(context: &Context, progress: &mut Progress, ended: u64) -> Result<Outcome, Outcome> {
    let percent = 50 + ended.saturating_mul(50) / progress.rows.max(1);
    context.progress(u8::try_from(percent).unwrap_or(99).min(99), format!("at least {ended} of {} ended", progress.rows));
    progress.looks += 1;
    keep(context, progress)?;
    Ok(Outcome::Snooze(next_look(progress)))
}

fn next_look(progress: &Progress) -> Duration {
    let patience_ms = LOOK_FIRST_MS << progress.looks.saturating_sub(1).min(6);
    Duration::from_millis(patience_ms.min(LOOK_MS_MAX).max(progress.rows / 1_000 * LOOK_MS_PER_THOUSAND))
}

fn done(totals: &Totals) -> Outcome {
    #[derive(Serialize)]
    struct Result<'t> {
        #[serde(flatten)]
        totals: &'t Totals,
        report: &'static str,
    }
    Outcome::done(&Result { totals, report: REPORT })
}

fn keep(context: &Context, progress: &Progress) -> Result<(), Outcome> {
    context.checkpoint(progress).map_err(Outcome::from)
}

fn away(error: ledger::Error) -> Outcome {
    tracing::debug!(kind = KIND, %error, "the ledger is away from a broadcast");
    Outcome::retry("ledger_unavailable", error.to_string())
}
