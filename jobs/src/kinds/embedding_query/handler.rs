//! The code of `embedding.query`: one question to the provider.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Payload, Report, contract};
use crate::{
    contract::Contract,
    embedding::{
        Text,
        fill::{By, Filling},
    },
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
};

/// The handler.
pub struct EmbedQuery {
    services: Services,
}

impl EmbedQuery {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }

    async fn embed(&self, context: &Context, payload: &Payload) -> Result<Outcome, Outcome> {
        let by = By::open(&self.services, context, Some(&payload.connection)).await?;
        let By::Provider(provider) = &by else { return Err(Outcome::bury("connection_unknown", "there is no connection")) };
        let mut filling = Filling::new(context, &self.services, &by);
        let text = Text::uncounted(&payload.text);
        filling.spend(text.tokens_supposed()).await?;
        let made = filling.ask(provider, &[text], payload.dimension).await?;
        let vector = made.vectors.into_iter().next().unwrap_or_default();
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok(Outcome::done(&Report {
            model: by.model().to_owned(),
            dimension: u16::try_from(vector.len()).unwrap_or(u16::MAX),
            vector: STANDARD.encode(bytes),
            tokens: made.tokens.unwrap_or_else(|| text.tokens_supposed()),
        }))
    }
}

impl Handler for EmbedQuery {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(self.embed(&context, &payload).await.unwrap_or_else(|outcome| outcome))
    }
}
