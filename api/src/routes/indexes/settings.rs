//! What a body says of an index, and whether it is what the index has.

use serde::Deserialize;
use utoipa::ToSchema;
use windrow_jobs::{
    connection::Connection,
    search::{Chunking, Index, Model, Settings, TOKENS_MAX, TOKENS_MIN, lexical},
    tenant::TenantId,
};

use crate::{
    Api,
    embed::{Embedded, embed, model_of},
    error::ApiError,
};

/// A text by which a model shows how many dimensions it has.
const PROBE: &str = "windrow";

/// What an index is made with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexSettings {
    /// The connection, of the provider `openai`, by which texts are embedded; the lexical model where none is named.
    #[schema(min_length = 1, max_length = 63)]
    connection: Option<String>,
    /// The most tokens of a chunk.
    #[schema(minimum = 40, maximum = 2000, default = 400)]
    tokens_max: Option<u16>,
    /// The tokens that a chunk has in common with the one before: up to half of `tokens_max`, and a tenth unless said.
    #[schema(minimum = 0, maximum = 1000)]
    overlap_tokens: Option<u16>,
}

impl IndexSettings {
    /// How texts are to be cut.
    pub(super) fn chunking(&self) -> Result<Chunking, ApiError> {
        let tokens_max = self.tokens_max.unwrap_or_else(|| Chunking::default().tokens_max);
        if !(TOKENS_MIN..=TOKENS_MAX).contains(&tokens_max) {
            return Err(field("/tokens_max", format!("is {TOKENS_MIN} to {TOKENS_MAX}")));
        }
        let overlap_max = Chunking::overlap_max(tokens_max);
        let overlap_tokens = self.overlap_tokens.unwrap_or(tokens_max / 10);
        if overlap_tokens > overlap_max {
            return Err(field("/overlap_tokens", format!("is at most {overlap_max}, half of tokens_max")));
        }
        Ok(Chunking { tokens_max, overlap_tokens })
    }

    /// What a new index is made with. A provider is asked for a vector.
    pub(super) async fn settings(&self, api: &Api, tenant: &TenantId, chunking: Chunking) -> Result<Settings, ApiError> {
        let Some(name) = &self.connection else {
            return Ok(Settings { connection: None, model: lexical::model(), chunking });
        };
        let connection = self.look(api, tenant, name).await?;
        model_of(name, Some(&connection))?;
        let Embedded { model, vector } = embed(api, tenant, name, PROBE, None).await?;
        let dimension = u16::try_from(vector.len()).map_err(|_| ApiError::Internal)?;
        Ok(Settings { connection: Some(connection.name), model: Model { name: model, dimension }, chunking })
    }

    /// Refuses settings that are not the index's.
    pub(super) async fn check_same(&self, api: &Api, index: &Index, chunking: Chunking) -> Result<(), ApiError> {
        let Settings { connection, model, chunking: theirs } = &index.current.settings;
        let by = |connection: &Option<String>| match connection {
            Some(connection) => format!("by the connection {connection:?}"),
            None => format!("by {}", lexical::NAME),
        };
        if *connection != self.connection {
            return Err(ApiError::IndexExists(format!(
                "the index is embedded {}, not {}: a job of the kind embedding.reindex gives it another model",
                by(connection),
                by(&self.connection)
            )));
        }
        if *theirs != chunking {
            let Chunking { tokens_max, overlap_tokens } = theirs;
            return Err(ApiError::IndexExists(format!(
                "the index has chunks of {tokens_max} tokens that overlap by {overlap_tokens}: for others delete it, or make another, and \
                 bring its documents anew"
            )));
        }
        let Some(name) = connection else { return Ok(()) };
        let named = self.look(api, &index.tenant, name).await?;
        match named.facts.config["model"].as_str() {
            Some(other) if other != model.name => Err(ApiError::IndexExists(format!(
                "the index has vectors of {}, and its connection now names {other}: a job of the kind embedding.reindex gives it that model",
                model.name
            ))),
            _ => Ok(()),
        }
    }

    async fn look(&self, api: &Api, tenant: &TenantId, name: &str) -> Result<Connection, ApiError> {
        let missing = || field("/connection", format!("the tenant has no connection {name:?}"));
        // No connection has such a name, and one of the databases knows no NUL.
        if name.contains('\0') {
            return Err(missing());
        }
        api.ledger.connection(tenant, name).await?.ok_or_else(missing)
    }
}

fn field(pointer: &str, message: String) -> ApiError {
    ApiError::Field { pointer: pointer.into(), message }
}
