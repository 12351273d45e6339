//! `openai`: an endpoint that makes vectors of texts as OpenAI's `POST /embeddings` does: OpenAI's own, or one of the many servers that speak alike.
//!
//! Which model, and how many dimensions, is the connection's: vectors of two models are never compared, so an index names its connection.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, rate, secret, url_or};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "openai";
/// The key.
pub const API_KEY: &str = "api_key";
/// Where OpenAI is.
pub const URL: &str = "https://api.openai.com/v1";
/// The most texts of a request that the interface allows.
pub const TEXTS_MAX: u64 = 2_048;
/// The most texts of a request, unless said.
pub const TEXTS: u64 = 256;

pub(super) fn provider() -> Provider {
    let mut rate_per_s = rate();
    rate_per_s["description"] = "The most requests in a second, of all workers together.".into();
    let mut api_key = secret("The API key, sent as a bearer token. A server of your own may have none.");
    api_key["pattern"] = "^[!-~]+$".into();
    Provider {
        name: NAME,
        title: "OpenAI-compatible embeddings",
        description: "A model that makes vectors of texts for indexes: OpenAI's, or of a server that speaks alike.",
        test: "Has a vector made of one word (POST /embeddings), which costs a token or two.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": ["model"],
            "properties": {
                "url": url_or(URL, "Where the API is, without /embeddings."),
                "model": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$",
                    "description": "The model. An index that was made with another one takes nothing more until it is reindexed." },
                "dimensions": { "type": "integer", "minimum": 1, "maximum": crate::search::DIMENSION_MAX,
                    "description": "The dimensions to ask for, of a model that can have fewer than it has." },
                "texts_per_request_max": { "type": "integer", "minimum": 1, "maximum": TEXTS_MAX, "default": TEXTS,
                    "description": "The most texts of a request." },
                "rate_per_s": rate_per_s
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": { API_KEY: api_key }
        }),
        together: check,
    }
}

fn check(_: &Value, _: &BTreeSet<&str>) -> Option<Violation> {
    None
}
