//! Vectors in Qdrant: nothing but vectors is there, nothing that is there stays for ever, nothing that it answers is believed, and while it is away
//! nothing is lost. By a server of each test's own (`harness/qdrant.rs`).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    ledger::Error,
    search::{
        Document, Query,
        filter::Filter,
        lexical,
        postgres::{EXACT_MAX, PostgresSearch},
        qdrant::Qdrant as Client,
        sql::Statements,
        sqlite::SqliteSearch,
        store::{Begun, Place, Put, STAGED_MS, SearchStore, Switched},
    },
};
use windrow_tests::{
    jobs::{id, tenant, tenant_named},
    ledgers,
    postgres::Postgres,
    qdrant::{KEY, Qdrant},
    searches::{
        self, INDEX, Opened, VERSIONED, all_of_it, by_both, by_vector, by_words, chunk, document, found, hits, lexical as lexical_settings,
        map, open, place, points, put, settings, stage, version_of, versioned,
    },
    server::Process,
};

const LEXICAL: u16 = lexical::DIMENSION;
const MINUTE_MS: i64 = 60_001;
const HOUR_MS: i64 = 3_600_001;
const LOOK_EVERY: Duration = Duration::from_millis(10);

async fn scene() -> (Qdrant, VirtualClock, Opened, Place) {
    let (qdrant, clock) = (Qdrant::own().await, ledgers::clock());
    let store = searches::qdrant_of(&qdrant.url(), &clock).await;
    let place = open(&*store, &tenant()).await;
    (qdrant, clock, store, place)
}

async fn prune(store: &dyn SearchStore) {
    while store.prune().await.expect("pruned") {}
}

/// Everything that is there: ids and payloads.
async fn all_points(qdrant: &Qdrant) -> Vec<Value> {
    let body = json!({ "query": vec![1.0; LEXICAL.into()], "limit": 10_000, "with_payload": true });
    let answer = qdrant.send("POST", &format!("/collections/windrow_{LEXICAL}/points/query"), body).await;
    answer["result"]["points"].as_array().expect("points").clone()
}

/// A document with vectors of our own.
async fn put_with(store: &dyn SearchStore, place: &Place, told: &Document, vectors: &[Vec<f32>]) -> Put {
    let vectors: Vec<_> = told.chunks.iter().zip(vectors).map(|(chunk, vector)| (chunk.hash, vector.clone())).collect();
    store.stage(place, &vectors).await.expect("staged");
    store.put_document(place, told).await.expect("put")
}

#[tokio::test]
async fn nothing_is_there_but_vectors_and_their_spaces() {
    let (qdrant, _, store, place) = scene().await;
    let mut told = document("secret-id", id(1), &["the first text", "the second text", "the first text", "…"]);
    told.metadata = map(json!({ "for": "us alone" }));
    put(&*store, &place, &told).await;
    let points = all_points(&qdrant).await;
    assert_eq!(points.len(), 2, "one for each text that has a direction: {points:?}");
    for point in &points {
        let payload = point["payload"].as_object().expect("a payload");
        assert_eq!(payload.keys().collect::<Vec<_>>(), ["space"]);
        let (identity, generation) = payload["space"].as_str().expect("a space").split_once('.').expect("two parts");
        assert_eq!((identity.len(), generation), (32, place.generation.to_string().as_str()));
    }
    let asked = qdrant.asked();
    assert!(asked.iter().all(|line| line["key"] == KEY && line["status"] != 400), "{asked:?}");
    let written = asked.iter().filter(|line| line["path"].as_str().is_some_and(|path| path.contains("/points?wait=true")));
    assert_eq!(written.count(), 1, "a put of what is staged asks nobody");
}

#[tokio::test]
async fn points_that_nobody_has_any_more_go_after_a_while() {
    let (qdrant, clock, store, place) = scene().await;
    for version in 1..=3 {
        put(&*store, &place, &versioned(version)).await;
    }
    prune(&*store).await;
    let versioned_points = u64::from(VERSIONED);
    // The chunk that every version has was staged with each of them, and one of those is the document's.
    assert_eq!(qdrant.points(LEXICAL).await, 3 * (versioned_points + 1), "searches may read what was before");
    clock.advance_ms(MINUTE_MS);
    prune(&*store).await;
    assert_eq!(qdrant.points(LEXICAL).await, versioned_points + 1);
    assert_eq!(version_of(&hits(&*store, &tenant(), &all_of_it()).await), 3);

    let other = document("b", id(9), &["lighthouse in every version", "another"]);
    put(&*store, &place, &other).await;
    store.stage(&place, &[(chunk("never put").hash, lexical::embed("never put"))]).await.expect("staged");
    clock.advance_ms(STAGED_MS + 1);
    prune(&*store).await;
    clock.advance_ms(MINUTE_MS);
    prune(&*store).await;
    assert_eq!(qdrant.points(LEXICAL).await, versioned_points + 3);
    store.drop_index(&tenant(), INDEX).await.expect("dropped");
    prune(&*store).await;
    clock.advance_ms(MINUTE_MS);
    prune(&*store).await;
    assert_eq!(qdrant.points(LEXICAL).await, 0);
}

#[tokio::test]
async fn what_was_there_before_its_writer_was_killed_goes_and_is_not_known() {
    let (qdrant, clock, store, place) = scene().await;
    put(&*store, &place, &versioned(1)).await;
    let there = qdrant.points(LEXICAL).await;
    qdrant.tell(json!(["well", "well", "done, silent"])).await;
    let folder = tempfile::tempdir().expect("a folder");
    let orders = json!({
        "file": store.file(), "qdrant": qdrant.url(), "generation": place.generation, "version": 2, "step": "stage",
        "reached": folder.path().join("reached"),
    });
    let mut process = Process::spawn("putting", &[&orders.to_string()], &[], folder.path());
    while qdrant.points(LEXICAL).await == there {
        process.check_alive();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    process.kill();
    process.exited().await;
    let many = u64::from(VERSIONED) + 1;
    assert_eq!(qdrant.points(LEXICAL).await, there + many, "they are there, and nobody said so");
    let hashes: Vec<_> = versioned(2).chunks.iter().map(|chunk| chunk.hash).collect();
    assert_eq!(store.known(&place, &hashes).await.expect("known").len(), 1, "of the document that is there");
    assert_eq!(version_of(&hits(&*store, &tenant(), &all_of_it()).await), 1);
    assert!(matches!(put(&*store, &place, &versioned(2)).await, Put::Stored { added: VERSIONED, .. }));
    assert_eq!(version_of(&hits(&*store, &tenant(), &all_of_it()).await), 2);
    clock.advance_ms(HOUR_MS);
    prune(&*store).await;
    assert_eq!(qdrant.points(LEXICAL).await, many);
    assert_eq!(version_of(&hits(&*store, &tenant(), &all_of_it()).await), 2);
}

#[tokio::test]
async fn whoever_stages_for_too_long_begins_anew() {
    let (qdrant, clock, store, place) = scene().await;
    put(&*store, &place, &document("a", id(1), &["there"])).await;
    qdrant.tell(json!(["pause"])).await;
    let slow = {
        let (store, place) = (store.shared(), place.clone());
        tokio::spawn(async move { store.stage(&place, &[(chunk("slow").hash, lexical::embed("slow"))]).await })
    };
    while !qdrant.asked().iter().any(|line| line["told"] == "pause") {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    // The point is on the list, its time is over, and it is removed before it comes.
    clock.advance_ms(HOUR_MS);
    prune(&*store).await;
    qdrant.send("POST", "/_told", json!({ "next": [], "go_on": true })).await;
    let late = slow.await.expect("it ends");
    assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
    assert_eq!(store.known(&place, &[chunk("slow").hash]).await, Ok(vec![]));
    assert_eq!(put(&*store, &place, &document("a", id(2), &["slow"])).await, Put::Stored { added: 1, kept: 0, removed: 1 });
    assert_eq!(found(&hits(&*store, &tenant(), &by_vector("slow")).await), [("a", 0)]);
}

#[tokio::test]
async fn while_it_is_away_nothing_is_lost() {
    let (qdrant, _, store, place) = scene().await;
    put(&*store, &place, &document("a", id(1), &["a lighthouse"])).await;
    let new = document("a", id(2), &["another lighthouse"]);
    let vectors = [(new.chunks[0].hash, lexical::embed("another lighthouse"))];
    let odd = [json!(500), json!(502), json!(503), json!(429), json!(408), json!("away"), json!("page"), json!("endless")];
    for odd in &odd {
        qdrant.tell(json!([odd])).await;
        let searched = store.search(&tenant(), INDEX, &by_both("lighthouse")).await;
        let Err(Error::Unavailable(said)) = searched else { panic!("{odd}: {searched:?}") };
        assert!(said.contains("Qdrant") && !said.contains(KEY), "{odd}: {said}");
        assert_eq!(found(&hits(&*store, &tenant(), &by_words("lighthouse")).await), [("a", 0)], "words need it not");
    }
    for odd in odd.into_iter().chain([json!("lost answer"), json!("acknowledged")]) {
        qdrant.tell(json!([odd])).await;
        let staged = store.stage(&place, &vectors).await;
        assert!(matches!(staged, Err(Error::Unavailable(_))), "{odd}: {staged:?}");
        assert_eq!(store.put_document(&place, &new).await, Ok(Put::Missing(new.chunks[0].hash)), "{odd}");
        assert_eq!(found(&hits(&*store, &tenant(), &by_both("a lighthouse")).await), [("a", 0)], "{odd}: what was there is there");
    }
    qdrant.tell(json!([400])).await;
    assert!(matches!(store.stage(&place, &vectors).await, Err(Error::Refused(_))), "what is wrong stays so");
    assert!(matches!(put(&*store, &place, &new).await, Put::Stored { added: 1, .. }));
    assert_eq!(hits(&*store, &tenant(), &by_vector("another lighthouse")).await[0].text, "another lighthouse");

    let mut qdrant = qdrant;
    qdrant.kill().await;
    let searched = store.search(&tenant(), INDEX, &by_vector("lighthouse")).await;
    assert!(matches!(searched, Err(Error::Unavailable(_))), "{searched:?}");
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(new)));
}

#[tokio::test]
async fn who_is_silent_is_not_waited_for() {
    let (qdrant, _, store, place) = scene().await;
    put(&*store, &place, &document("a", id(1), &["a lighthouse"])).await;
    qdrant.tell(json!(["silent"])).await;
    let began = std::time::Instant::now();
    let searched = store.search(&tenant(), INDEX, &by_vector("lighthouse")).await;
    assert!(matches!(searched, Err(Error::Unavailable(_))), "{searched:?}");
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_said_and_never_shown() {
    let (qdrant, clock, store, place) = scene().await;
    put(&*store, &place, &document("a", id(1), &["a lighthouse"])).await;
    let file = store.file();
    let open = async |key| {
        let sqlite = SqliteSearch::open(&file, Arc::new(clock.clone())).await.expect("it opens");
        sqlite.with_points(Arc::new(Client::new(&qdrant.url(), key).expect("a client")))
    };
    for key in [Some("another-planted-key"), None] {
        let store = open(key).await;
        for said in [
            store.search(&tenant(), INDEX, &by_vector("lighthouse")).await.map(|_| ()),
            store.stage(&place, &[(chunk("new").hash, lexical::embed("new"))]).await,
        ] {
            let Err(Error::Unavailable(said)) = said else { panic!("{said:?}") };
            assert!(said.contains("search.qdrant_api_key") && !said.contains("planted"), "{said}");
        }
    }
}

#[tokio::test]
async fn what_it_answers_is_believed_nothing() {
    let (qdrant, _, store, own) = scene().await;
    let victim = tenant_named("victim");
    let theirs = open(&*store, &victim).await;
    put(&*store, &theirs, &document("theirs", id(1), &["the secret lighthouse", "and more"])).await;
    let secret: Vec<String> = all_points(&qdrant).await.iter().map(|point| point["id"].as_str().expect("an id").to_owned()).collect();
    put(&*store, &own, &document("own", id(1), &["own text"])).await;
    let all = all_points(&qdrant).await;
    let mine = all.iter().map(|point| point["id"].as_str().expect("an id")).find(|id| !secret.iter().any(|other| other == id));
    let mine = mine.expect("a point of our own").to_owned();
    let point = |id: Value, score: Value| json!({ "id": id, "version": 1, "score": score, "payload": { "space": "x" } });
    for secret in &secret {
        // Ids of another's, of nobody, and of no kind; scores that are none; and one's own point among them.
        let points = vec![
            point(json!(secret), json!(1.0)),
            point(json!("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"), json!(1.0)),
            point(json!(17), json!(1.0)),
            point(json!("' OR 1 = 1"), json!(1.0)),
            point(json!(mine), json!("NaN")),
            point(json!(mine), json!(null)),
            point(json!(mine), json!(7.5)),
            point(json!(mine), json!(0.25)),
            json!("what"),
        ];
        qdrant.tell(json!([{ "points": points }])).await;
        let found = hits(&*store, &tenant(), &by_vector("own text")).await;
        assert_eq!(found.iter().map(|hit| hit.document_id.as_str()).collect::<Vec<_>>(), ["own"]);
        assert!((found[0].score - 0.25).abs() < 1e-6, "{found:?}");
    }
    for none in [json!({ "points": {} }), json!({ "points": null }), json!({})] {
        qdrant.tell(json!([none])).await;
        assert!(matches!(store.search(&tenant(), INDEX, &by_vector("own")).await, Err(Error::Unavailable(_))), "{none}");
    }
    let many: Vec<Value> = (0..5_000).map(|_| point(json!(secret[0]), json!(0.9))).collect();
    qdrant.tell(json!([{ "points": many.clone() }, { "points": many.clone() }, { "points": many }])).await;
    // More than was asked for, and none of ours: it is asked again for more, until it tells the truth.
    assert_eq!(found(&hits(&*store, &tenant(), &by_vector("own text")).await), [("own", 0)]);
}

#[tokio::test]
async fn two_installations_with_one_qdrant_are_apart() {
    let (qdrant, clock, one, one_place) = scene().await;
    let other = searches::qdrant_of(&qdrant.url(), &clock).await;
    let other_place = open(&*other, &tenant()).await;
    assert_eq!(one_place, other_place, "the same names and numbers");
    put(&*one, &one_place, &document("one", id(1), &["the same lighthouse"])).await;
    put(&*other, &other_place, &document("other", id(1), &["the same lighthouse"])).await;
    for _ in 0..2 {
        assert_eq!(found(&hits(&*other, &tenant(), &by_both("the same lighthouse")).await), [("other", 0)]);
        one.drop_index(&tenant(), INDEX).await.expect("dropped");
        prune(&*one).await;
        clock.advance_ms(HOUR_MS);
        prune(&*one).await;
    }
    assert_eq!(qdrant.points(LEXICAL).await, 1);
}

#[tokio::test]
async fn more_is_asked_for_where_what_is_gone_is_nearer() {
    let (qdrant, _, store, _) = scene().await;
    let index = store.open_index(&tenant(), "small", &settings("m", 2)).await.expect("an index");
    let place = place(&index);
    let near: Vec<String> = (0..700).map(|n| format!("near {n}")).collect();
    let told = document("a", id(1), &near.iter().map(String::as_str).collect::<Vec<_>>());
    let vectors: Vec<Vec<f32>> = (0..700).map(|n| vec![1.0, n as f32 / 10_000.0]).collect();
    put_with(&*store, &place, &told, &vectors).await;
    put_with(&*store, &place, &document("a", id(2), &["far"]), &[vec![-1.0, 0.5]]).await;
    let query = Query { words: None, vector: Some(vec![1.0, 0.0]), limit: 5, filter: Filter::default() };
    let hits = store.search(&tenant(), "small", &query).await.expect("a search").expect("an index");
    assert_eq!(found(&hits), [("a", 0)]);
    let queries = qdrant.asked().iter().filter(|line| line["path"].as_str().is_some_and(|path| path.ends_with("/query"))).count();
    assert_eq!(queries, 3, "100, 400, 1,600");
}

#[tokio::test]
async fn a_filter_finds_what_is_far_from_what_is_asked_for() {
    let (_qdrant, _, store, _) = scene().await;
    let index = store.open_index(&tenant(), INDEX, &settings("m", 2)).await.expect("an index");
    // The index is there already, with the lexical model: another name.
    assert_eq!(index.current.settings.model.dimension, LEXICAL);
    let index = store.open_index(&tenant(), "many", &settings("m", 2)).await.expect("an index");
    let place = place(&index);
    // More than are named to Qdrant, and few.
    for (number, (name, chunks, part)) in (1..).zip([("near", 1_500, 0), ("far", 1_400, 1), ("far-too", 1_100, 1), ("few", 3, 2)]) {
        let texts: Vec<String> = (0..chunks).map(|n| format!("{name} {n}")).collect();
        let mut told = document(name, id(number), &texts.iter().map(String::as_str).collect::<Vec<_>>());
        told.metadata = map(json!({ "part": part }));
        let of = |n: usize| vec![if part == 0 { 1.0 } else { -1.0 }, n as f32 / 10_000.0];
        put_with(&*store, &place, &told, &(0..chunks).map(of).collect::<Vec<_>>()).await;
    }
    for (part, names) in [(0, vec!["near"]), (1, vec!["far", "far-too"]), (2, vec!["few"]), (3, vec![])] {
        let filter = Filter::read(&map(json!({ "part": part }))).expect("a filter");
        let query = Query { words: None, vector: Some(vec![1.0, 0.0]), limit: 10, filter };
        let hits = store.search(&tenant(), "many", &query).await.expect("a search").expect("an index");
        let of: BTreeSet<&str> = hits.iter().map(|hit| hit.document_id.as_str()).collect();
        assert!(of.iter().all(|name| names.contains(name)), "{part}: {of:?}");
        assert_eq!(hits.len(), [10, 10, 3, 0][part], "{part}");
    }
}

#[tokio::test]
async fn an_index_moves_there_and_back_by_a_reindex() {
    let (qdrant, clock) = (Qdrant::own().await, ledgers::clock());
    let here = searches::sqlite(&clock).await;
    let sqlite = async || SqliteSearch::open(&here.file(), Arc::new(clock.clone())).await.expect("it opens");
    let there = sqlite().await.with_points(points(&qdrant.url()));
    let told = document("a", id(1), &["a lighthouse", "a harbour"]);
    let old = open(&*here, &tenant()).await;
    put(&*here, &old, &told).await;
    let both: [&dyn SearchStore; 2] = [&*here, &there];
    for store in both {
        assert_eq!(found(&hits(store, &tenant(), &by_vector("a harbour")).await)[0], ("a", 1));
        assert_eq!(qdrant.asked(), [] as [Value; 0], "it lies where it lay");
    }
    for (store, points) in [(both[1], 2), (both[0], 0)] {
        assert_eq!(store.begin_generation(&tenant(), "none", &lexical_settings()).await, Ok(Begun::Unknown));
        let Begun::Next(next) = store.begin_generation(&tenant(), INDEX, &lexical_settings()).await.expect("begun") else {
            panic!("it moves")
        };
        let next = Place { generation: next.number, ..old.clone() };
        stage(store, &next, &told).await;
        assert!(matches!(store.put_document(&next, &told).await, Ok(Put::Stored { added: 2, .. })));
        assert_eq!(store.switch(&next).await, Ok(Switched::Done));
        assert_eq!(store.begin_generation(&tenant(), INDEX, &lexical_settings()).await, Ok(Begun::Same));
        prune(&there).await;
        clock.advance_ms(MINUTE_MS);
        prune(&there).await;
        assert_eq!(qdrant.points(LEXICAL).await, points);
        assert_eq!(found(&hits(store, &tenant(), &by_vector("a harbour")).await)[0], ("a", 1));
        if points > 0 {
            let Err(Error::Unavailable(said)) = here.search(&tenant(), INDEX, &by_vector("a harbour")).await else {
                panic!("it is not here")
            };
            assert!(said.contains("search.qdrant_url"), "{said}");
            assert_eq!(found(&hits(&*here, &tenant(), &by_words("harbour")).await), [("a", 1)], "words are");
        }
    }
}

#[tokio::test]
async fn vectors_that_are_lost_are_said_to_be() {
    let (qdrant, _, store, place) = scene().await;
    put(&*store, &place, &document("a", id(1), &["a lighthouse"])).await;
    qdrant.send("DELETE", &format!("/collections/windrow_{LEXICAL}"), json!({})).await;
    let Err(Error::Unavailable(said)) = store.search(&tenant(), INDEX, &by_vector("lighthouse")).await else { panic!("it is lost") };
    assert!(said.contains("none of the index's vectors"), "{said}");
    // What comes makes the collection anew.
    put(&*store, &place, &document("b", id(2), &["a harbour"])).await;
    assert_eq!(found(&hits(&*store, &tenant(), &by_vector("a harbour")).await), [("b", 0)]);
}

#[tokio::test]
async fn a_collection_of_somebody_elses_is_left_alone() {
    let (qdrant, _, store, place) = scene().await;
    let body = json!({ "vectors": { "size": 3, "distance": "Cosine" } });
    qdrant.send("PUT", &format!("/collections/windrow_{LEXICAL}"), body).await;
    let staged = store.stage(&place, &[(chunk("a").hash, lexical::embed("a"))]).await;
    let Err(Error::Unavailable(said)) = staged else { panic!("{staged:?}") };
    assert!(said.contains("not ours"), "{said}");
}

#[tokio::test]
async fn a_database_without_pgvector_gets_it_later() {
    let server = Postgres::shared_with_vectors().await;
    let (database, clock) = (server.database().await, ledgers::clock());
    // Whoever is no superuser cannot make the extension.
    let mut superuser = PgConnection::connect(&database).await.expect("the database");
    let name = database.split('?').next().and_then(|path| path.rsplit('/').next()).expect("a name").to_owned();
    let role = format!("plain_{name}");
    let grants = format!("CREATE ROLE {role} LOGIN; GRANT ALL ON DATABASE {name} TO {role}");
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut superuser).await.expect("a role");
    let url = database.replacen("windrow@", &format!("{role}@"), 1);
    let Err(Error::Unavailable(said)) = PostgresSearch::open(&url).await.map(|_| ()) else { panic!("there is no pgvector") };
    assert!(said.contains("CREATE EXTENSION vector") && said.contains("search.qdrant_url"), "{said}");
    let qdrant = Qdrant::own().await;
    let clocked = || Some(Arc::new(clock.clone()) as Arc<dyn Clock>);
    let open_there = async || {
        let opened = PostgresSearch::open_with_points(&url, clocked(), Statements::postgres(), points(&qdrant.url())).await;
        opened.expect("the store opens")
    };
    let there = open_there().await;
    let place = open(&there, &tenant()).await;
    put(&there, &place, &document("a", id(1), &["a lighthouse"])).await;
    assert_eq!(there.tend().await, Ok(false));
    sqlx::raw_sql("CREATE EXTENSION vector").execute(&mut superuser).await.expect("an extension");
    assert_eq!(found(&hits(&there, &tenant(), &by_vector("lighthouse")).await), [("a", 0)]);
    let here = PostgresSearch::open_with(&url, clocked(), Statements::postgres(), EXACT_MAX).await.expect("the store opens");
    let index = here.open_index(&tenant(), "here", &lexical_settings()).await.expect("an index");
    let told = document("b", id(2), &["a harbour"]);
    put(&here, &searches::place(&index), &told).await;
    let hits_here = here.search(&tenant(), "here", &by_vector("harbour")).await.expect("a search").expect("an index");
    assert_eq!(found(&hits_here), [("b", 0)]);
    assert_eq!(found(&hits(&open_there().await, &tenant(), &by_vector("lighthouse")).await), [("a", 0)]);
}
