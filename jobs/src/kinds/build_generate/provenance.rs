//! Who made an archive, of what and when: an in-toto Statement v1 with a SLSA provenance v1 predicate.
//!
//! <https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md> and <https://slsa.dev/spec/v1.0/provenance>,
//! as read on 2026-11-21. It has times, so it is no part of the archive.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Asset, Payload, inputs::Inputs};
use crate::{
    clock::Timestamp,
    handler::Context,
    objects::hex,
    signing::dsse::{PROVENANCE, STATEMENT},
};

/// What the parameters mean, and how the archive follows from them: docs/builds.md.
const BUILD_TYPE: &str = "urn:windrow:build.generate:v1";
/// Who builds. Which installation it is, its key says.
const BUILDER: &str = "urn:windrow:worker";

/// What is stated of an archive.
pub struct Made<'m> {
    /// Its name.
    pub archive: &'m str,
    /// Its SHA-256.
    pub sha256: &'m str,
    /// The id of the key that signs this.
    pub signer: &'m str,
    /// When the build began.
    pub started: Timestamp,
    /// When the archive was there.
    pub finished: Timestamp,
}

/// The statement, as JSON.
pub fn statement(context: &Context, payload: &Payload, inputs: &Inputs, made: &Made<'_>) -> Vec<u8> {
    let bundles = inputs.bundles().iter().map(|bundle| {
        let uri = format!("urn:windrow:bundle:{}:{}:{}", bundle.role, bundle.name, bundle.version);
        json!({ "name": bundle.name, "uri": uri, "digest": { "sha256": bundle.sha256 } })
    });
    let assets = payload
        .app
        .assets
        .iter()
        .map(|(path, asset)| json!({ "name": path, "uri": bare(&asset.url), "digest": { "sha256": asset.sha256 } }));
    let lock = hex(&Sha256::digest(inputs.lock()));
    let statement = json!({
        "_type": STATEMENT,
        "subject": [{ "name": made.archive, "digest": { "sha256": made.sha256 } }],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": parameters(payload),
                "internalParameters": { "inputs": inputs.digest(), "signer": made.signer, "tenant": context.tenant.as_str() },
                "resolvedDependencies": bundles.chain(assets).collect::<Vec<_>>(),
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { "windrow": env!("CARGO_PKG_VERSION") } },
                "metadata": {
                    "invocationId": context.job.to_string(),
                    "startedOn": made.started,
                    "finishedOn": made.finished,
                },
                "byproducts": [{ "name": super::kept::LOCKFILE, "digest": { "sha256": lock } }],
            },
        },
    });
    serde_json::to_vec(&statement).expect("a statement is JSON by its type")
}

/// The payload, but for what in a URL may be a permission.
fn parameters(payload: &Payload) -> Value {
    let mut payload = payload.clone();
    for asset in payload.app.assets.values_mut() {
        *asset = Asset { url: bare(&asset.url), sha256: asset.sha256.clone() };
    }
    let mut parameters = serde_json::to_value(&payload).expect("a payload is JSON by its types");
    // Not what was asked for, but how.
    parameters.as_object_mut().and_then(|parameters| parameters.remove("force"));
    parameters
}

/// A URL without user, password, query and fragment.
fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return String::new();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", authority.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_loses_what_may_be_a_permission() {
        let cases = [
            ("https://a.example/x.png", "https://a.example/x.png"),
            ("https://user:pass@a.example/x.png?X-Amz-Signature=abc#f", "https://a.example/x.png"),
            ("https://a.example?token=abc", "https://a.example"),
            ("https://a.example/x@2x.png", "https://a.example/x@2x.png"),
            ("data:secret", ""),
        ];
        for (url, expected) in cases {
            assert_eq!(bare(url), expected, "{url}");
        }
    }
}
