//! `deepl`: an account at DeepL, by which `translation.translate` translates.
//!
//! A key tells by its end whether it is of DeepL API Free or Pro, which are at two hosts; a configuration that names the other one is
//! refused before anything is sent, as DeepL would say no more than 403.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Provider, rate, secret, url};
use crate::contract::Violation;

/// The provider's name.
pub const NAME: &str = "deepl";
/// The key.
pub const AUTH_KEY: &str = "auth_key";
/// Where DeepL API Pro is.
pub const PRO: &str = "https://api.deepl.com";
/// Where DeepL API Free is.
pub const FREE: &str = "https://api-free.deepl.com";
/// How a key of DeepL API Free ends.
const FREE_KEY: &str = ":fx";

pub(super) fn provider() -> Provider {
    let mut rate_per_s = rate();
    rate_per_s["description"] = "The most requests for translations in a second, of all workers together.".into();
    Provider {
        name: NAME,
        title: "DeepL",
        description: "An account at DeepL (API Free or Pro) that translates texts.",
        test: "Asks for the account's usage (GET /v2/usage). Nothing is translated, and nothing is billed.",
        config_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "url": url("Where the API is. Without it the key decides: https://api-free.deepl.com for one that ends in :fx, https://api.deepl.com for any other."),
                "rate_per_s": rate_per_s
            }
        }),
        secrets_schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": false,
            "required": [AUTH_KEY],
            "properties": { AUTH_KEY: secret("The authentication key of the API.") }
        }),
        together: check,
    }
}

fn check(_: &Value, _: &BTreeSet<&str>) -> Option<Violation> {
    None
}

/// Where the API of this key is; the error says why the key and the configured URL do not go together.
pub fn base<'c>(url: Option<&'c str>, auth_key: &str) -> Result<&'c str, String> {
    let (plan, wanted) = if auth_key.ends_with(FREE_KEY) { ("Free", FREE) } else { ("Pro", PRO) };
    let Some(url) = url else { return Ok(wanted) };
    let host = |url: &str| url.split_once("://").map(|(_, rest)| rest.split(['/', ':', '?']).next().unwrap_or_default().to_lowercase());
    let is_other = [PRO, FREE].iter().any(|known| *known != wanted && host(known) == host(url));
    if is_other {
        return Err(format!("the key is of DeepL API {plan}, which is at {wanted} and not at {url}: leave url out, or correct it"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_says_where_its_api_is() {
        assert_eq!(base(None, "f63c02c5-f056-4abc-8bd5-d13ca1ccd0e7:fx"), Ok(FREE));
        assert_eq!(base(None, "f63c02c5-f056-4abc-8bd5-d13ca1ccd0e7"), Ok(PRO));
        assert_eq!(base(Some("http://127.0.0.1:1/x"), "a:fx"), Ok("http://127.0.0.1:1/x"));
        assert_eq!(base(Some(FREE), "a:fx"), Ok(FREE));
        for (url, key) in
            [("https://api.deepl.com", "kept:fx"), ("https://API.deepl.com:443/", "kept:fx"), ("https://api-free.deepl.com/", "kept")]
        {
            let said = base(Some(url), key).expect_err("they do not go together");
            assert!(said.contains(url) && !said.contains("kept"), "{said}");
        }
    }
}
