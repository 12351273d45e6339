//! A tenant that means harm tries every field of every call: it finds nothing of another's, changes nothing, and sees no score move.

use serde_json::Map;

use super::*;

shapes! {
    nothing_of_another_tenant_is_found_or_changed,
    what_others_bring_moves_no_score,
}

const SECRET: &str = "the secret lighthouse keeper sleeps at noon";

/// All that the victim sees.
async fn seen(victim: &Client) -> Vec<Value> {
    let mut seen = Vec::new();
    for mode in ["hybrid", "vector", "text"] {
        seen.push(json!(hits(victim, json!({ "index": "docs", "query": SECRET, "mode": mode, "limit": 100 })).await));
    }
    for path in ["/v1/indexes", "/v1/indexes/docs", "/v1/indexes/docs/documents"] {
        seen.push(victim.read(path).await);
    }
    seen
}

/// Names by which another's index might be reached.
const NAMES: [&str; 12] = [
    "docs",
    "victim/docs",
    "victim%2Fdocs",
    "..%2Fvictim%2Fdocs",
    "docs%00",
    "docs'%20OR%20tenant%20%3D%20'victim",
    "%25",
    "*",
    "%D0%B4ocs",
    "docs%CC%81",
    "%EF%BD%84ocs",
    "1",
];

async fn nothing_of_another_tenant_is_found_or_changed(at: &Installation) {
    let (victim, attacker) = (at.of_tenant("victim"), at.of_tenant("attacker"));
    put(&victim, "private", json!({})).await;
    bring(&victim, "mine", SECRET, json!({ "for": "us alone", "n": 7 })).await;
    bring(&victim, "other", "and more of it", json!({})).await;
    let before = seen(&victim).await;
    let leaks = |answer: &Answer| {
        let text = answer.body.to_string();
        assert!(!text.contains("secret") && !text.contains("us alone") && !text.contains("\"mine\""), "{text}");
    };

    // By name, while the attacker has none: in paths, and in bodies as they are written there.
    for name in NAMES.iter().copied().chain(["private"]) {
        for (method, path) in [
            (Method::GET, format!("/v1/indexes/{name}")),
            (Method::GET, format!("/v1/indexes/{name}/documents")),
            (Method::DELETE, format!("/v1/indexes/{name}")),
        ] {
            let answer = attacker.send(method.clone(), &path, &[], None).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
            leaks(&answer);
        }
        let said = percent_decoded(name);
        for mode in ["hybrid", "vector", "text"] {
            let answer = search(&attacker, json!({ "index": said, "query": SECRET, "mode": mode })).await;
            assert!([404, 422].contains(&answer.status), "{said:?}: {}", answer.body);
        }
    }
    // By fields that there are not.
    for field in ["tenant", "generation", "model", "connection", "indexes", "document_id", "vector"] {
        let mut asked = Map::from_iter([("index".to_owned(), json!("docs")), ("query".to_owned(), json!(SECRET))]);
        asked.insert(field.into(), json!("victim"));
        let answer = search(&attacker, asked.into()).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("field_invalid")), "{field}: {}", answer.body);
    }

    // With an index of the same name.
    put(&attacker, "docs", json!({})).await;
    assert!(hits(&attacker, json!({ "index": "docs", "query": SECRET })).await.is_empty());
    bring(&attacker, "own", "text of one's own", json!({ "n": 1 })).await;
    for query in
        [SECRET, "%", "*", "\"", "' OR '1'='1", "secret*", "\" OR \"1_secret", "1_secret", "g1", "2_secret", "\u{202e}terces", "ѕесrеt"]
    {
        for mode in ["hybrid", "vector", "text"] {
            let found = hits(&attacker, json!({ "index": "docs", "query": query, "mode": mode, "limit": 100 })).await;
            assert!(documents(&found).iter().all(|id| *id == "own"), "{query}: {found:?}");
        }
    }
    for filter in [
        json!({ "for": "us alone" }),
        json!({ "for": { "gte": "" } }),
        json!({ "n": { "gt": 1 } }),
        json!({ "tenant": "victim" }),
        json!({ "for' OR '1'='1": null, "n": 7 }),
        json!({ "%": { "any": [null, "us alone"] }, "n": 7 }),
        json!({ "$.for": "us alone" }),
    ] {
        let found = hits(&attacker, json!({ "index": "docs", "query": SECRET, "filter": filter })).await;
        assert!(found.is_empty(), "{filter}: {found:?}");
    }

    // By tokens of another's lists, as they were given and bent.
    let token = victim.read("/v1/indexes/docs/documents?page_size=1").await["next_page_token"].as_str().expect("a token").to_owned();
    let of_indexes = victim.read("/v1/indexes?page_size=1").await["next_page_token"].as_str().expect("a token").to_owned();
    for token in [&token, &of_indexes, &token[1..], &format!("{token}AAAA"), "AAAA", "%00", "bWluZQ"] {
        for path in ["/v1/indexes", "/v1/indexes/docs/documents"] {
            let answer = attacker.send(Method::GET, &format!("{path}?page_token={token}"), &[], None).await;
            assert_eq!((answer.status, &answer.body["code"]), (400, &json!("page_token_invalid")), "{path} {token}");
        }
    }

    // By jobs: documents of the other's ids, a connection and an index of the other's names.
    let theirs = victim.list("kind=embedding.ingest").await;
    for job in &theirs {
        assert_eq!(attacker.send(Method::GET, &format!("/v1/jobs/{}", job["id"].as_str().expect("an id")), &[], None).await.status, 404);
    }
    let id = theirs[0]["id"].as_str().expect("an id");
    for ids in [json!(["mine", "other"]), json!(["%"]), json!(["' OR '1'='1"]), json!([id])] {
        assert_eq!(done(&attacker, "embedding.delete", json!({ "index": "docs", "document_ids": ids })).await["deleted"], 0);
    }
    assert_eq!(done(&attacker, "embedding.delete", json!({ "index": "private", "all": true })).await["deleted"], 0);
    bring(&attacker, "mine", "what the attacker says of it", json!({})).await;
    let reindex = attacker.submit(json!({ "kind": "embedding.reindex", "payload": { "index": "private", "lexical": true } })).await;
    assert_eq!(attacker.wait(&reindex).await["error"]["code"], "index_unknown");
    let object = json!({ "index": "docs", "document_id": "stolen", "object": "tenants/victim/notes.txt" });
    let stolen = attacker.wait(&attacker.submit(json!({ "kind": "embedding.ingest", "payload": object })).await).await;
    assert_eq!(stolen["state"], "dead", "{stolen}");
    assert_eq!(done(&attacker, "embedding.delete", json!({ "index": "docs", "all": true })).await["deleted"], 2);
    assert_eq!(attacker.send(Method::DELETE, "/v1/indexes/docs", &[], None).await.status, 204);

    assert_eq!(seen(&victim).await, before);
}

async fn what_others_bring_moves_no_score(at: &Installation) {
    let (victim, attacker) = (at.of_tenant("victim"), at.of_tenant("attacker"));
    bring(&victim, "mine", SECRET, json!({})).await;
    bring(&victim, "other", "a lighthouse is no secret", json!({})).await;
    put(&victim, "private", json!({})).await;
    let before = seen(&victim).await;
    // Many of the same words, and much longer texts: a score by all of them would move.
    for n in 0..5 {
        let text = format!("# Secret {n}\n\n{}", "the secret lighthouse keeper sleeps. ".repeat(200));
        bring(&attacker, &format!("{n}"), &text, json!({})).await;
        done(&victim, "embedding.ingest", json!({ "index": "private", "document_id": format!("{n}"), "text": text })).await;
    }
    let mut after = seen(&victim).await;
    // The victim's other index grew, and is another space.
    for (at, before) in after.iter_mut().zip(&before) {
        if at.get("indexes").is_some() {
            at.clone_from(before);
        }
    }
    assert_eq!(after, before);
}

/// A name of a path as a body has it.
fn percent_decoded(name: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), name.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).unwrap_or_default() as u8;
        bytes.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8(bytes).expect("UTF-8")
}
