//! Reads a provider's list over HTTP: asks for a page, waits where the provider is short, takes the page apart.
//!
//! A list may be asked for again at any time, so what may pass is tried again here before the attempt ends. What comes is believed nothing:
//! not its length, its form, its links nor its end. Next: `http/call.rs`, then `http/page.rs`.

mod call;
mod link;
mod page;

use std::{sync::Arc, time::Duration};

use self::{call::Answered, page::Sheet};
use super::{
    Page, Patience, Place, Stopped, Wrong,
    ask::first,
    place::{At, Mark},
};
use crate::{
    clock::{Clock, Timestamp},
    connection::{caller::Caller, catalog::http::API_KEY_PARAMETER, turns::Turns},
    handler::{Context, Outcome},
    kinds::{Services, http_request::verdict::http_date},
    outbound::{HeaderMap, Url, header},
    sync::{
        definition::{HttpSource, Limits, Pagination},
        state::Since,
    },
};

/// A list that is read.
pub(super) struct Http {
    caller: Caller,
    context: Context,
    clock: Arc<dyn Clock>,
    source: HttpSource,
    limits: Limits,
    patience: Patience,
    /// From where is asked for what changed.
    since: Option<Mark>,
    /// There is such a mark, and it cannot be read.
    is_expired: bool,
    /// When something may be asked.
    turns: Turns,
    /// How long was waited for the page under way.
    waited: Duration,
    /// The connection was said to be good.
    is_good: bool,
    /// A mark was refused already, and the list begun anew.
    began_anew: bool,
}

impl Http {
    pub(super) async fn open(
        services: &Services,
        context: &Context,
        source: &HttpSource,
        limits: &Limits,
        since: Option<&Since>,
        patience: Patience,
    ) -> Result<Self, Outcome> {
        let caller = Caller::open(services, context, &source.connection, source.token_connection.as_deref()).await?;
        let read = since.and_then(|since| serde_json::from_str(&since.mark).ok());
        Ok(Self {
            caller,
            context: context.clone(),
            clock: services.clock.clone(),
            source: source.clone(),
            limits: limits.clone(),
            patience,
            is_expired: since.is_some() && read.is_none(),
            since: read,
            turns: Turns::of(limits.requests_per_s),
            waited: Duration::ZERO,
            is_good: false,
            began_anew: false,
        })
    }

    pub(super) async fn page(&mut self, place: Option<&Place>) -> Result<Page, Stopped> {
        if self.is_expired {
            return Err(Stopped::Expired);
        }
        let cancel = self.context.cancel.clone();
        let read = tokio::select! {
            read = self.read(place) => read,
            () = cancel.cancelled() => Err(Stopped::Cancelled),
        };
        // Whatever a provider repeats of what it was sent.
        read.map_err(|stopped| match stopped {
            Stopped::Failed(outcome) => Stopped::Failed(self.caller.hide(outcome)),
            Stopped::Wait { after, why } => Stopped::Wait { after, why: self.caller.hidden().text(&why) },
            stopped => stopped,
        })
    }

    async fn read(&mut self, place: Option<&Place>) -> Result<Page, Stopped> {
        let here = match place {
            Some(place) => place.clone(),
            None => Place::first(first(&self.source.list), self.clock.now(), self.since.clone()),
        };
        let asking = self.asking(&here).map_err(Stopped::Failed)?;
        self.waited = Duration::ZERO;
        match self.ask(asking).await? {
            Answered::No { status, message } => self.refused(&here, status, message),
            Answered::Page { status: 304, .. } => self.unchanged(&here),
            Answered::Page { status, headers, url, bytes, took } => {
                if !self.is_good {
                    self.is_good = true;
                    self.caller.was_good().await;
                }
                if status == 204 {
                    return self.nothing(here);
                }
                let here = if here.pages == 0 { here.begun_by(said_at(&headers, took)) } else { here };
                self.page_of(here, headers, url, bytes).await.map_err(|wrong| Stopped::Failed(wrong.into_outcome()))
            }
        }
    }

    async fn page_of(&self, here: Place, headers: HeaderMap, url: Url, bytes: Vec<u8>) -> Result<Page, Wrong> {
        let sheet = Sheet {
            source: self.source.clone(),
            bytes_max: self.limits.page_bytes_max,
            here,
            is_part: self.since.is_some(),
            url,
            headers,
            bytes,
            key_parameter: self.caller.opened().config[API_KEY_PARAMETER].as_str().map(str::to_owned),
            hidden: self.caller.hidden(),
        };
        // It takes tenths of a second for the largest, in which others want to run.
        let taken = tokio::task::spawn_blocking(move || sheet.page()).await;
        let (page, told) = taken.map_err(|error| Wrong::now("page_unreadable", format!("reading a page: {error}")))??;
        if told {
            self.context.warn("the provider repeats a secret of the connection within its records, where (hidden) stands for it");
        }
        Ok(page)
    }

    /// An answer of 4xx, or a redirect that is not followed.
    fn refused(&mut self, here: &Place, status: u16, message: String) -> Result<Page, Stopped> {
        if status == 410 && self.since.is_some() && self.validators().is_none() {
            return Err(Stopped::Expired);
        }
        let is_mark = matches!(here.at, At::Link(_)) || matches!(&here.at, At::Mark(mark) if !mark.is_null());
        // A provider forgets its own marks: Airtable says 422 after a while, and asks to begin from the beginning.
        if is_mark && matches!(status, 400 | 404 | 410 | 422) && !self.began_anew {
            self.began_anew = true;
            self.context.warn(format!(
                "the provider takes its mark of the next page no more, so the list is read anew: {}",
                self.caller.hidden().text(&message)
            ));
            return Ok(Page { shifted: true, ..Page::default() });
        }
        // Nothing was expected there.
        if here.probing && matches!(status, 400 | 404 | 416 | 422) {
            return self.ended(here);
        }
        Err(Stopped::Failed(Outcome::bury("source_refused", message)))
    }

    fn ended(&self, here: &Place) -> Result<Page, Stopped> {
        Ok(Page { mark: written(here.mark.as_ref()), ..Page::default() })
    }

    /// 304: nothing changed since the validators that were sent.
    fn unchanged(&self, here: &Place) -> Result<Page, Stopped> {
        if self.validators().is_none() {
            let message = "the provider says that nothing changed (304), and was not asked whether it did";
            return Err(Stopped::Failed(Outcome::retry("page_unreadable", message)));
        }
        Ok(Page { not_modified: true, mark: written(here.mark.as_ref()), ..Page::default() })
    }

    /// 204: nothing is said. At the beginning that is not that there is nothing; later it is the end of what can be counted.
    fn nothing(&self, here: Place) -> Result<Page, Stopped> {
        if here.pages == 0 {
            return Ok(Page { not_modified: true, mark: written(here.mark.as_ref()), ..Page::default() });
        }
        match self.source.list.pagination {
            Some(Pagination::Page { total: None, .. } | Pagination::Offset { total: None, .. } | Pagination::Keyset { .. }) => {
                self.ended(&here)
            }
            _ => Err(Stopped::Failed(Outcome::retry("source_truncated", "the provider says nothing (204) where a page should be"))),
        }
    }
}

/// When the provider was asked, by its own clock: its answer says when that was made, which took at most so long.
fn said_at(headers: &HeaderMap, took: Duration) -> Option<Timestamp> {
    let date = http_date(headers.get(header::DATE)?.to_str().ok()?)?;
    Some(date.plus_ms(-i64::try_from(took.as_millis()).unwrap_or(i64::MAX)))
}

fn written(mark: Option<&Mark>) -> Option<String> {
    mark.map(|mark| serde_json::to_string(mark).expect("a mark has a JSON form"))
}
