//! `POST /v1/schedules/preview`: what an expression means, before any schedule has it.

use axum::{Json as Answer, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    cron::Timing,
    schedule::{Placed, TIME_ZONE},
};

use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

/// The most fires of a preview.
pub const PREVIEW_FIRES_MAX: usize = 100;
/// Fires of a preview that does not say.
const PREVIEW_FIRES: usize = 5;

/// An expression, and from when on its fires are asked for.
#[derive(Deserialize, ToSchema)]
#[schema(as = PreviewRequest)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// When: 5, 6 or 7 fields, `@hourly` and the like, or `@every 90m`.
    cron: String,
    /// On whose clock: a name of the IANA time-zone database.
    #[serde(default = "utc")]
    time_zone: String,
    /// The fires after this; none means the ledger's now.
    #[serde(default)]
    from: Option<Timestamp>,
    /// How many.
    #[serde(default = "count")]
    #[schema(minimum = 1, maximum = 100, default = 5)]
    count: usize,
    /// No fire before this; `@every` counts from here, else from `from`.
    #[serde(default)]
    starts_at: Option<Timestamp>,
    /// No fire after this.
    #[serde(default)]
    ends_at: Option<Timestamp>,
}

fn utc() -> String {
    TIME_ZONE.into()
}

const fn count() -> usize {
    PREVIEW_FIRES
}

/// What an expression means.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview {
    /// The next fires, earliest first; fewer where there are no more.
    fires: Vec<Instant>,
    /// The expression as a sentence.
    sentence: String,
}

/// An instant, on two clocks.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewedFire)]
struct Instant {
    /// In UTC.
    utc: Timestamp,
    /// On the clock of the time zone, with its offset.
    #[schema(format = DateTime)]
    local: String,
}

/// What an expression means
///
/// The next instants at which a schedule with this expression would fire, jitter not included, and a sentence that says the same.
#[utoipa::path(
    post,
    path = "/v1/schedules/preview",
    tag = "schedules",
    operation_id = "previewSchedule",
    params(Caller),
    request_body(content = Asked, examples(
        ("workdays" = (summary = "On workdays in Berlin", value = json!({
            "cron": "0 8 * * MON-FRI", "time_zone": "Europe/Berlin", "from": "2027-03-26T00:00:00Z", "count": 3
        }))),
        ("every" = (summary = "At an interval", value = json!({ "cron": "@every 90m", "starts_at": "2027-01-01T00:00:00Z" }))),
    )),
    responses(
        (status = 200, description = "The fires and the sentence.", body = Preview),
        Caller, NoParams, Json<Asked>, LedgerErrors,
    )
)]
pub(crate) async fn preview(State(api): State<Api>, _: Caller, _: NoParams, Json(asked): Json<Asked>) -> Result<Answer<Preview>, ApiError> {
    let invalid = |pointer: &str, message: String| Err(ApiError::Field { pointer: pointer.into(), message });
    if !(1..=PREVIEW_FIRES_MAX).contains(&asked.count) {
        return invalid("/count", format!("{} is not within 1 to {PREVIEW_FIRES_MAX}", asked.count));
    }
    if let (Some(starts_at), Some(ends_at)) = (asked.starts_at, asked.ends_at)
        && ends_at < starts_at
    {
        return invalid("/ends_at", "ends_at is before starts_at".into());
    }
    let from = match asked.from {
        Some(from) => from,
        None => api.ledger.now().await?,
    };
    let timing = Timing::parse(&asked.cron, &asked.time_zone, asked.starts_at.unwrap_or(from).full_second()).map_err(Placed::from)?;
    // An instant that is the very beginning counts.
    let after = asked.starts_at.map_or(from, |starts_at| starts_at.plus_ms(-1).max(from));
    let ends_at = asked.ends_at;
    let next = |at: Timestamp| timing.next_after(at).filter(|fire_at| ends_at.is_none_or(|ends_at| *fire_at <= ends_at));
    let instants = std::iter::successors(next(after), |fire_at| next(*fire_at)).take(asked.count);
    let fires = instants.map(|utc| Instant { utc, local: timing.local(utc) }).collect();
    Ok(Answer(Preview { fires, sentence: timing.describe() }))
}
