//! The code of `embedding.ingest`: open the index, read and cut the document, have its chunks have vectors, and put it in its place.
//!
//! Where the index is switched to another model meanwhile, it begins again with that one.

use std::time::Duration;

use tokio::time::Instant;

use super::{Pages, Payload, Report, contract, read::read};
use crate::{
    contract::Contract,
    embedding::fill::{By, Filling, away},
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    search::{
        Chunking, Document, Index, Settings, lexical,
        store::{Place, Put},
    },
};

/// How long an attempt asks a provider before it gives its slot to others: longer than other kinds, as what is fetched would be fetched again.
const SPELL: Duration = Duration::from_secs(1_800);
/// How often it begins again within an attempt.
const AGAIN_MAX: u32 = 5;

/// What is told of how a document was read.
struct Seen {
    pages_unread: u32,
    pages: Option<Pages>,
}

/// The handler.
pub struct Ingest {
    services: Services,
}

impl Ingest {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }

    async fn ingest(&self, context: &Context, payload: &Payload) -> Result<Outcome, Outcome> {
        let (mut tokens, mut read_before) = (0, None);
        for time in 0..AGAIN_MAX {
            let index = if time == 0 { self.open(context, payload).await? } else { self.still(context, payload).await? };
            let by = By::of_index(&self.services, context, &index).await?;
            let chunking = index.current.settings.chunking;
            let (document, seen) = match read_before.take() {
                Some((by, document, seen)) if by == chunking => (document, seen),
                _ => self.document(context, payload, chunking).await?,
            };
            // Reading has the policy's time; what is paid for has a part of it.
            let until = Instant::now() + SPELL;
            let place = Place { tenant: context.tenant.clone(), index: index.name.clone(), generation: index.current.number };
            let model = &index.current.settings.model;
            let store = self.services.search.as_ref();
            let mut filling = Filling::new(context, &self.services, &by);
            (filling.until, filling.tokens) = (until, tokens);
            filling.fill(&place, model, &document.chunks).await?;
            tokens = filling.tokens;
            let chunks = u32::try_from(document.chunks.len()).unwrap_or(u32::MAX);
            let report = |added, kept, removed, superseded| Report {
                index: payload.index.clone(),
                document_id: payload.document_id.clone(),
                chunks,
                added,
                kept,
                removed,
                tokens,
                model: model.name.clone(),
                superseded,
                pages_unread: seen.pages_unread,
                pages: seen.pages.clone(),
            };
            if !context.lease.valid() {
                return Err(Outcome::retry("lease_lost", "the attempt is not sure to be the only one any more"));
            }
            match store.put_document(&place, &document).await.map_err(|error| away(&error))? {
                Put::Stored { added, kept, removed } => return Ok(Outcome::done(&report(added, kept, removed, false))),
                Put::Older => return Ok(Outcome::done(&report(0, 0, 0, true))),
                // A chunk that was known is known no more, as the document that had it is gone; or the index was switched.
                Put::Missing(_) | Put::Moved => read_before = Some((chunking, document, seen)),
            }
        }
        Err(Outcome::retry("index_moved", format!("the index {} was switched again and again meanwhile", payload.index)))
    }

    async fn document(&self, context: &Context, payload: &Payload, chunking: Chunking) -> Result<(Document, Seen), Outcome> {
        let content = read(&self.services, context, payload, chunking).await?;
        let document = Document {
            id: payload.document_id.clone(),
            version: context.job,
            title: payload.title.clone().or(content.title),
            metadata: payload.metadata.clone(),
            chunks: content.chunks,
        };
        Ok((document, Seen { pages_unread: content.pages_unread, pages: content.pages }))
    }

    async fn open(&self, context: &Context, payload: &Payload) -> Result<Index, Outcome> {
        let lexical = Settings { connection: None, model: lexical::model(), chunking: Chunking::default() };
        let index = self.services.search.open_index(&context.tenant, &payload.index, &lexical).await;
        index.map_err(|error| away(&error))
    }

    /// The index that was open: one that was removed meanwhile is not made again.
    async fn still(&self, context: &Context, payload: &Payload) -> Result<Index, Outcome> {
        let index = self.services.search.index(&context.tenant, &payload.index).await.map_err(|error| away(&error))?;
        index.ok_or_else(|| Outcome::bury("index_removed", format!("the index {} was removed while the document was read", payload.index)))
    }
}

impl Handler for Ingest {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.ingest(&context, &payload).await.unwrap_or_else(|outcome| outcome))
    }
}
