//! Reads the records of a source, page by page: a provider's over HTTP, or the tenant's own.
//!
//! A [`Reader`] is an attempt's. It holds nothing but the page under way, and where it stands is in [`Place`], which the run keeps with each
//! page; so another attempt goes on where this one was killed. It writes nothing, and never decides what becomes of a record.
//! A page costs at most its bytes (`limits.page_bytes_max`) and eight times as much for the values made of them (`format.rs`).
//! Next: `reader/http.rs`, then `reader/paging.rs` for how the next page is found.

mod ask;
mod collection;
mod format;
mod http;
mod paging;
mod place;
mod records;
#[cfg(test)]
mod tests;
mod unpack;
mod xml;

use std::{sync::Arc, time::Duration};

use serde_json::Value;

pub use self::place::Place;
use self::{collection::Collection, format::Budget, http::Http};
use super::{
    Source,
    definition::{Format, Limits},
    state::Since,
};
use crate::{
    connection::Hidden,
    handler::{Context, Outcome},
    job::JobError,
    kinds::Services,
    ledger::Records,
};

/// JSON of at most so many bytes that is no page, as one value: what it would cost in memory is counted before, as a page's is. The error says
/// nothing of what it is instead.
pub(crate) fn json(bytes: &[u8], bytes_max: u64) -> Result<Value, String> {
    let read = format::read(Format::Json, bytes, &[], Budget::of(bytes_max), &Hidden::default());
    read.map_err(|wrong| match &*wrong.0.code {
        "page_too_large" => format!("it has more values than {bytes_max} bytes should have"),
        _ => "it is no JSON".to_owned(),
    })
}

/// Reads a source.
pub struct Reader(Kind);

enum Kind {
    Http(Box<Http>),
    Records(Collection),
}

/// What a page had.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Its records.
    pub records: Vec<Value>,
    /// Where the next page is; none after the last.
    pub next: Option<Place>,
    /// Its bytes, unpacked.
    pub bytes: u64,
    /// The source says that nothing changed, or says nothing at all (304, 204): what is there stays as it is, and nothing vanished.
    pub not_modified: bool,
    /// From where the next run asks for what changed, should this one end well after this page: [`Since::mark`].
    pub mark: Option<String>,
    /// How many records there are, where the page says so.
    pub total: Option<u64>,
    /// The list changed while it was read, or the provider has forgotten its own mark: it has to be read anew from the beginning. No records.
    pub shifted: bool,
}

/// Why there is no page.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// The provider asks us to wait longer than an attempt does.
    Wait {
        /// How long.
        after: Duration,
        /// Who says so, for people.
        why: String,
    },
    /// It failed: to be tried again, or not.
    Failed(Outcome),
    /// The provider takes the mark of the run before no more: all is to be read.
    Expired,
    /// The attempt is to stop, or is over.
    Cancelled,
}

/// How long a page waits, and how often it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest single wait of an attempt, which keeps its slot meanwhile.
    pub wait_max: Duration,
    /// The longest that an attempt waits for one page, all in all.
    pub waits_max: Duration,
    /// The first wait where a provider that is busy does not say how long; the next is twice as long. Unless said, as the sync has it
    /// (`limits.throttled_wait_s`).
    pub busy: Option<Duration>,
    /// How often a page is asked for that failed for a reason that may pass.
    pub tries: u32,
    /// The wait before the second try; the next is four times as long.
    pub between_tries: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            wait_max: Duration::from_secs(20),
            waits_max: Duration::from_secs(60),
            busy: None,
            tries: 3,
            between_tries: Duration::from_millis(250),
        }
    }
}

impl Reader {
    /// Opens the connections of a provider; the tenant's own records are read from `records` (a handler's `context.ledger.clone()`). `since` is
    /// [`Sync::since`](super::state::Sync::since), or none where all is to be read. The outcome is the attempt's, where that cannot be.
    pub async fn open(
        services: &Services,
        context: &Context,
        records: Arc<dyn Records>,
        source: &Source,
        limits: &Limits,
        since: Option<&Since>,
    ) -> Result<Self, Outcome> {
        Self::open_with(services, context, records, source, limits, since, Patience::default()).await
    }

    /// The same with another patience.
    pub async fn open_with(
        services: &Services,
        context: &Context,
        records: Arc<dyn Records>,
        source: &Source,
        limits: &Limits,
        since: Option<&Since>,
        patience: Patience,
    ) -> Result<Self, Outcome> {
        Ok(Self(match (&source.http, &source.records) {
            (Some(http), _) => Kind::Http(Box::new(Http::open(services, context, http, limits, since, patience).await?)),
            (None, Some(collection)) => Kind::Records(Collection::of(context, records, collection)),
            (None, None) => return Err(Outcome::bury("definition_invalid", "the sync has no source")),
        }))
    }

    /// Reads the page at `place`; none for the first. Waits for a provider that is short, as long as an attempt does.
    pub async fn page(&mut self, place: Option<&Place>) -> Result<Page, Stopped> {
        match &mut self.0 {
            Kind::Http(http) => http.page(place).await,
            Kind::Records(collection) => collection.page(place).await,
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong(JobError);

impl Wrong {
    /// It may be otherwise next time.
    fn now(code: &str, message: impl Into<String>) -> Self {
        Self(JobError::new(code, message, true))
    }

    /// It will be so next time as well.
    fn always(code: &str, message: impl Into<String>) -> Self {
        Self(JobError::new(code, message, false))
    }

    fn into_outcome(self) -> Outcome {
        if self.0.retryable { Outcome::Retry { error: self.0, after: None } } else { Outcome::Bury(self.0) }
    }
}
