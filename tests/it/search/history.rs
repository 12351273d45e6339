//! Random histories that every store must tell as the model tells them. After each verb, its answer and everything that can be read is equal.
//! `WINDROW_HISTORY_SEEDS=200` runs more seeds, `WINDROW_HISTORY_SEED=17` just that one.

use std::{collections::BTreeMap, env, ops::Range};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    job::JobId,
    search::{
        Chunk, ChunkHash, Document, Hit, Query, Settings,
        filter::Filter,
        store::{Begun, Place, SearchStore, Which},
    },
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{id, tenant_named},
    ledgers,
    searches::{self, Opened, chunk, document, map, settings},
};

const SEEDS: u64 = 10;
const STEPS: usize = 120;
const TENANTS: [&str; 2] = ["north", "south"];
const INDEXES: [&str; 2] = ["docs", "notes"];
const WORDS: [&str; 10] = ["lighthouse", "coast", "bread", "Café", "東京都", "the", "the", "of", "x_y", "…"];
const DOCUMENTS: [&str; 5] = ["a", "b", "c", "ä", "https://x.example/?a=[1]"];

#[tokio::test]
async fn every_store_tells_the_same_history() {
    for seed in seeds() {
        let clock = ledgers::clock();
        let model = searches::model(&clock).await;
        let others = [
            ("sqlite", searches::sqlite(&clock).await),
            ("postgres", searches::postgres(&clock).await),
            ("qdrant", searches::qdrant(&clock).await),
            ("qdrant_postgres", searches::qdrant_postgres(&clock).await),
        ];
        History { seed, rng: StdRng::seed_from_u64(seed), clock, places: vec![BTreeMap::new(); 1 + others.len()], versions: 0 }
            .compare(&model, &others)
            .await;
    }
}

fn seeds() -> Range<u64> {
    let number = |name| env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    match number("WINDROW_HISTORY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WINDROW_HISTORY_SEEDS").unwrap_or(SEEDS),
    }
}

/// A generation by what made it: its number is each store's own.
type Name = u64;

/// One thing that is done to every store.
#[derive(Debug, Clone)]
enum Verb {
    Open(TenantId, &'static str, Settings, Name),
    Drop(TenantId, &'static str),
    Known(TenantId, &'static str, Name, Vec<ChunkHash>),
    Stage(TenantId, &'static str, Name, Vec<(ChunkHash, Vec<f32>)>),
    Put(TenantId, &'static str, Name, Box<Document>),
    Delete(TenantId, &'static str, Which, JobId),
    Begin(TenantId, &'static str, Settings, Name),
    Behind(TenantId, &'static str, Name),
    Switch(TenantId, &'static str, Name),
    GiveUp(TenantId, &'static str, Name),
    Spend(TenantId, u64, Option<u64>),
    Prune,
    Pass(i64),
}

struct History {
    seed: u64,
    rng: StdRng,
    clock: VirtualClock,
    /// Of each store, what numbers it gave.
    places: Vec<BTreeMap<Name, i64>>,
    versions: u64,
}

impl History {
    async fn compare(mut self, model: &Opened, others: &[(&str, Opened)]) {
        for step in 0..STEPS {
            let verb = self.next_verb(step);
            if let Verb::Pass(ms) = verb {
                self.clock.advance_ms(ms);
                continue;
            }
            let told = self.tell(0, &**model, &verb).await;
            let query = self.query();
            let seen = see(&**model, &query).await;
            for (store, (name, other)) in (1..).zip(others) {
                let context = format!("seed {}, step {step}, {name}: {verb:?}", self.seed);
                assert_eq!(self.tell(store, &**other, &verb).await, told, "{context}");
                assert_same(&seen, &see(&**other, &query).await, &format!("{context}, then {query:?}"));
            }
        }
    }

    fn next_verb(&mut self, step: usize) -> Verb {
        let (tenant, index) = (tenant_named(self.pick(&TENANTS)), self.pick(&INDEXES));
        let names: Vec<Name> = self.places[0].keys().copied().collect();
        if names.is_empty() || step == 0 {
            return Verb::Open(tenant, index, settings("m", 3), step as Name);
        }
        // The latest are more often those that are in use.
        let recent = names.len().saturating_sub(self.rng.random_range(0..names.len().min(4)) + 1);
        let name = names[recent];
        match self.rng.random_range(0..100) {
            0..6 => {
                let settings = self.settings();
                Verb::Open(tenant, index, settings, step as Name)
            }
            6..8 => Verb::Drop(tenant, index),
            8..13 => Verb::Known(tenant, index, name, (0..4).map(|_| self.chunk().hash).collect()),
            13..35 => {
                let dimension = self.pick(&[3, 3, 3, 3, 4]);
                let some = (0..self.rng.random_range(1..12)).map(|_| self.chunk()).collect::<Vec<_>>();
                Verb::Stage(tenant, index, name, some.iter().map(|chunk| (chunk.hash, vector(chunk, dimension))).collect())
            }
            35..65 => {
                let document = self.document();
                Verb::Put(tenant, index, name, Box::new(document))
            }
            65..72 => {
                let which = match self.rng.random_range(0..5) {
                    0 => Which::All,
                    count => Which::Ids((0..count).map(|_| self.pick(&DOCUMENTS).to_owned()).collect()),
                };
                let version = self.version();
                Verb::Delete(tenant, index, which, version)
            }
            72..77 => {
                let settings = self.settings();
                Verb::Begin(tenant, index, settings, step as Name)
            }
            77..81 => Verb::Behind(tenant, index, name),
            81..87 => Verb::Switch(tenant, index, name),
            87..89 => Verb::GiveUp(tenant, index, name),
            89..92 => Verb::Spend(tenant, self.rng.random_range(0..50), Some(100)),
            92..96 => Verb::Prune,
            96 => Verb::Pass(100 * 86_400_000),
            _ => Verb::Pass(self.pick(&[1, 3_600_000, 20 * 3_600_000])),
        }
    }

    fn settings(&mut self) -> Settings {
        settings(self.pick(&["m", "m", "n"]), self.pick(&[3, 3, 4]))
    }

    /// Mostly the next, now and then one of before.
    fn version(&mut self) -> JobId {
        if self.rng.random_bool(0.8) {
            self.versions += 1;
            return id(self.versions);
        }
        id(self.rng.random_range(0..=self.versions))
    }

    fn document(&mut self) -> Document {
        let version = self.version();
        let mut told = document(self.pick(&DOCUMENTS), version, &[]);
        told.chunks = (0..self.rng.random_range(0..6)).map(|_| self.chunk()).collect();
        told.metadata = map(self.pick(&[json!({}), json!({ "n": 1 }), json!({ "n": 2, "t": ["a", "b"] }), json!({ "n": "1", "t": "a" })]));
        told
    }

    /// Few, so that they are met again.
    fn chunk(&mut self) -> Chunk {
        let words: Vec<&str> = (0..self.rng.random_range(1..3)).map(|_| self.pick(&WORDS)).collect();
        let mut chunk = chunk(&words.join(" "));
        if self.rng.random_bool(0.2) {
            chunk.source = Some(format!("page {}", self.rng.random_range(1..3)));
        }
        chunk
    }

    fn query(&mut self) -> Query {
        let words: Vec<&str> = (0..3).map(|_| self.pick(&WORDS)).collect();
        let vector = (0..3).map(|_| f32::from(self.rng.random_range(-3_i8..=3))).collect();
        let (words, vector) = match self.rng.random_range(0..3) {
            0 => (Some(words.join(" ")), None),
            1 => (None, Some(vector)),
            _ => (Some(words.join(" ")), Some(vector)),
        };
        let filter = self.pick(&[json!({}), json!({}), json!({ "n": { "gte": 1 } }), json!({ "t": "a" }), json!({ "n": null })]);
        let filter = Filter::read(&map(filter)).expect("a filter");
        Query { words, vector, limit: self.pick(&[1, 5, 100]), filter }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.rng).expect("there is something").clone()
    }

    /// Does it, and tells what was answered, without the store's own numbers.
    async fn tell(&mut self, store: usize, on: &dyn SearchStore, verb: &Verb) -> String {
        let numbers = &mut self.places[store];
        let place = |tenant: &TenantId, index: &str, name: &Name, numbers: &BTreeMap<Name, i64>| {
            let generation = numbers.get(name).copied().unwrap_or(-1);
            Place { tenant: tenant.clone(), index: index.to_owned(), generation }
        };
        match verb {
            Verb::Open(tenant, index, settings, name) => {
                let opened = on.open_index(tenant, index, settings).await.expect("an index");
                let known = numbers.values().any(|number| *number == opened.current.number);
                if !known {
                    numbers.insert(*name, opened.current.number);
                }
                format!("{known} {:?} {:?}", opened.current.settings, opened.created_at)
            }
            Verb::Drop(tenant, index) => format!("{:?}", on.drop_index(tenant, index).await),
            Verb::Known(tenant, index, name, hashes) => format!("{:?}", on.known(&place(tenant, index, name, numbers), hashes).await),
            Verb::Stage(tenant, index, name, vectors) => format!("{:?}", on.stage(&place(tenant, index, name, numbers), vectors).await),
            Verb::Put(tenant, index, name, document) => {
                format!("{:?}", on.put_document(&place(tenant, index, name, numbers), document).await)
            }
            Verb::Delete(tenant, index, which, version) => {
                format!("{:?}", on.delete_documents(tenant, index, which, *version).await)
            }
            Verb::Begin(tenant, index, settings, name) => match on.begin_generation(tenant, index, settings).await.expect("begun") {
                Begun::Next(next) => {
                    let known = numbers.values().any(|number| *number == next.number);
                    if !known {
                        numbers.insert(*name, next.number);
                    }
                    format!("{known} {:?}", next.settings)
                }
                other => format!("{other:?}"),
            },
            Verb::Behind(tenant, index, name) => format!("{:?}", on.behind(&place(tenant, index, name, numbers), 100).await),
            Verb::Switch(tenant, index, name) => format!("{:?}", on.switch(&place(tenant, index, name, numbers)).await),
            Verb::GiveUp(tenant, index, name) => format!("{:?}", on.give_up(&place(tenant, index, name, numbers)).await),
            Verb::Spend(tenant, tokens, max) => format!("{:?}", on.spend(tenant, *tokens, *max).await),
            Verb::Prune => {
                while on.prune().await.expect("pruned") {}
                String::new()
            }
            Verb::Pass(_) => unreachable!("time passes for all"),
        }
    }
}

/// The vector of a text, always the same; now and then it has no direction.
fn vector(chunk: &Chunk, dimension: usize) -> Vec<f32> {
    chunk.hash.0.iter().take(dimension).map(|byte| f32::from(i16::from(byte % 7) - 3)).collect()
}

/// Everything that can be read, and what a query finds in each index.
async fn see(store: &dyn SearchStore, query: &Query) -> Vec<(String, Vec<Hit>)> {
    let mut seen = Vec::new();
    for tenant in TENANTS.map(tenant_named) {
        let indexes = store.indexes(&tenant, None, 10).await.expect("indexes");
        for index in indexes {
            assert_eq!(store.index(&tenant, &index.name).await, Ok(Some(index.clone())));
            let listed = store.documents(&tenant, &index.name, None, 100).await.expect("documents");
            let mut documents = Vec::new();
            for one in &listed {
                documents.push(store.document(&tenant, &index.name, &one.id).await.expect("a document"));
            }
            let next = index.next.map(|next| next.settings);
            let facts = (&index.name, &index.current.settings, next, index.documents, index.chunks, index.created_at);
            let (found, refused) = match store.search(&tenant, &index.name, query).await {
                Ok(found) => (found.expect("an index"), None),
                Err(refused) => (Vec::new(), Some(refused)),
            };
            let spent = store.spent(&tenant).await;
            seen.push((format!("{tenant} {facts:?} {listed:?} {documents:?} {refused:?} {spent:?}"), found));
        }
    }
    seen
}

/// Scores are sums of 32 bits' numbers in each database's own order.
fn assert_same(model: &[(String, Vec<Hit>)], other: &[(String, Vec<Hit>)], context: &str) {
    let texts = |seen: &[(String, Vec<Hit>)]| seen.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(other), texts(model), "{context}");
    for ((_, model), (_, other)) in model.iter().zip(other) {
        let bare = |hits: &[Hit]| hits.iter().map(|hit| Hit { score: 0.0, ..hit.clone() }).collect::<Vec<_>>();
        assert_eq!(bare(other), bare(model), "{context}");
        let near = |(one, other): (&Hit, &Hit)| (one.score - other.score).abs() < 2e-5;
        assert!(other.iter().zip(model).all(near), "{context}: {other:?} and not {model:?}");
    }
}
