//! Searches: what fits best is first, by meaning, by words and by both, among the documents that a filter wants.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Error,
    search::{Query, filter::Filter, lexical},
};
use windrow_tests::{
    jobs::{id, tenant},
    searches::{INDEX, Opened, by_both, by_vector, by_words, document, found, hits, map, open, place, put, settings},
};

stores! {
    the_nearest_vector_is_first,
    the_chunk_with_the_rarest_words_is_first,
    what_both_find_is_before_what_one_finds,
    words_are_found_however_they_are_written,
    a_query_is_words_and_never_a_language,
    filters_say_which_documents,
    no_more_hits_than_asked_for,
    a_vector_of_another_model_is_refused,
    an_index_that_is_not_there_has_no_hits,
}

async fn the_nearest_vector_is_first(store: &Opened, _: &VirtualClock) {
    let index = store.open_index(&tenant(), INDEX, &settings("m", 2)).await.expect("an index");
    let place = place(&index);
    for (number, name, vector) in
        [(1, "east", [5.0, 0.0]), (2, "north", [0.0, 0.1]), (3, "north-east", [1e-20, 1e-20]), (4, "west", [-2e20, 0.0])]
    {
        let told = document(name, id(number), &[name]);
        store.stage(&place, &[(told.chunks[0].hash, vector.to_vec())]).await.expect("staged");
        store.put_document(&place, &told).await.expect("put");
    }
    let query = Query { words: None, vector: Some(vec![300.0, 1.0]), limit: 10, filter: Filter::default() };
    let hits = hits(&**store, &tenant(), &query).await;
    assert_eq!(found(&hits), [("east", 0), ("north-east", 0), ("north", 0), ("west", 0)]);
    let expected = [1.0, 0.70946, 0.00333, -1.0];
    assert!(hits.iter().zip(expected).all(|(hit, score)| (hit.score - score).abs() < 2e-5), "{hits:?}");
}

async fn the_chunk_with_the_rarest_words_is_first(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &document("a", id(1), &["the cat sat on the mat", "the dog", "a cat and a dog and a cow", "nothing at all"]))
        .await;
    let hits = hits(&**store, &tenant(), &by_words("Cat, the COW!")).await;
    assert_eq!(found(&hits), [("a", 0), ("a", 2), ("a", 1)]);
    // As bm25s 0.3.16 reckons them (`search/bm25.rs`).
    let expected = [0.687_81, 0.673_74, 0.412_85].map(|score: f64| score * 2.2);
    assert!(hits.iter().zip(expected).all(|(hit, score)| (hit.score - score).abs() < 3e-5), "{hits:?}");
}

async fn what_both_find_is_before_what_one_finds(store: &Opened, _: &VirtualClock) {
    let index = store.open_index(&tenant(), INDEX, &settings("m", 2)).await.expect("an index");
    let place = place(&index);
    for (number, name, text, vector) in
        [(1, "near", "nothing of it", [1.0, 0.0]), (2, "both", "the word", [0.9, 0.1]), (3, "worded", "word word", [-1.0, 0.0])]
    {
        let told = document(name, id(number), &[text]);
        store.stage(&place, &[(told.chunks[0].hash, vector.to_vec())]).await.expect("staged");
        store.put_document(&place, &told).await.expect("put");
    }
    let query = Query { words: Some("word".into()), vector: Some(vec![1.0, 0.0]), limit: 2, filter: Filter::default() };
    let hits = hits(&**store, &tenant(), &query).await;
    assert_eq!(found(&hits), [("worded", 0), ("both", 0)], "not what is nearest and has no word");
    assert!((hits[0].score - (1.0 / 61.0 + 1.0 / 63.0)).abs() < 1e-9 && (hits[1].score - 2.0 / 62.0).abs() < 1e-9, "{hits:?}");
}

async fn words_are_found_however_they_are_written(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let texts =
        ["Der Café-Besitzer auf der Straße", "東京都の天気", "see https://x.example/a?b=1", "l'été à İstanbul", "O'Brien’s C3PO_unit"];
    put(&**store, &place, &document("a", id(1), &texts)).await;
    for (words, chunk) in [
        ("CAFE", 0),
        ("strasse", 0),
        ("besitzer", 0),
        ("東京", 1),
        ("京都", 1),
        ("天気", 1),
        ("example", 2),
        ("ete", 3),
        ("istanbul", 3),
        ("c3po", 4),
    ] {
        assert_eq!(found(&hits(&**store, &tenant(), &by_words(words)).await), [("a", chunk)], "{words}");
    }
    for words in ["caf", "京天", "besitzerin", "", " ", "…", "_"] {
        assert_eq!(hits(&**store, &tenant(), &by_words(words)).await, [], "{words}");
    }
}

async fn a_query_is_words_and_never_a_language(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &document("a", id(1), &["alpha and beta", "gamma"])).await;
    for words in [
        "\"alpha",
        "alpha AND",
        "(alpha OR",
        "alpha*",
        "^alpha",
        "words: alpha",
        "-alpha",
        "NEAR(alpha, 2)",
        "alpha' --",
        "{alpha} \\ %",
        "alpha\u{0}",
    ] {
        let hits = hits(&**store, &tenant(), &by_words(words)).await;
        assert_eq!(found(&hits), [("a", 0)], "{words}");
    }
    let many: String = (0..4_000).map(|number| format!("w{number} ")).collect();
    assert_eq!(hits(&**store, &tenant(), &by_words(&format!("alpha {many}"))).await.len(), 1);
}

async fn filters_say_which_documents(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let all = [
        ("a", json!({ "language": "de", "year": 2020, "tags": ["x", "y"] })),
        ("b", json!({ "language": "de", "year": 2021.5, "draft": true })),
        ("c", json!({ "language": "en", "year": "2020", "author": null })),
        ("d", json!({})),
    ];
    for (number, (name, metadata)) in (1..).zip(all) {
        let mut told = document(name, id(number), &["same text"]);
        told.metadata = map(metadata);
        put(&**store, &place, &told).await;
    }
    for (filter, names) in [
        (json!({}), "abcd"),
        (json!({ "language": "de" }), "ab"),
        (json!({ "language": { "any": ["en", null] } }), "cd"),
        (json!({ "year": 2020.0 }), "a"),
        (json!({ "year": { "gte": 2020, "lt": 2021.5 } }), "a"),
        (json!({ "year": { "gte": "" } }), "c"),
        (json!({ "tags": { "any": ["y", "z"] }, "language": "de" }), "a"),
        (json!({ "draft": true }), "b"),
        (json!({ "draft": 1 }), ""),
        (json!({ "author": null }), "abcd"),
        (json!({ "language": "' OR 1 = 1 --" }), ""),
    ] {
        let filter_read = Filter::read(&map(filter.clone())).expect("a filter");
        for query in [by_words("same"), by_vector("same"), by_both("same")] {
            let hits = hits(&**store, &tenant(), &Query { filter: filter_read.clone(), ..query }).await;
            assert_eq!(hits.iter().map(|hit| hit.document_id.as_str()).collect::<String>(), names, "{filter}");
        }
    }
}

async fn no_more_hits_than_asked_for(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let texts: Vec<String> = (0..30).map(|number| format!("word {number}")).collect();
    put(&**store, &place, &document("a", id(1), &texts.iter().map(String::as_str).collect::<Vec<_>>())).await;
    for query in [by_words("word"), by_vector("word"), by_both("word")] {
        for limit in [1, 7, 100] {
            let hits = hits(&**store, &tenant(), &Query { limit, ..query.clone() }).await;
            assert_eq!(hits.len(), usize::from(limit.min(30)));
            assert!(hits.is_sorted_by(|one, other| one.score >= other.score));
        }
    }
}

async fn a_vector_of_another_model_is_refused(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &document("a", id(1), &["text"])).await;
    for vector in [vec![], vec![1.0; 511], vec![1.0; 513], vec![f32::INFINITY; 512]] {
        let refused = store.search(&tenant(), INDEX, &Query { vector: Some(vector), ..by_words("text") }).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    let zeros = Query { vector: Some(vec![0.0; usize::from(lexical::DIMENSION)]), ..by_words("text") };
    assert_eq!(hits(&**store, &tenant(), &zeros).await, hits(&**store, &tenant(), &by_words("text")).await, "no direction is no question");
}

async fn an_index_that_is_not_there_has_no_hits(store: &Opened, _: &VirtualClock) {
    assert_eq!(store.search(&tenant(), INDEX, &by_both("text")).await, Ok(None));
    open(&**store, &tenant()).await;
    assert_eq!(store.search(&tenant(), INDEX, &by_both("text")).await, Ok(Some(vec![])));
    let nothing = Query { words: None, vector: None, limit: 5, filter: Filter::default() };
    assert_eq!(store.search(&tenant(), INDEX, &nothing).await, Ok(Some(vec![])));
}
