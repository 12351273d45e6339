//! Documents: each comes as a whole, the latest job's wins, and what is deleted stays away.

use serde_json::json;
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    ledger::Error,
    search::{
        ChunkHash, Document, lexical,
        store::{Put, STAGED_MS, Which},
    },
};
use windrow_tests::{
    jobs::{id, tenant},
    searches::{INDEX, Opened, by_both, by_words, chunk, document, found, hits, map, open, put},
};

stores! {
    a_document_is_read_as_it_was_put,
    chunks_that_stay_are_counted_and_those_that_went_are_not_found,
    the_latest_job_wins_whoever_comes_last,
    what_is_deleted_stays_away_from_earlier_jobs,
    all_documents_are_deleted_and_later_ones_stay,
    a_vector_has_to_be_known_before_its_document,
    staged_vectors_are_known_for_a_day_after_somebody_asked,
    what_no_store_can_keep_is_refused,
    documents_are_listed_by_their_ids,
    many_chunks_come_at_once,
    a_text_without_words_is_kept_too,
}

const ADDED: fn(u32, u32, u32) -> Put = |added, kept, removed| Put::Stored { added, kept, removed };

async fn a_document_is_read_as_it_was_put(store: &Opened, clock: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let mut told = document("https://x.example/ä?b=1", id(1), &["the first", "Zweiter „Teil“ \u{1f44b}"]);
    told.metadata = map(json!({ "language": "de", "year": 2024, "tags": ["a", 1.5, null], "nested": { "a": "\u{0}" } }));
    told.chunks[1].heading = vec!["Über > uns".into(), "\"Zitat\"\u{0}".into()];
    told.chunks[1].source = Some("page 7".into());
    assert_eq!(put(&**store, &place, &told).await, ADDED(2, 0, 0));
    assert_eq!(store.document(&tenant(), INDEX, &told.id).await, Ok(Some(told.clone())));
    assert_eq!(store.document(&tenant(), INDEX, "x").await, Ok(None));
    assert_eq!(store.document(&tenant(), "other", &told.id).await, Ok(None));
    let hit = hits(&**store, &tenant(), &by_words("zweiter")).await.remove(0);
    assert_eq!((hit.document_id, hit.chunk, hit.text), (told.id.clone(), 1, told.chunks[1].text.clone()));
    assert_eq!((hit.heading, hit.source), (told.chunks[1].heading.clone(), told.chunks[1].source.clone()));
    assert_eq!((hit.title, hit.metadata), (told.title.clone(), told.metadata.clone()));
    let listed = store.documents(&tenant(), INDEX, None, 10).await.expect("documents").remove(0);
    assert_eq!((listed.id, listed.version, listed.chunks, listed.written_at), (told.id, id(1), 2, clock.now()));
}

async fn chunks_that_stay_are_counted_and_those_that_went_are_not_found(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    assert_eq!(put(&**store, &place, &document("a", id(1), &["alpha", "beta", "gamma", "beta"])).await, ADDED(4, 0, 0));
    let next = document("a", id(2), &["delta", "beta", "alpha"]);
    assert_eq!(put(&**store, &place, &next).await, ADDED(1, 2, 2));
    assert_eq!(put(&**store, &place, &next).await, ADDED(0, 3, 0), "again is the same");
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(next)));
    for (word, places) in [("alpha", vec![("a", 2)]), ("beta", vec![("a", 1)]), ("delta", vec![("a", 0)]), ("gamma", vec![])] {
        assert_eq!(found(&hits(&**store, &tenant(), &by_words(word)).await), places, "{word}");
    }
    let mut other = document("a", id(3), &["delta", "beta", "alpha"]);
    other.chunks[2].source = Some("elsewhere".into());
    assert_eq!(put(&**store, &place, &other).await, ADDED(0, 3, 0));
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(other)), "what is shown changes too");
    assert_eq!(found(&hits(&**store, &tenant(), &by_words("alpha")).await), [("a", 2)]);
    let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((index.documents, index.chunks), (1, 3));
}

async fn the_latest_job_wins_whoever_comes_last(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &document("a", id(5), &["five"])).await;
    assert_eq!(put(&**store, &place, &document("a", id(4), &["four"])).await, Put::Older);
    assert_eq!(put(&**store, &place, &document("b", id(4), &["four"])).await, ADDED(1, 0, 0));
    assert_eq!(put(&**store, &place, &document("a", id(6), &["six"])).await, ADDED(1, 0, 1));
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(document("a", id(6), &["six"]))));
}

async fn what_is_deleted_stays_away_from_earlier_jobs(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    for (name, number) in [("a", 1), ("b", 2), ("c", 9)] {
        put(&**store, &place, &document(name, id(number), &["same text"])).await;
    }
    let which = Which::Ids(["a", "a", "b", "c", "never"].map(str::to_owned).to_vec());
    assert_eq!(store.delete_documents(&tenant(), INDEX, &which, id(5)).await, Ok(2), "the ninth job's stays");
    assert_eq!(store.delete_documents(&tenant(), INDEX, &which, id(5)).await, Ok(0));
    assert_eq!(found(&hits(&**store, &tenant(), &by_both("same text")).await), [("c", 0)]);
    assert_eq!(put(&**store, &place, &document("a", id(4), &["late"])).await, Put::Older);
    assert_eq!(put(&**store, &place, &document("never", id(4), &["late"])).await, Put::Older);
    assert_eq!(store.delete_documents(&tenant(), INDEX, &which, id(3)).await, Ok(0));
    assert_eq!(put(&**store, &place, &document("a", id(4), &["late"])).await, Put::Older, "the latest deletion is what counts");
    assert_eq!(put(&**store, &place, &document("a", id(6), &["new"])).await, ADDED(1, 0, 0));
    assert_eq!(store.delete_documents(&tenant(), "other", &which, id(9)).await, Ok(0));
    let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((index.documents, index.chunks), (2, 2));
}

async fn all_documents_are_deleted_and_later_ones_stay(store: &Opened, clock: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    for number in 1..=4 {
        put(&**store, &place, &document(&number.to_string(), id(number), &["same text", "another"])).await;
    }
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::All, id(3)).await, Ok(3));
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::All, id(2)).await, Ok(0));
    assert_eq!(found(&hits(&**store, &tenant(), &by_both("same text")).await), [("4", 0), ("4", 1)]);
    clock.advance_ms(1_000 * 86_400_000);
    while store.prune().await.expect("pruned") {}
    assert_eq!(put(&**store, &place, &document("new", id(3), &["late"])).await, Put::Older, "that is remembered for ever");
    assert_eq!(put(&**store, &place, &document("new", id(5), &["in time"])).await, ADDED(1, 0, 0));
}

async fn a_vector_has_to_be_known_before_its_document(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let told = document("a", id(1), &["one", "two", "one"]);
    let hash = |text: &str| ChunkHash::of(text);
    assert_eq!(store.put_document(&place, &told).await, Ok(Put::Missing(hash("one"))));
    store.stage(&place, &[(hash("one"), lexical::embed("one"))]).await.expect("staged");
    assert_eq!(store.put_document(&place, &told).await, Ok(Put::Missing(hash("two"))));
    assert_eq!(store.documents(&tenant(), INDEX, None, 10).await, Ok(vec![]), "nothing was done");
    assert_eq!(store.known(&place, &[hash("two"), hash("one"), hash("one")]).await, Ok(vec![hash("one")]));
    store.stage(&place, &[(hash("two"), lexical::embed("two"))]).await.expect("staged");
    assert_eq!(store.put_document(&place, &told).await, Ok(ADDED(3, 0, 0)));
    assert_eq!(store.put_document(&place, &document("b", id(2), &["two"])).await, Ok(ADDED(1, 0, 0)), "another document's will do");
    store.delete_documents(&tenant(), INDEX, &Which::All, id(3)).await.expect("deleted");
    assert_eq!(store.known(&place, &[hash("one"), hash("two")]).await, Ok(vec![]), "a vector goes with its last chunk");
}

async fn staged_vectors_are_known_for_a_day_after_somebody_asked(store: &Opened, clock: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let (asked, not) = (ChunkHash::of("asked"), ChunkHash::of("not"));
    store.stage(&place, &[(asked, lexical::embed("asked")), (not, lexical::embed("not"))]).await.expect("staged");
    clock.advance_ms(STAGED_MS);
    while store.prune().await.expect("pruned") {}
    assert_eq!(store.known(&place, &[asked]).await, Ok(vec![asked]));
    clock.advance_ms(1);
    while store.prune().await.expect("pruned") {}
    assert_eq!(store.known(&place, &[asked, not]).await, Ok(vec![asked]));
    clock.advance_ms(STAGED_MS + 1);
    while store.prune().await.expect("pruned") {}
    assert_eq!(store.put_document(&place, &document("a", id(1), &["asked"])).await, Ok(Put::Missing(asked)));
}

async fn what_no_store_can_keep_is_refused(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    for vector in [vec![1.0; 3], vec![f32::NAN; 512], vec![]] {
        let staged = store.stage(&place, &[(ChunkHash::of("a"), vector)]).await;
        assert!(matches!(staged, Err(Error::Refused(_))), "{staged:?}");
    }
    assert_eq!(store.known(&place, &[ChunkHash::of("a")]).await, Ok(vec![]));
    let sound = document("a", id(1), &["a"]);
    let broken: [fn(&mut Document); 4] = [
        |it| it.id.push('\u{0}'),
        |it| it.title = Some("\u{0}".into()),
        |it| it.chunks[0].text.push('\u{0}'),
        |it| it.chunks[0].source = Some("\u{0}".into()),
    ];
    for break_it in broken {
        let mut broken = sound.clone();
        break_it(&mut broken);
        let refused = store.put_document(&place, &broken).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    assert_eq!(store.document(&tenant(), INDEX, "\u{0}").await, Ok(None));
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::Ids(vec!["\u{0}".into()]), id(1)).await, Ok(0));
    assert_eq!(put(&**store, &place, &sound).await, ADDED(1, 0, 0));
}

async fn documents_are_listed_by_their_ids(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    for (number, name) in (1..).zip(["b", "Z", "a-1", "ä", "a", "\u{1f44b}"]) {
        put(&**store, &place, &document(name, id(number), &["x"])).await;
    }
    let names = async |after, limit| {
        let documents = store.documents(&tenant(), INDEX, after, limit).await.expect("documents");
        documents.into_iter().map(|listed| listed.id).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10).await, ["Z", "a", "a-1", "b", "ä", "\u{1f44b}"], "by their code points");
    assert_eq!(names(Some("a"), 2).await, ["a-1", "b"]);
}

async fn many_chunks_come_at_once(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let texts: Vec<String> = (0..1_203).map(|number| format!("chunk number{number}")).collect();
    let mut told = document("a", id(1), &texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(put(&**store, &place, &told).await, ADDED(1_203, 0, 0));
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(told.clone())));
    assert_eq!(found(&hits(&**store, &tenant(), &by_words("number1202")).await), [("a", 1_202)]);
    told.chunks.remove(0);
    told.chunks.push(chunk("the last"));
    told.version = id(2);
    assert_eq!(put(&**store, &place, &told).await, ADDED(1, 1_202, 1));
    assert_eq!(found(&hits(&**store, &tenant(), &by_words("number1202")).await), [("a", 1_201)]);
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(told)));
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::All, id(3)).await, Ok(1));
    assert_eq!(hits(&**store, &tenant(), &by_both("number1202")).await, []);
}

async fn a_text_without_words_is_kept_too(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let told = document("a", id(1), &["…", "a word", ""]);
    assert_eq!(put(&**store, &place, &told).await, ADDED(3, 0, 0));
    assert_eq!(store.document(&tenant(), INDEX, "a").await, Ok(Some(told)));
    assert_eq!(found(&hits(&**store, &tenant(), &by_both("a word")).await), [("a", 1)], "it is near nothing");
    assert_eq!(hits(&**store, &tenant(), &by_both("…!")).await, [], "nothing is looked for");
    put(&**store, &place, &document("empty", id(2), &[])).await;
    assert_eq!(store.document(&tenant(), INDEX, "empty").await, Ok(Some(document("empty", id(2), &[]))));
}
