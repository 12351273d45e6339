//! Sees to it that every chunk of a document has a vector in the store: looks for those that are there, has the others made, and keeps them at
//! once, so that a job that was killed pays for nothing again that was kept.
//!
//! Making a vector is no effect (docs/effects.md): it costs money, but changes nothing at the provider.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    openai::{OpenAi, Unembedded},
    request::{BYTES_PER_TOKEN, TEXT_TOKENS_MAX, Text},
};
use crate::{
    connection::{Opened, Used, catalog::openai::NAME},
    handler::{Context, Outcome},
    kinds::Services,
    ledger,
    notification::phone::{closed, unsent, use_of},
    search::{
        Chunk, ChunkHash, Index, Model, lexical,
        store::{Place, SearchStore, Spent, said, unknown},
    },
};

/// How long an attempt asks before it gives its slot to others and comes back, uncharged: before the policy's time is over.
pub const SPELL: Duration = Duration::from_secs(600);
/// After how long it comes back.
const REST: Duration = Duration::from_secs(1);
/// How many vectors the lexical model makes before they are kept.
const LEXICAL_AT_ONCE: usize = 500;
/// How many hashes are looked for at once.
const HASHES_AT_ONCE: usize = 1_000;
/// How often keeping is tried again while the store is away.
const KEEP_AGAIN: Duration = Duration::from_millis(500);

/// What makes vectors.
pub enum By {
    /// The model in this process.
    Lexical,
    /// A provider.
    Provider(Box<Provider>),
}

/// A provider, as a connection opens it.
pub struct Provider {
    /// It.
    pub client: OpenAi,
    /// The connection.
    pub opened: Opened,
}

impl By {
    /// What this connection leads to; the lexical model without one. The outcome is the attempt's, where that cannot be.
    pub async fn open(services: &Services, context: &Context, connection: Option<&str>) -> Result<Self, Outcome> {
        let Some(connection) = connection else { return Ok(Self::Lexical) };
        let opened = context.connection(connection, &[NAME]).await.map_err(|error| closed(&error))?;
        let client = OpenAi::of(&services.outbound, &opened).map_err(|error| unsent(&error))?;
        Ok(Self::Provider(Box::new(Provider { client, opened })))
    }

    /// What makes the vectors of this index, as long as it is the model of its vectors.
    pub async fn of_index(services: &Services, context: &Context, index: &Index) -> Result<Self, Outcome> {
        let settings = &index.current.settings;
        let by = Self::open(services, context, settings.connection.as_deref()).await?;
        if by.model() == settings.model.name {
            return Ok(by);
        }
        let (now, then) = (by.model(), &settings.model.name);
        let name = &index.name;
        Err(Outcome::bury("model_other", format!("the index {name} has vectors of {then}, and its connection now names {now}: reindex it")))
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        match self {
            Self::Lexical => lexical::NAME,
            Self::Provider(provider) => provider.client.model(),
        }
    }
}

/// An attempt that fills the store.
pub struct Filling<'a> {
    /// Whose attempt.
    pub context: &'a Context,
    /// What it needs.
    pub services: &'a Services,
    /// The store.
    pub store: &'a dyn SearchStore,
    /// What makes the vectors.
    pub by: &'a By,
    /// When the attempt gives way.
    pub until: Instant,
    /// Tokens that were paid for, of this attempt.
    pub tokens: u64,
    /// Whether the connection is known to be good.
    is_let_in: bool,
    /// Whether it is known that this attempt got on.
    has_moved_on: bool,
}

/// The store is away, or cannot be opened: another time. What it refuses it refuses always.
pub fn away(error: &ledger::Error) -> Outcome {
    match error {
        ledger::Error::Refused(_) => Outcome::bury("search_refused", said(error)),
        _ => Outcome::retry("search_unavailable", said(error)),
    }
}

impl<'a> Filling<'a> {
    /// An attempt that begins now.
    pub fn new(context: &'a Context, services: &'a Services, by: &'a By) -> Self {
        let until = Instant::now() + SPELL;
        Self { context, services, store: services.search.as_ref(), by, until, tokens: 0, is_let_in: false, has_moved_on: false }
    }

    /// Has every one of these chunks have a vector at this place.
    pub async fn fill(&mut self, place: &Place, model: &Model, chunks: &[Chunk]) -> Result<(), Outcome> {
        let hashes: Vec<ChunkHash> = chunks.iter().map(|chunk| chunk.hash).collect();
        let mut known = Vec::new();
        for hashes in hashes.chunks(HASHES_AT_ONCE) {
            known.extend(self.store.known(place, hashes).await.map_err(|error| away(&error))?);
        }
        let missing = unknown(chunks, &known);
        if missing.is_empty() {
            return Ok(());
        }
        match self.by {
            By::Lexical => self.by_words(place, &missing).await,
            By::Provider(provider) => self.by_provider(provider, place, model, &missing).await,
        }
    }

    async fn by_words(&mut self, place: &Place, missing: &[&Chunk]) -> Result<(), Outcome> {
        for chunks in missing.chunks(LEXICAL_AT_ONCE) {
            self.may_go_on()?;
            let texts: Vec<(ChunkHash, String)> = chunks.iter().map(|chunk| (chunk.hash, embedded(chunk))).collect();
            let made = tokio::task::spawn_blocking(move || {
                texts.into_iter().map(|(hash, text)| (hash, lexical::embed(&text))).collect::<Vec<(ChunkHash, Vec<f32>)>>()
            });
            let vectors = made.await.map_err(|error| Outcome::retry("failed", error.to_string()))?;
            self.keep(place, &vectors).await?;
        }
        Ok(())
    }

    async fn by_provider(&mut self, provider: &Provider, place: &Place, model: &Model, missing: &[&Chunk]) -> Result<(), Outcome> {
        let words: Vec<String> = missing.iter().map(|chunk| embedded(chunk)).collect();
        let texts: Vec<Text<'_>> =
            missing.iter().zip(&words).map(|(chunk, text)| Text { text, tokens: tokens_at_most(chunk, text) }).collect();
        if let Some(text) = texts.iter().find(|text| text.tokens > TEXT_TOKENS_MAX) {
            let message = format!("a chunk has {} tokens with its headings, and a model takes {TEXT_TOKENS_MAX}", text.tokens);
            return Err(Outcome::bury("text_too_long", message));
        }
        let cuts = provider.client.cut(&texts, model.dimension);
        let total = texts.len();
        for range in cuts {
            let supposed: u64 = missing[range.clone()].iter().map(|chunk| tokens_supposed(chunk)).sum();
            self.spend(supposed).await?;
            let made = self.ask(provider, &texts[range.clone()], Some(model.dimension)).await?;
            let told = made.tokens.unwrap_or(supposed);
            self.tokens += told;
            if let Some(more) = told.checked_sub(supposed).filter(|more| *more > 0) {
                // They are paid for: they count, over the day's or not.
                self.store.spend(&self.context.tenant, more, None).await.map_err(|error| away(&error))?;
            }
            let hashes = missing[range.clone()].iter().map(|chunk| chunk.hash);
            let vectors: Vec<(ChunkHash, Vec<f32>)> = hashes.zip(made.vectors).collect();
            self.keep(place, &vectors).await?;
            let percent = u8::try_from(range.end * 100 / total).unwrap_or(100);
            self.context.progress(percent, format!("{} of {total} chunks have their vectors", range.end));
        }
        Ok(())
    }

    /// Asks for vectors of these texts, in its turn.
    pub async fn ask(
        &mut self,
        provider: &Provider,
        texts: &[Text<'_>],
        dimension: Option<u16>,
    ) -> Result<super::openai::Embedded, Outcome> {
        self.context.turn(&provider.opened).await?;
        self.may_go_on()?;
        let asked = tokio::select! {
            asked = provider.client.embed(texts, dimension, self.services.clock.now()) => asked,
            () = self.context.cancel.cancelled() => return Err(Outcome::Cancel),
        };
        match asked {
            Ok(made) => {
                if !std::mem::replace(&mut self.is_let_in, true) {
                    use_of(self.context, &provider.opened, Used::Well).await;
                }
                Ok(made)
            }
            Err(unembedded) => Err(self.refused(provider, unembedded).await),
        }
    }

    async fn refused(&self, provider: &Provider, unembedded: Unembedded) -> Outcome {
        if let Some(error) = unembedded.blames() {
            use_of(self.context, &provider.opened, Used::Refused(error)).await;
        }
        unembedded.into_outcome()
    }

    /// Counts tokens before they are paid for. Over the day's the job waits for the next, uncharged.
    pub async fn spend(&self, tokens: u64) -> Result<(), Outcome> {
        let max = self.services.embedding_tokens_per_day_max;
        match self.store.spend(&self.context.tenant, tokens, max).await.map_err(|error| away(&error))? {
            Spent::Counted => Ok(()),
            Spent::Over { until } => {
                let wait_ms = until.ms_since(self.services.clock.now()).max(0).unsigned_abs();
                let message = format!("waiting: the tokens that may be embedded in a day are used up, until {until}");
                self.context.warn(&message);
                self.context.progress(0, message);
                // Those who come back together would only meet again.
                let apart = Duration::from_millis(rand::random_range(1_000..60_000));
                Err(Outcome::Snooze(Duration::from_millis(wait_ms) + apart))
            }
        }
    }

    /// Keeps what was made, as long as the store and the lease allow.
    async fn keep(&mut self, place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> Result<(), Outcome> {
        while let Err(error) = self.store.stage(place, vectors).await {
            if !self.context.lease.valid() || self.context.cancel.is_cancelled() {
                return Err(away(&error));
            }
            tokio::time::sleep(KEEP_AGAIN).await;
        }
        if !std::mem::replace(&mut self.has_moved_on, true) {
            // What the attempts before cost is forgiven: this one got on.
            let noted = self.context.recorder.moved_on().await;
            noted.map_err(|error| Outcome::retry("ledger_unavailable", error.to_string()))?;
        }
        Ok(())
    }

    /// Asked before anything is paid for.
    pub fn may_go_on(&self) -> Result<(), Outcome> {
        if self.context.cancel.is_cancelled() {
            return Err(Outcome::Cancel);
        }
        if !self.context.lease.valid() {
            return Err(Outcome::retry("lease_lost", "the attempt is not sure to be the only one any more"));
        }
        if Instant::now() > self.until {
            return Err(Outcome::Snooze(REST));
        }
        Ok(())
    }
}

fn embedded(chunk: &Chunk) -> String {
    Chunk::embedded(&chunk.heading, &chunk.text)
}

/// No token is shorter than a byte; the text's own are counted.
fn tokens_at_most(chunk: &Chunk, embedded: &str) -> u32 {
    let more = u32::try_from(embedded.len() - chunk.text.len()).unwrap_or(u32::MAX);
    chunk.tokens.saturating_add(more)
}

fn tokens_supposed(chunk: &Chunk) -> u64 {
    let heading: usize = chunk.heading.iter().map(|heading| heading.len().div_ceil(BYTES_PER_TOKEN) + 1).sum();
    u64::from(chunk.tokens) + heading as u64
}
