//! The code of `embedding.reindex`: begin the next generation, or go on with it, bring over what it lacks, and switch.

use super::{Payload, Report, contract};
use crate::{
    contract::Contract,
    embedding::{
        Text,
        fill::{By, Filling, away},
    },
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    search::{
        Generation, Index, Model, Settings, lexical,
        store::{Begun, Place, Put, SearchStore, Switched},
    },
};

/// How many documents are asked for at once.
const DOCUMENTS_AT_ONCE: u32 = 100;
/// How often a chunk that is known no more is had embedded again, of one document.
const AGAIN_MAX: u32 = 3;
/// A text by which a model shows how many dimensions it has.
const PROBE: &str = "windrow";

/// The handler.
pub struct Reindex {
    services: Services,
}

impl Reindex {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }

    fn store(&self) -> &dyn SearchStore {
        self.services.search.as_ref()
    }

    async fn reindex(&self, context: &Context, payload: &Payload) -> Result<Outcome, Outcome> {
        let index = self.index(context, payload).await?;
        let by = By::open(&self.services, context, payload.connection.as_deref()).await?;
        let store = self.store();
        let mut filling = Filling::new(context, &self.services, &by);
        let model = self.model(&mut filling, &index, payload).await?;
        let report = |documents, tokens| Report {
            index: payload.index.clone(),
            model: model.name.clone(),
            dimension: model.dimension,
            documents,
            tokens,
        };
        let chunking = index.current.settings.chunking;
        let settings = Settings { connection: payload.connection.clone(), model: model.clone(), chunking };
        let Some(next) = self.begin(context, payload, &settings).await? else {
            return Ok(Outcome::done(&report(0, filling.tokens)));
        };
        let place = Place { tenant: context.tenant.clone(), index: index.name.clone(), generation: next.number };
        let mut documents = 0;
        loop {
            let behind = store.behind(&place, DOCUMENTS_AT_ONCE).await.map_err(|error| away(&error))?;
            for (id, _) in &behind {
                documents += u64::from(self.bring(&mut filling, &place, &model, id).await?);
                context.progress(0, format!("{documents} documents are brought over"));
            }
            if !behind.is_empty() {
                continue;
            }
            filling.may_go_on()?;
            match store.switch(&place).await.map_err(|error| away(&error))? {
                Switched::Done => return Ok(Outcome::done(&report(documents, filling.tokens))),
                Switched::Behind => {}
                Switched::Moved => return Err(given_up(payload)),
            }
        }
    }

    async fn index(&self, context: &Context, payload: &Payload) -> Result<Index, Outcome> {
        let index = self.store().index(&context.tenant, &payload.index).await.map_err(|error| away(&error))?;
        index.ok_or_else(|| unknown(payload))
    }

    /// The model, with its dimension: one that is made with it already says it, another is asked.
    async fn model(&self, filling: &mut Filling<'_>, index: &Index, payload: &Payload) -> Result<Model, Outcome> {
        let By::Provider(provider) = filling.by else { return Ok(lexical::model()) };
        let name = provider.client.model();
        let is_this =
            |generation: &&Generation| generation.settings.connection == payload.connection && generation.settings.model.name == name;
        if let Some(generation) = index.next.iter().find(is_this) {
            return Ok(generation.settings.model.clone());
        }
        let text = Text::uncounted(PROBE);
        filling.spend(text.tokens_supposed()).await?;
        let made = filling.ask(provider, &[text], None).await?;
        let dimension = made.vectors.first().map_or(0, Vec::len);
        Ok(Model { name: name.to_owned(), dimension: u16::try_from(dimension).unwrap_or(u16::MAX) })
    }

    /// The generation that is made; none where the index is as it is to be.
    async fn begin(&self, context: &Context, payload: &Payload, settings: &Settings) -> Result<Option<Generation>, Outcome> {
        let begun = async || self.store().begin_generation(&context.tenant, &payload.index, settings).await.map_err(|error| away(&error));
        let mut first = begun().await?;
        if first == Begun::Busy && payload.instead {
            if let Some(other) = self.index(context, payload).await?.next {
                let place = Place { tenant: context.tenant.clone(), index: payload.index.clone(), generation: other.number };
                self.store().give_up(&place).await.map_err(|error| away(&error))?;
            }
            first = begun().await?;
        }
        match first {
            Begun::Next(generation) => Ok(Some(generation)),
            Begun::Same => Ok(None),
            Begun::Busy => {
                let message = format!("another job makes the index {} anew with another model", payload.index);
                Err(Outcome::retry("reindex_running", message))
            }
            Begun::Unknown => Err(unknown(payload)),
        }
    }

    /// Brings one document over, as it is; false where it is there no more.
    async fn bring(&self, filling: &mut Filling<'_>, place: &Place, model: &Model, id: &str) -> Result<bool, Outcome> {
        for _ in 0..AGAIN_MAX {
            filling.may_go_on()?;
            let document = self.store().document(&place.tenant, &place.index, id).await.map_err(|error| away(&error))?;
            let Some(document) = document else { return Ok(false) };
            filling.fill(place, model, &document.chunks).await?;
            match self.store().put_document(place, &document).await.map_err(|error| away(&error))? {
                Put::Stored { .. } | Put::Older => return Ok(true),
                Put::Missing(_) => {}
                Put::Moved => {
                    return Err(Outcome::bury("reindex_given_up", format!("the index {} is no longer made anew by this job", place.index)));
                }
            }
        }
        Err(Outcome::retry("search_unavailable", format!("vectors of the document {id} are not kept")))
    }
}

fn unknown(payload: &Payload) -> Outcome {
    Outcome::bury("index_unknown", format!("there is no index {}", payload.index))
}

fn given_up(payload: &Payload) -> Outcome {
    Outcome::bury("reindex_given_up", format!("the index {} is no longer made anew by this job", payload.index))
}

impl Handler for Reindex {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.reindex(&context, &payload).await.unwrap_or_else(|outcome| outcome))
    }
}
