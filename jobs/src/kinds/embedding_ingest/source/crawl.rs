//! A crawl: the pages of a site from its start on, level by level and in a level by their URLs, so that the same site makes the same document.
//!
//! It ends whatever it meets: at so many pages, so deep, so many bytes and requests, after so long; a page that was read, or says what another said, is not
//! read again. It reads what `robots.txt` allows (RFC 9309) and goes as slowly as that asks for. A page that cannot be read is left out and
//! told of; where too many might be there another time, the crawl is for another time. Links are told to it by whoever reads the pages.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Crawl, Part, Report, Sitemaps, Skipped,
    fetch::{Fetched, Fetcher, Hop, REDIRECTS_MAX, Taking, Unfetched, too_often},
    place::{name, normal, page, shown},
    robots::{AGENT, ROBOTS_BYTES_MAX, Robots},
    sitemap::{self, Sitemap},
    unpack::{self, GZIP_MAGIC},
};
use crate::outbound::Url;

/// The most pages that wait to be read: of more those are kept that come first.
const WAITING_MAX: usize = 10_000;
/// The most sitemaps that are read; an index may list 50,000.
const SITEMAPS_MAX: usize = 20;
/// The largest sitemap, unpacked. By its protocol one may have 50 MB, which is 50,000 URLs of a kilobyte.
const SITEMAP_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The most hosts of a crawl, where it may leave the first: each is asked for its rules.
const SITES_MAX: usize = 50;
/// The most requests, beside those for each page: what is no page costs some too.
const REQUESTS_BESIDE: u32 = 20;
const REQUESTS_PER_PAGE: u32 = 4;
/// What was left out is told of so many.
const SKIPPED_TOLD: usize = 50;

/// A crawl under way.
pub(super) struct Crawler {
    fetcher: Fetcher,
    asked: Crawl,
    /// No page is begun after it.
    until: Instant,
    start: Url,
    /// Where the start is, redirects followed; none before it was read.
    home: Option<Url>,
    /// Pages of this level that are still to be read.
    level: BTreeSet<String>,
    /// Those of the next.
    beyond: BTreeSet<String>,
    depth: u8,
    /// What was asked for.
    known: HashSet<String>,
    /// What pages had, by hash.
    contents: HashSet<[u8; 32]>,
    sites: HashMap<String, Site>,
    bytes: u64,
    requests: u32,
    lost: u32,
    report: Report,
}

/// What one host says to us.
struct Site {
    robots: Result<Robots, Unfetched>,
    /// It is not asked before.
    next_at: Instant,
}

impl Crawler {
    pub fn new(fetcher: Fetcher, start: Url, asked: Crawl) -> Self {
        let until = Instant::now() + Duration::from_millis(fetcher.bounds.crawl_ms);
        Self {
            fetcher,
            asked,
            until,
            start: normal(start),
            home: None,
            level: BTreeSet::new(),
            beyond: BTreeSet::new(),
            depth: 0,
            known: HashSet::new(),
            contents: HashSet::new(),
            sites: HashMap::new(),
            bytes: 0,
            requests: 0,
            lost: 0,
            report: Report::default(),
        }
    }

    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The next page; none at the end. The first is the start, and without it there is nothing.
    pub async fn next(&mut self) -> Result<Option<Part>, Unfetched> {
        if self.home.is_none() {
            let start = self.start.clone();
            let part = self.page(start).await?.ok_or_else(|| too_often(&self.start))?;
            self.list().await?;
            return Ok(Some(part));
        }
        while let Some(url) = self.take() {
            match self.page(url.clone()).await {
                Ok(Some(part)) => return Ok(Some(part)),
                Ok(None) => {}
                Err(unfetched) => self.skip(&url, unfetched)?,
            }
        }
        Ok(None)
    }

    /// What the page that came last links to.
    pub fn found<'l>(&mut self, links: impl IntoIterator<Item = &'l str>) {
        let Some(home) = self.home.clone().filter(|_| self.depth < self.asked.depth) else { return };
        for link in links {
            if let Some(url) = page(link, &home).filter(|url| self.is_home(url)) {
                let url = String::from(url);
                if !self.known.contains(&url) && !self.level.contains(&url) {
                    wait_for(&mut self.beyond, url, &mut self.report);
                }
            }
        }
    }

    /// The next URL, as long as there is room for its page.
    fn take(&mut self) -> Option<Url> {
        loop {
            if self.level.is_empty() {
                self.level = std::mem::take(&mut self.beyond);
                self.depth = self.depth.saturating_add(1);
            }
            let url = self.level.first()?;
            let requests_max = self.asked.pages_max.saturating_mul(REQUESTS_PER_PAGE).saturating_add(REQUESTS_BESIDE);
            let is_full = self.report.pages >= self.asked.pages_max
                || self.bytes >= self.fetcher.bounds.crawl_bytes_max
                || self.requests >= requests_max
                || Instant::now() >= self.until;
            if is_full && !self.known.contains(url) {
                self.report.is_cut = true;
                return None;
            }
            let url = self.level.pop_first()?;
            if !self.known.contains(&url) {
                return url.parse().ok();
            }
        }
    }

    /// The page at `url`, or wherever redirects lead to; none of one that was read already.
    async fn page(&mut self, url: Url) -> Result<Option<Part>, Unfetched> {
        let taking = Taking { bytes_max: self.fetcher.bounds.document_bytes_max, cuts: false, is_document: true };
        let mut at = url;
        for _ in 0..=REDIRECTS_MAX {
            if !self.known.insert(at.as_str().to_owned()) {
                return Ok(None);
            }
            self.admit(&at).await?;
            self.requests += 1;
            let hop = self.fetcher.hop(&at, taking).await;
            match hop.inspect_err(|unfetched| self.bytes += unfetched.read_bytes)? {
                Hop::Here(fetched) => return Ok(self.part(fetched)),
                Hop::Elsewhere(to) => {
                    let to = normal(to);
                    if !self.is_home(&to) {
                        let message = format!("{} sends us on to {}, which is another host", shown(&at), to.host_str().unwrap_or_default());
                        return Err(Unfetched::never("redirected_elsewhere", message));
                    }
                    at = to;
                }
            }
        }
        Err(too_often(&at))
    }

    fn part(&mut self, fetched: Fetched) -> Option<Part> {
        let Fetched { url, media_type, file } = fetched;
        self.bytes += file.bytes;
        self.home.get_or_insert_with(|| url.clone());
        if !self.contents.insert(file.hash) {
            return None;
        }
        self.report.pages += 1;
        Some(Part { file: file.path, bytes: file.bytes, media_type, title: name(url.path()), source: Some(url.into()) })
    }

    /// Whether a page is one of this crawl's.
    fn is_home(&self, url: &Url) -> bool {
        !self.asked.same_host || self.home.as_ref().is_none_or(|home| home.origin() == url.origin())
    }

    /// Leaves a page out, or ends the crawl for now: where a server is busy, or too many pages are lost that may be there another time.
    fn skip(&mut self, url: &Url, unfetched: Unfetched) -> Result<(), Unfetched> {
        if unfetched.may_pass {
            self.lost += 1;
            if unfetched.code == "source_busy" || self.lost > self.fetcher.bounds.lost_max {
                return Err(unfetched);
            }
        }
        self.report.skipped += 1;
        if self.report.told.len() < SKIPPED_TOLD {
            self.report.told.push(Skipped { source: url.as_str().to_owned(), code: unfetched.code, message: unfetched.message });
        }
        Ok(())
    }

    /// Waits for our turn at a host, if it lets us read this at all.
    async fn admit(&mut self, url: &Url) -> Result<(), Unfetched> {
        let (between, longest) = (self.fetcher.bounds.between_pages, self.fetcher.bounds.crawl_delay_max);
        let site = self.site(url).await?;
        let robots = site.robots.as_ref().map_err(Clone::clone)?;
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        if !robots.allows(&format!("{}{query}", url.path())) {
            return Err(Unfetched::never("robots_forbidden", format!("the site's robots.txt does not let us read {}", shown(url))));
        }
        let delay = robots.delay.unwrap_or(Duration::ZERO).min(longest).max(between);
        let at = site.next_at.max(Instant::now());
        site.next_at = at + delay;
        tokio::time::sleep_until(at).await;
        Ok(())
    }

    async fn site(&mut self, url: &Url) -> Result<&mut Site, Unfetched> {
        let origin = url.origin().ascii_serialization();
        if !self.sites.contains_key(&origin) {
            if self.sites.len() >= SITES_MAX {
                return Err(Unfetched::never("crawl_too_wide", format!("{} would be one host more than {SITES_MAX}", shown(url))));
            }
            let robots = self.robots(url).await;
            self.sites.insert(origin.clone(), Site { robots, next_at: Instant::now() });
        }
        Ok(self.sites.get_mut(&origin).expect("it was just put there"))
    }

    /// What a site lets us read (2.3.1): all, where it says that there is no such file; nothing for now, where it cannot say.
    async fn robots(&self, url: &Url) -> Result<Robots, Unfetched> {
        let file = url.join("/robots.txt").map_err(|error| Unfetched::never("url_invalid", error.to_string()))?;
        let taking = Taking { bytes_max: ROBOTS_BYTES_MAX, cuts: true, is_document: false };
        match self.fetcher.follow(&file, taking).await {
            Ok(fetched) => Ok(Robots::read(&fetched.file.read().await?, AGENT)),
            Err(unfetched) if unfetched.may_pass => {
                let message = format!("what the site lets us read is not known: {}", unfetched.message);
                Err(Unfetched { code: "robots_unreachable", message, ..unfetched })
            }
            Err(unfetched) if unfetched.status.is_some() => Ok(Robots::default()),
            Err(unfetched) if matches!(unfetched.code, "document_empty" | "redirected_too_often") => Ok(Robots::default()),
            Err(unfetched) => Err(unfetched),
        }
    }

    /// Reads the sitemaps: what they list is of the first level, beside the start.
    async fn list(&mut self) -> Result<(), Unfetched> {
        let home = self.home.clone().expect("the start was read");
        let (mut waiting, is_named) = match &self.asked.sitemap {
            Sitemaps::Unread => return Ok(()),
            Sitemaps::At(url) => (VecDeque::from([(self.fetcher.url(url)?, false)]), true),
            Sitemaps::Found => {
                let named = self.site(&home).await?.robots.as_ref().map_or_else(|_| Vec::new(), |robots| robots.sitemaps.clone());
                let mut named: VecDeque<_> = named.iter().filter_map(|url| Some((home.join(url).ok()?, false))).collect();
                let has_named = !named.is_empty();
                named.extend((!has_named).then(|| home.join("/sitemap.xml").ok()).flatten().map(|url| (url, false)));
                (named, false)
            }
        };
        let (mut seen, mut reads) = (HashSet::new(), 0);
        while let Some((url, is_inner)) = waiting.pop_front() {
            if !seen.insert(url.clone()) {
                continue;
            }
            if reads >= SITEMAPS_MAX {
                self.report.is_cut = true;
                break;
            }
            reads += 1;
            match self.sitemap(&url).await {
                Ok(Sitemap { is_index: true, .. }) if is_inner => {
                    self.skip(&url, unreadable(&url, "an index lists it, and it is one as well"))?;
                }
                Ok(Sitemap { is_index: true, locations }) => {
                    waiting.extend(locations.iter().filter_map(|url| Some((normal(url.parse().ok()?), true))));
                }
                Ok(Sitemap { locations, .. }) => {
                    let pages = locations.iter().filter_map(|link| page(link, &home)).filter(|url| self.is_home(url)).map(String::from);
                    for url in pages.filter(|url| !self.known.contains(url)).collect::<Vec<_>>() {
                        wait_for(&mut self.level, url, &mut self.report);
                    }
                }
                // Without it pages would vanish that are there.
                Err(unfetched) if unfetched.may_pass || (is_named && !is_inner) => return Err(unfetched),
                // It was a guess.
                Err(unfetched) if unfetched.status.is_some() && !is_inner => {}
                Err(unfetched) => self.skip(&url, unfetched)?,
            }
        }
        Ok(())
    }

    async fn sitemap(&self, url: &Url) -> Result<Sitemap, Unfetched> {
        let taking = Taking { bytes_max: SITEMAP_BYTES_MAX, cuts: false, is_document: false };
        let mut bytes = self.fetcher.follow(url, taking).await?.file.read().await?;
        // Files of that sort lie packed, which is no coding of their way here.
        if bytes.starts_with(&GZIP_MAGIC) {
            bytes = unpack::whole(&bytes, SITEMAP_BYTES_MAX).map_err(|stopped| match stopped {
                unpack::Stopped::Full => Unfetched::too_large(&shown(url), SITEMAP_BYTES_MAX),
                unpack::Stopped::Broken(why) => unreadable(url, &why),
            })?;
        }
        let read = tokio::task::spawn_blocking(move || sitemap::read(&bytes, WAITING_MAX)).await;
        read.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| unreadable(url, &why))
    }
}

fn unreadable(url: &Url, why: &str) -> Unfetched {
    Unfetched::never("sitemap_unreadable", format!("the sitemap {} cannot be read: {why}", shown(url)))
}

/// Puts a page among those that wait. Where they are too many the last is left out, whoever came first.
fn wait_for(waiting: &mut BTreeSet<String>, url: String, report: &mut Report) {
    waiting.insert(url);
    if waiting.len() > WAITING_MAX {
        waiting.pop_last();
        report.is_cut = true;
    }
}
