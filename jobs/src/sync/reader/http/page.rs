//! Takes a page apart, and says where the next is and from where the next run asks. Next: `link.rs`.

use super::{Http, call::accepted, written};
use crate::{
    outbound::{HeaderMap, Url, header},
    sync::{
        definition::{Format, Incremental},
        read::updated_at_of,
        reader::{
            Page, Wrong,
            format::{self, Budget},
            paging::{Had, known_by, next, without_overlap},
            place::{Mark, Place},
            records::{Said, columns, said, take},
        },
    },
};
use serde_json::Value;

/// The longest `ETag` that is kept, and `Last-Modified`.
const VALIDATOR_BYTES_MAX: usize = 1_024;

impl Http {
    pub(super) async fn page_of(&mut self, here: Place, headers: &HeaderMap, url: &Url, bytes: Vec<u8>) -> Result<Page, Wrong> {
        self.looks_like_it(headers)?;
        let (length, link) = (bytes.len() as u64, self.link_of(headers));
        let (source, max) = (self.source.clone(), self.limits.page_bytes_max);
        let may_be_null = here.pages > 0 || self.since.is_some();
        // It takes tenths of a second for the largest, in which others want to run.
        let parsed = tokio::task::spawn_blocking(move || {
            let root = format::read(source.list.format, &bytes, &columns(&source), Budget::of(max))?;
            drop(bytes);
            let said = said(&source.list, &root)?;
            Ok((said, take(&source, root, may_be_null)?))
        });
        let (mut said, records) = parsed.await.map_err(|error| Wrong::now("failed", format!("reading a page: {error}")))??;
        said.link = match said.link.or(link) {
            Some(link) => Some(self.at_home(url, &link)?),
            None => None,
        };
        self.put_together(here, headers, said, records, length)
    }

    fn put_together(&mut self, here: Place, headers: &HeaderMap, said: Said, mut records: Vec<Value>, bytes: u64) -> Result<Page, Wrong> {
        let Some(again) = without_overlap(&self.source.list, &here, &mut records, |record| known_by(&self.source, record)) else {
            return Ok(Page { bytes, shifted: true, ..Page::default() });
        };
        let total = said.total;
        let mark = self.mark_after(&here, &said, &records, headers);
        let here = Place { mark, ..here };
        let last = records.last().map(|record| known_by(&self.source, record));
        let next = next(&self.source.list, &here, said, &Had { new: &records, again, last })?;
        Ok(Page { records, next, bytes, not_modified: false, mark: written(here.mark.as_ref()), total, shifted: false })
    }

    /// From where the next run asks for what changed.
    fn mark_after(&self, here: &Place, said: &Said, records: &[Value], headers: &HeaderMap) -> Option<Mark> {
        match self.source.list.incremental.as_ref()? {
            Incremental::UpdatedSince { .. } => {
                let greatest = records.iter().filter_map(|record| updated_at_of(&self.source, record).ok().flatten()).max();
                // What changed while the list was read may have been read before it did; and what lies in the future is a wrong clock.
                let greatest = greatest.map(|greatest| Mark::UpdatedAt(greatest.min(here.began_at)));
                match (&here.mark, greatest) {
                    (Some(Mark::UpdatedAt(before)), Some(Mark::UpdatedAt(now))) => Some(Mark::UpdatedAt(now.max(*before))),
                    (before, None) => before.clone(),
                    (_, now) => now,
                }
            }
            Incremental::Cursor { .. } => said.sync_mark.clone().map(Mark::Cursor).or_else(|| here.mark.clone()),
            Incremental::Validators {} => {
                let of = |name| headers.get(name)?.to_str().ok().filter(|value| value.len() <= VALIDATOR_BYTES_MAX).map(str::to_owned);
                let (etag, last_modified) = (of(header::ETAG), of(header::LAST_MODIFIED));
                (etag.is_some() || last_modified.is_some()).then_some(Mark::Validators { etag, last_modified })
            }
        }
    }

    /// Whether an answer says of itself that it is something else altogether.
    fn looks_like_it(&self, headers: &HeaderMap) -> Result<(), Wrong> {
        let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
        let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = essence == "application/json" || essence.ends_with("+json");
        let is_other = match self.source.list.format {
            Format::Json | Format::JsonLines => essence == "text/html",
            Format::Csv => essence == "text/html" || is_json,
            Format::Xml => is_json,
        };
        if is_other {
            let format = accepted(self.source.list.format);
            return Err(Wrong::now("page_unreadable", format!("the page is {essence}, and {format} was asked for")));
        }
        Ok(())
    }
}
