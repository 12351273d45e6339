//! The code of `embedding.ingest`: open the index, read and cut the document, have its chunks have vectors, and put it in its place.
//!
//! Where the index is switched to another model meanwhile, it begins again with that one.

use tokio::time::Instant;

use super::{Payload, Report, contract, source};
use crate::{
    contract::Contract,
    embedding::fill::{By, Filling, SPELL, away},
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    search::{
        Chunking, Document, Index, Settings, lexical,
        store::{Place, Put},
    },
};

/// How often it begins again within an attempt.
const AGAIN_MAX: u32 = 5;

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
        let (until, mut tokens) = (Instant::now() + SPELL, 0);
        for _ in 0..AGAIN_MAX {
            let index = self.index(context, payload).await?;
            let by = By::of_index(&self.services, context, &index).await?;
            let document = self.document(context, payload, index.current.settings.chunking).await?;
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
            };
            if !context.lease.valid() {
                return Err(Outcome::retry("lease_lost", "the attempt is not sure to be the only one any more"));
            }
            match store.put_document(&place, &document).await.map_err(|error| away(&error))? {
                Put::Stored { added, kept, removed } => return Ok(Outcome::done(&report(added, kept, removed, false))),
                Put::Older => return Ok(Outcome::done(&report(0, 0, 0, true))),
                // A chunk that was known is known no more, as the document that had it is gone; or the index was switched.
                Put::Missing(_) | Put::Moved => {}
            }
        }
        Err(Outcome::retry("index_moved", format!("the index {} was switched or removed again and again meanwhile", payload.index)))
    }

    async fn index(&self, context: &Context, payload: &Payload) -> Result<Index, Outcome> {
        let lexical = Settings { connection: None, model: lexical::model(), chunking: Chunking::default() };
        let index = self.services.search.open_index(&context.tenant, &payload.index, &lexical).await;
        index.map_err(|error| away(&error))
    }

    async fn document(&self, context: &Context, payload: &Payload, chunking: Chunking) -> Result<Document, Outcome> {
        let read = source::read(&self.services.texts, payload, chunking).await?;
        Ok(Document {
            id: payload.document_id.clone(),
            version: context.job,
            title: payload.title.clone().or(read.title),
            metadata: payload.metadata.clone(),
            chunks: read.chunks,
        })
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
