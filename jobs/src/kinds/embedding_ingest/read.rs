//! Has what a payload names read: its parts, one after the other, by processes of their own, into the chunks of one document.

use super::{
    Pages, Payload, Sitemap, Skipped,
    source::{self, Bounds, Named, Part, Reach, Reading, Sitemaps},
};
use crate::{
    handler::{Context, Outcome},
    kinds::Services,
    search::{CHUNKS_MAX, Chunk, ChunkHash, Chunking},
    text::{Asked, Read, Unread},
};

/// How many pages that were left out are told.
const TOLD_MAX: usize = 20;

/// A document, read.
pub(super) struct Content {
    /// What it calls itself.
    pub title: Option<String>,
    /// Its chunks, in their order.
    pub chunks: Vec<Chunk>,
    /// Pages of PDFs that could not be read.
    pub pages_unread: u32,
    /// What a crawl came to.
    pub pages: Option<Pages>,
}

/// Reads what the payload names.
pub(super) async fn read(services: &Services, context: &Context, payload: &Payload, chunking: Chunking) -> Result<Content, Outcome> {
    tokio::select! {
        content = all(services, context, payload, chunking) => content,
        () = context.cancel.cancelled() => Err(Outcome::Cancel),
    }
}

async fn all(services: &Services, context: &Context, payload: &Payload, chunking: Chunking) -> Result<Content, Outcome> {
    let is_site = payload.crawl.is_some();
    let mut reading = Reading::of(Reach::of(services, context), named(payload), Bounds::default())?;
    let mut content = Content { title: None, chunks: Vec::new(), pages_unread: 0, pages: None };
    let mut unread = Vec::new();
    while let Some(part) = reading.next().await? {
        match one(services, &part, chunking).await {
            Ok(read) => {
                reading.found(read.links.iter().map(String::as_str));
                let title = read.title.or_else(|| part.title.clone());
                let below = title.as_deref().filter(|_| is_site);
                content.chunks.extend(read.chunks.into_iter().map(|chunk| under(chunk, below)));
                content.title = content.title.or(title);
                content.pages_unread = content.pages_unread.saturating_add(read.pages_unread);
            }
            // A page that is not one, among others that are.
            Err(error) if is_site && error.code().is_some() => {
                if let Unread::Empty { links, .. } = &error {
                    reading.found(links.iter().map(String::as_str));
                }
                let source = part.source.clone().unwrap_or_default();
                context.warn(format!("{source} is left out: {error}"));
                unread.push(Skipped { source, code: error.code().unwrap_or_default().into(), message: error.to_string() });
            }
            Err(error) => return Err(unreadable(&error)),
        }
        if content.chunks.len() > CHUNKS_MAX {
            return Err(Outcome::bury("document_too_large", format!("its pages make more than {CHUNKS_MAX} chunks")));
        }
        if is_site {
            context.progress(0, format!("{} pages are read", reading.report().pages));
        }
    }
    if content.chunks.is_empty() {
        return Err(Outcome::bury("document_empty", "no page has a text"));
    }
    content.pages = is_site.then(|| pages(reading.report(), unread));
    Ok(content)
}

/// A chunk of a page below that page's title: the document's own is that of another page.
fn under(mut chunk: Chunk, title: Option<&str>) -> Chunk {
    if let Some(title) = title.filter(|title| chunk.heading.first().is_none_or(|first| first != title)) {
        chunk.heading.insert(0, title.to_owned());
        chunk.hash = ChunkHash::of(&Chunk::embedded(&chunk.heading, &chunk.text));
    }
    chunk
}

fn pages(report: &source::Report, mut told: Vec<Skipped>) -> Pages {
    let unread = u32::try_from(told.len()).unwrap_or(u32::MAX);
    let skipped = |page: &source::Skipped| Skipped { source: page.source.clone(), code: page.code.into(), message: page.message.clone() };
    told.extend(report.told.iter().map(skipped));
    told.truncate(TOLD_MAX);
    Pages { read: report.pages.saturating_sub(unread), skipped: report.skipped.saturating_add(unread), is_cut: report.is_cut, told }
}

fn named(payload: &Payload) -> Named {
    let media_type = payload.media_type.clone();
    if let Some(key) = payload.object.clone() {
        return Named::Object { key, media_type };
    }
    let Some(url) = payload.url.clone() else {
        return Named::Text { text: payload.text.clone().unwrap_or_default(), media_type };
    };
    let Some(crawl) = &payload.crawl else { return Named::Url { url, media_type } };
    let sitemap = match &crawl.sitemap {
        Sitemap::OfSite(false) => Sitemaps::Unread,
        Sitemap::OfSite(true) => Sitemaps::Found,
        Sitemap::At(url) => Sitemaps::At(url.clone()),
    };
    let crawl = source::Crawl { depth: crawl.depth, pages_max: crawl.pages_max, same_host: crawl.same_host, sitemap };
    Named::Site { url, crawl }
}

async fn one(services: &Services, part: &Part, chunking: Chunking) -> Result<Read, Unread> {
    let (media_type, source) = (part.media_type.clone(), part.source.clone());
    services.texts.chunks(Asked { media_type, bytes: part.path().to_owned(), source, chunking }).await
}

fn unreadable(unread: &Unread) -> Outcome {
    match unread.code() {
        Some(code) => Outcome::bury(code, unread.to_string()),
        None => Outcome::retry("document_not_read", unread.to_string()),
    }
}
