//! Documents come into an index by jobs, are found, listed and deleted.

use super::*;

shapes! {
    documents_are_brought_found_filtered_and_deleted,
}

const GUIDE: &str = "# Lighthouses\n\nThe keeper lights the lamp at dusk.\n\n## Fog\n\nIn fog the horn sounds every minute.\n";

async fn documents_are_brought_found_filtered_and_deleted(at: &Installation) {
    let made = put(at, "docs", json!({ "tokens_max": 60 })).await;
    assert_eq!((made.status, &made.body["model"], &made.body["overlap_tokens"]), (201, &json!("lexical-1"), &json!(6)), "{}", made.body);
    assert_eq!(put(at, "docs", json!({ "tokens_max": 60 })).await.status, 200);
    let other = put(at, "docs", json!({})).await;
    assert_eq!((other.status, &other.body["code"]), (409, &json!("index_exists")));

    bring(at, "guide", GUIDE, json!({ "language": "en", "year": 1900, "tags": ["lamp", "fog"] })).await;
    bring(at, "oven", "# Ovens\n\nAn oven bakes bread at dawn.", json!({ "language": "en", "year": 1950, "tags": [] })).await;
    bring(at, "ofen", "# Öfen\n\nDer Ofen bäckt Brot.", json!({ "language": "de", "year": 1960 })).await;
    let index = at.read("/v1/indexes/docs").await;
    assert_eq!((&index["documents"], &index["chunks"], &index["next"]), (&json!(3), &json!(4), &Value::Null), "{index}");

    for mode in ["hybrid", "vector", "text"] {
        let found = hits(at, json!({ "index": "docs", "query": "horns in the fog", "limit": 5, "mode": mode })).await;
        let first = found.first().unwrap_or_else(|| panic!("nothing by {mode}"));
        assert_eq!((&first["document_id"], &first["chunk"]), (&json!("guide"), &json!(1)), "{mode}: {found:?}");
        assert_eq!((&first["heading"], &first["title"]), (&json!(["Lighthouses", "Fog"]), &json!("Lighthouses")), "{first}");
        assert_eq!((&first["text"], &first["source"]), (&json!("In fog the horn sounds every minute."), &Value::Null), "{first}");
        let scores: Vec<f64> = found.iter().map(|hit| hit["score"].as_f64().expect("a score")).collect();
        assert!(scores.is_sorted_by(|one, other| one >= other), "{scores:?}");
    }
    for (filter, expected) in [
        (json!({}), vec!["oven", "ofen"]),
        (json!({ "language": "de" }), vec!["ofen"]),
        (json!({ "year": { "lt": 1960 }, "language": "en" }), vec!["oven"]),
        (json!({ "tags": null }), vec!["ofen"]),
        (json!({ "tags": { "any": ["lamp", "oil"] } }), vec![]),
        (json!({ "language": "fr" }), vec![]),
    ] {
        let found = hits(at, json!({ "index": "docs", "query": "oven ofen", "mode": "text", "filter": filter })).await;
        let (mut found, mut expected) = (documents(&found), expected);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }

    let mut path = "/v1/indexes/docs/documents?page_size=2".to_owned();
    let mut listed = Vec::new();
    loop {
        let page = at.read(&path).await;
        listed
            .extend(page["documents"].as_array().expect("documents").iter().map(|one| (one["document_id"].clone(), one["chunks"].clone())));
        let Some(token) = page["next_page_token"].as_str() else { break };
        path = format!("/v1/indexes/docs/documents?page_size=2&page_token={token}");
    }
    assert_eq!(listed, [(json!("guide"), json!(2)), (json!("ofen"), json!(1)), (json!("oven"), json!(1))]);

    done(at, "embedding.delete", json!({ "index": "docs", "document_ids": ["guide"] })).await;
    let found = hits(at, json!({ "index": "docs", "query": "fog" })).await;
    assert!(!documents(&found).contains(&"guide"), "{found:?}");
    assert_eq!(at.send(Method::DELETE, "/v1/indexes/docs", &[], None).await.status, 204);
    let gone = search(at, json!({ "index": "docs", "query": "oven" })).await;
    assert_eq!((gone.status, &gone.body["code"]), (404, &json!("index_not_found")));
    assert_eq!(at.read("/v1/indexes").await["indexes"], json!([]));
}
