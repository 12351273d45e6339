//! Takes a page apart, and says where the next is and from where the next run asks. Pure, and long work for a large one. Next: `link.rs`.

use serde_json::Value;

use super::{
    call::accepted,
    link::{at_home, link_of},
    written,
};
use crate::{
    connection::Hidden,
    outbound::{HeaderMap, Url, header},
    sync::{
        definition::{Format, HttpSource, Incremental},
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

/// The longest `ETag` that is kept, and `Last-Modified`.
const VALIDATOR_BYTES_MAX: usize = 1_024;

/// A page as it came.
pub(super) struct Sheet {
    pub(super) source: HttpSource,
    pub(super) bytes_max: u64,
    /// Where it is.
    pub(super) here: Place,
    /// Only what changed was asked for.
    pub(super) is_part: bool,
    /// What was asked.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
    /// The parameter in which the connection's key goes along with each request.
    pub(super) key_parameter: Option<String>,
    pub(super) hidden: Hidden,
}

impl Sheet {
    /// The page, and whether secrets had to be taken out of its records.
    pub(super) fn page(mut self) -> Result<(Page, bool), Wrong> {
        self.looks_like_it()?;
        let (list, hidden, length) = (&self.source.list, &self.hidden, self.bytes.len() as u64);
        let root = format::read(list.format, &self.bytes, &columns(&self.source), Budget::of(self.bytes_max), hidden)?;
        let may_tell = self.may_tell();
        self.bytes = Vec::new();
        let mut said = said(&self.source.list, &root, &self.hidden)?;
        let may_be_null = self.here.pages > 0 || self.is_part;
        let records = take(&self.source, root, may_be_null, &self.hidden)?;
        said.link = match said.link.or_else(|| link_of(&self.source.list, &self.headers)) {
            Some(link) => Some(at_home(&self.url, &link, self.key_parameter.as_deref(), &self.hidden)?),
            None => None,
        };
        let mut page = self.put_together(said, records, length)?;
        let tells = may_tell && self.hidden.take_out_of_all(&mut page.records);
        Ok((page, tells))
    }

    /// Whether its texts may tell a secret: it stands in the page as it is, or some may be written in another way.
    fn may_tell(&self) -> bool {
        let text = String::from_utf8_lossy(&self.bytes);
        let sign = match self.source.list.format {
            Format::Json | Format::JsonLines => "\\",
            Format::Csv => "\"\"",
            Format::Xml => "&",
        };
        text.contains(sign) || self.hidden.is_in(&text)
    }

    fn put_together(&self, said: Said, mut records: Vec<Value>, bytes: u64) -> Result<Page, Wrong> {
        let Some(again) = without_overlap(&self.source.list, &self.here, &mut records, |record| known_by(&self.source, record)) else {
            return Ok(Page { bytes, shifted: true, ..Page::default() });
        };
        let total = said.total;
        let mark = self.mark_after(&said, &records);
        let here = Place { mark, ..self.here.clone() };
        let last = records.last().map(|record| known_by(&self.source, record));
        let next = next(&self.source.list, &here, said, &Had { new: &records, again, last })?;
        let mark = written(here.mark.as_ref());
        self.keeps_no_secret(next.as_ref(), mark.as_deref())?;
        Ok(Page { records, next, bytes, not_modified: false, mark, total, shifted: false })
    }

    /// Places and marks are kept, and shown to whoever looks at the sync.
    fn keeps_no_secret(&self, next: Option<&Place>, mark: Option<&str>) -> Result<(), Wrong> {
        let tells = |json: &Value| self.hidden.take_out_of(&mut json.clone());
        let at = next.map(|next| serde_json::to_value(&next.at).expect("a place has a JSON form"));
        let mark = mark.map(|mark| serde_json::from_str(mark).expect("a mark is JSON"));
        if [at, mark].iter().flatten().any(tells) {
            let message =
                "what the next page, or the next run, would be asked for by has a secret of the connection in it, and is not kept";
            return Err(Wrong::always("mark_has_secret", message));
        }
        Ok(())
    }

    /// From where the next run asks for what changed.
    fn mark_after(&self, said: &Said, records: &[Value]) -> Option<Mark> {
        let (here, headers) = (&self.here, &self.headers);
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
    fn looks_like_it(&self) -> Result<(), Wrong> {
        let said = self.headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
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
