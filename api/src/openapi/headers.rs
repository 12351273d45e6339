//! The headers of answers, each described once. An operation names those that its answers have.

use serde_json::{Value, json};

/// What every answer has: what joins it, its problem document and the log lines.
pub(super) const REQUEST_ID: &str = "X-Request-Id";

/// Name, whether an answer that names it always has it, schema, meaning.
fn all() -> [(&'static str, bool, Value, &'static str); 12] {
    let text = || json!({ "type": "string", "minLength": 1 });
    let seconds = || json!({ "type": "integer", "minimum": 1 });
    [
        (REQUEST_ID, true, text(), "What joins this answer with the server's log."),
        ("Allow", true, text(), "The methods that the path takes."),
        ("Cache-Control", true, text(), "Whether the answer may be kept, and by whom."),
        ("Content-Disposition", true, text(), "The file's name."),
        ("Content-Security-Policy", true, text(), "What a page of this answer may do in a browser: nothing that leads elsewhere."),
        ("ETag", false, json!({ "type": "string", "pattern": "^\"[^\"]+\"$" }), "What changes whenever the answer does."),
        ("Idempotency-Replayed", false, json!({ "type": "string", "const": "true" }), "The same submission was answered like this before."),
        ("Link", false, text(), "The next page (`rel=\"next\"`), unless this is the last one."),
        ("Location", true, text(), "Where to look at what was made from now on."),
        ("Preference-Applied", false, json!({ "type": "string", "pattern": "^wait=[0-9]+$" }), "The wait that was applied."),
        ("Retry-After", false, seconds(), "When to look or to ask again, in seconds. A final job has none."),
        (
            "WWW-Authenticate",
            true,
            json!({ "type": "string", "pattern": "^(Bearer|Signature) " }),
            "How to authenticate: by a key (RFC 6750), or as the provider of a hook signs.",
        ),
    ]
}

/// The components that [`reference`]s lead to.
pub(super) fn components() -> Value {
    let component = |(name, required, schema, description): (&str, bool, Value, &str)| {
        (name.to_owned(), json!({ "required": required, "schema": schema, "description": description }))
    };
    all().into_iter().map(component).collect::<serde_json::Map<_, _>>().into()
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}
