//! Fetches what a payload names: a text, an object of the tenant's, a page, or the pages of a site, as parts that come one after the other.
//!
//! Each part is a temporary file, written as it comes and removed when nobody has the part any more; none is ever whole in memory. What comes
//! from outside comes through `Outbound` and is believed nothing: not its length, its type, its end nor where it sends us. One page is fetched as
//! its user asked for it; a crawl keeps to `robots.txt`. Whoever reads the parts tells the links of the last before it asks for the next.
//! Nobody waits here for a cancel: whoever does drops what it waits for. Next: `source/fetch.rs`, then `source/crawl.rs`.

mod crawl;
mod fetch;
mod object;
mod place;
mod robots;
mod sitemap;
mod spool;
#[cfg(test)]
mod tests;
mod unpack;

use std::{path::Path, sync::Arc, time::Duration};

use tempfile::TempPath;

use self::{
    crawl::Crawler,
    fetch::{Fetched, Fetcher, Taking, Unfetched},
    spool::Spool,
};
use crate::{
    clock::Clock,
    handler::{Context, Outcome},
    kinds::Services,
    objects::Objects,
    outbound::Outbound,
    tenant::TenantId,
    text::DOCUMENT_BYTES_MAX,
};

/// What a payload names. A media type of the payload stands above what its source says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A text of its own.
    Text {
        /// It.
        text: String,
        /// What it is; plain text where nobody says.
        media_type: Option<String>,
    },
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// What it is.
        media_type: Option<String>,
    },
    /// A page, or a file, of the internet.
    Url {
        /// Where it is.
        url: String,
        /// What it is.
        media_type: Option<String>,
    },
    /// The pages of a site.
    Site {
        /// Where it begins.
        url: String,
        /// How far it goes.
        crawl: Crawl,
    },
}

/// How far a crawl goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crawl {
    /// How many links a page may be away from the start, or from what a sitemap lists; 0 for these alone.
    pub depth: u8,
    /// The most pages, the start included; those that cannot be read do not count.
    pub pages_max: u32,
    /// Only at the host of the start, where redirects of that have led, at the same port.
    pub same_host: bool,
    /// Which sitemaps are read.
    pub sitemap: Sitemaps,
}

/// Which sitemaps a crawl reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemaps {
    /// None.
    Unread,
    /// Those that `robots.txt` names, or else `/sitemap.xml`; it is no fault where there is none.
    Found,
    /// This one, which has to be there.
    At(String),
}

/// What fetching is bounded by. What is here is what a job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The largest part.
    pub document_bytes_max: u64,
    /// So many bytes a crawl takes before its last part.
    pub crawl_bytes_max: u64,
    /// So long a crawl goes on to the next page: an attempt has an hour, and a site may ask for half a minute between two pages.
    pub crawl_ms: u64,
    /// How long one file may take.
    pub file_ms: u64,
    /// The longest silence within one.
    pub silence_ms: u64,
    /// How often one is asked for before the attempt ends.
    pub tries: u32,
    /// How long is waited for the second try, and four times as long for each one more, where the server does not say.
    pub between_tries: Duration,
    /// How long is waited for one file, all in all: what asks for more is for the job's next attempt.
    pub wait_max: Duration,
    /// The least time between two pages of a crawl.
    pub between_pages: Duration,
    /// The longest time between two that a site may ask for.
    pub crawl_delay_max: Duration,
    /// The most pages of a crawl that are left out though they may be there another time.
    pub lost_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            document_bytes_max: DOCUMENT_BYTES_MAX,
            crawl_bytes_max: 256 * 1024 * 1024,
            crawl_ms: 45 * 60_000,
            file_ms: 60_000,
            silence_ms: 15_000,
            tries: 3,
            between_tries: Duration::from_secs(1),
            wait_max: Duration::from_secs(60),
            between_pages: Duration::from_millis(200),
            crawl_delay_max: Duration::from_secs(30),
            lost_max: 5,
        }
    }
}

/// What a source is reached by.
#[derive(Clone)]
pub struct Reach {
    /// The way out.
    pub outbound: Outbound,
    /// The object store.
    pub objects: Arc<dyn Objects>,
    /// Whose objects may be read.
    pub tenant: TenantId,
    /// For `Retry-After`.
    pub clock: Arc<dyn Clock>,
}

impl Reach {
    /// That of an attempt.
    pub fn of(services: &Services, context: &Context) -> Self {
        let (outbound, clock) = (services.outbound.clone(), services.clock.clone());
        Self { outbound, objects: context.objects.clone(), tenant: context.tenant.clone(), clock }
    }
}

/// A file of the document.
#[derive(Debug)]
pub struct Part {
    file: TempPath,
    /// How large it is.
    pub bytes: u64,
    /// What it is said to be, with its charset; what is true is found out by who reads it.
    pub media_type: Option<String>,
    /// Where it was read, redirects followed: a URL or an object's key; none of a text of the payload.
    pub source: Option<String>,
    /// What it may be called where it does not say itself: the name of its file.
    pub title: Option<String>,
}

impl Part {
    /// Where it is, as long as somebody has this.
    pub fn path(&self) -> &Path {
        &self.file
    }
}

/// What a crawl came to, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The parts.
    pub pages: u32,
    /// What was left out as it could not be read. What was read already, or could be no page, does not count.
    pub skipped: u32,
    /// The first of these.
    pub told: Vec<Skipped>,
    /// There would have been more, if it had been allowed to go further than this.
    pub is_cut: bool,
}

/// A page that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub source: String,
    /// Why, by a word.
    pub code: &'static str,
    /// Why.
    pub message: String,
}

/// What is being fetched.
pub struct Reading(State);

/// What is one part, and no site.
struct One {
    reach: Reach,
    bounds: Bounds,
    /// None after it was asked for.
    named: Option<Named>,
    report: Report,
}

enum State {
    One(Box<One>),
    Site(Box<Crawler>),
}

impl Reading {
    /// Of what is named, which is not yet asked for; a URL that can never be called is refused.
    pub fn of(reach: Reach, named: Named, bounds: Bounds) -> Result<Self, Outcome> {
        Ok(Self(match named {
            Named::Site { url, crawl } => {
                let fetcher = fetcher(&reach, &bounds);
                let start = fetcher.url(&url).map_err(Unfetched::into_outcome)?;
                State::Site(Box::new(Crawler::new(fetcher, start, crawl)))
            }
            named => State::One(Box::new(One { reach, bounds, named: Some(named), report: Report::default() })),
        }))
    }

    /// The next part; none after the last. The error is how the attempt ends.
    pub async fn next(&mut self) -> Result<Option<Part>, Outcome> {
        match &mut self.0 {
            State::Site(crawler) => crawler.next().await.map_err(Unfetched::into_outcome),
            State::One(only) => {
                let Some(named) = only.named.take() else { return Ok(None) };
                let part = one(&only.reach, &only.bounds, named).await.map_err(Unfetched::into_outcome)?;
                only.report.pages = 1;
                Ok(Some(part))
            }
        }
    }

    /// Tells what the part that came last links to, as absolute URLs. Only a crawl goes on with them.
    pub fn found<'l>(&mut self, links: impl IntoIterator<Item = &'l str>) {
        if let State::Site(crawler) = &mut self.0 {
            crawler.found(links);
        }
    }

    /// What came of it so far.
    pub const fn report(&self) -> &Report {
        match &self.0 {
            State::One(only) => &only.report,
            State::Site(crawler) => crawler.report(),
        }
    }
}

fn fetcher(reach: &Reach, bounds: &Bounds) -> Fetcher {
    Fetcher { outbound: reach.outbound.clone(), clock: reach.clock.clone(), bounds: bounds.clone() }
}

async fn one(reach: &Reach, bounds: &Bounds, named: Named) -> Result<Part, Unfetched> {
    match named {
        Named::Text { text, media_type } => {
            if text.len() as u64 > bounds.document_bytes_max {
                return Err(Unfetched::too_large("the text", bounds.document_bytes_max));
            }
            let mut spool = Spool::new().await?;
            spool.add(text.as_bytes()).await?;
            let file = spool.finish().await?;
            // It came as JSON, whatever it once was.
            let essence = media_type.as_deref().unwrap_or("text/plain").split(';').next().unwrap_or_default().trim();
            let media_type = Some(format!("{essence}; charset=utf-8"));
            Ok(Part { file: file.path, bytes: file.bytes, media_type, source: None, title: None })
        }
        Named::Object { key, media_type } => {
            let (file, said) = object::fetch(reach, &key, bounds.document_bytes_max).await?;
            let title = key.rsplit('/').next().map(str::to_owned);
            Ok(Part { file: file.path, bytes: file.bytes, media_type: Some(media_type.unwrap_or(said)), source: Some(key), title })
        }
        Named::Url { url, media_type } => page(&fetcher(reach, bounds), &url, media_type).await,
        Named::Site { .. } => unreachable!("a site is read by its crawler"),
    }
}

/// One page, as its user asked for it: what it says that it is counts where the user did not say.
async fn page(fetcher: &Fetcher, url: &str, known: Option<String>) -> Result<Part, Unfetched> {
    let taking = Taking { bytes_max: fetcher.bounds.document_bytes_max, cuts: false, is_document: known.is_none() };
    let Fetched { url, media_type, file } = fetcher.follow(&fetcher.url(url)?, taking).await?;
    let title = place::name(url.path());
    Ok(Part { file: file.path, bytes: file.bytes, media_type: known.or(media_type), source: Some(url.into()), title })
}
