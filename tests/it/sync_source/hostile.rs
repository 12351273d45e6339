//! Pages that break off, lie, never end or blow up: each ends in its code, within its limits; what passes is tried again.

use std::time::Duration;

use serde_json::{Value, json};
use windrow_tests::source::{Fault, Listing};

use super::{Play, SECRET, failure, read_all};

/// What never ends would not within this either.
const WAIT_MAX: Duration = Duration::from_secs(60);

fn lie(body: impl Into<String>) -> Fault {
    Fault::Lie("application/json".into(), body.into())
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let play = Play::of(35).await;
    for fault in [Fault::Status(500, vec![], "{}".into()), Fault::Status(502, vec![], "bad gateway".into()), Fault::Truncate, Fault::Drop] {
        let request = play.source.requests() + 2;
        play.source.fault(request, fault.clone());
        play.source.fault(request + 1, fault.clone());
        let all = read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await;
        let all = all.unwrap_or_else(|stopped| panic!("{fault:?}: {stopped:?}"));
        assert_eq!(all.ids(), (1..=35).collect::<Vec<_>>(), "{fault:?}");
        assert_eq!(play.source.requests(), request + 4, "{fault:?}");
    }
}

#[tokio::test]
async fn each_ends_in_its_code_within_its_limits() {
    let play = Play::of(35).await;
    let (cursor, page) = (Listing::Cursor, Listing::Page);
    let circle = json!({ "items": [{ "id": 1 }], "next": "after:0" }).to_string();
    let long = json!({ "items": [{ "id": 1 }], "next": "x".repeat(1_000_000) }).to_string();
    let long_link = json!({ "items": [{ "id": 1 }], "links": { "next": format!("/next?{}", "x".repeat(5_000)) } }).to_string();
    let private = json!({ "items": [{ "id": 1 }], "links": { "next": "http://169.254.169.254/latest/meta-data" } }).to_string();
    let growing = json!({ "items": [], "total": 1_000_000 }).to_string();
    let deep = format!("{{\"items\":{}", "[".repeat(500_000));
    let costly = format!("{{\"items\":[{}0]}}", "0,".repeat(400_000));
    let html = "<!DOCTYPE html><html><title>Sign in</title></html>";
    let encoded = Fault::Headers(vec![("content-encoding".into(), "br".into())]);
    let cases: Vec<(&str, Listing, Fault, &str, bool)> = vec![
        ("500 for ever", cursor, Fault::Status(500, vec![], "{}".into()), "source_failed", true),
        ("503 without a word", cursor, Fault::Status(503, vec![], "{}".into()), "source_failed", true),
        ("404", cursor, Fault::Status(404, vec![], "{}".into()), "source_refused", false),
        ("400", page, Fault::Status(400, vec![], "{}".into()), "source_refused", false),
        ("304 unasked", page, Fault::Status(304, vec![], String::new()), "page_unreadable", true),
        ("breaks off", cursor, Fault::Truncate, "connection_broken", true),
        ("goes away", cursor, Fault::Drop, "connection_broken", true),
        ("half JSON", cursor, Fault::Half, "page_unreadable", true),
        ("no bytes", cursor, lie(""), "page_unreadable", true),
        ("HTML", cursor, Fault::Lie("text/html".into(), html.into()), "page_unreadable", true),
        ("HTML that says it is JSON", cursor, lie(html), "page_unreadable", true),
        ("HTML for CSV", Listing::Csv, Fault::Lie("text/html; charset=utf-8".into(), html.into()), "page_unreadable", true),
        ("an error for CSV", Listing::Csv, Fault::Lie("text/csv".into(), "{\"error\":\"busy\"}".into()), "page_unreadable", true),
        ("an error for XML", Listing::Xml, Fault::Lie("application/xml".into(), "<fault>busy</fault>".into()), "records_missing", true),
        (
            "entities",
            Listing::Xml,
            Fault::Lie("application/xml".into(), "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>".into()),
            "page_unreadable",
            true,
        ),
        ("an error of 200", cursor, lie(json!({ "error": "busy" }).to_string()), "records_missing", true),
        ("no list", cursor, lie(json!({ "items": { "code": 1 } }).to_string()), "records_missing", true),
        ("null for a list", cursor, lie(json!({ "items": null }).to_string()), "records_missing", true),
        ("drips", cursor, Fault::Drip(Duration::from_millis(20)), "answer_late", true),
        ("stalls", cursor, Fault::Stall, "answer_late", true),
        ("never answers", cursor, Fault::Silent, "answer_late", true),
        ("never ends", cursor, Fault::Endless, "page_too_large", false),
        ("bomb", cursor, Fault::Bomb(20 * 1024 * 1024), "page_too_large", false),
        ("costly", cursor, lie(costly), "ok", false),
        ("deep", cursor, lie(deep), "page_unreadable", true),
        ("encoded", cursor, encoded, "answer_encoded", false),
        ("round", cursor, lie(circle), "source_circles", false),
        ("a mark of a megabyte", cursor, lie(long), "mark_too_long", false),
        ("a long link", Listing::Next, lie(long_link), "mark_too_long", false),
        ("a link inside", Listing::Next, lie(private), "next_link_elsewhere", false),
        ("a total that is none", Listing::PageOfTotal, lie(json!({ "items": [], "total": "many" }).to_string()), "total_missing", true),
        ("a total of what does not come", Listing::PageOfTotal, lie(growing), "source_truncated", true),
        (
            "the same for ever",
            Listing::Page,
            lie(json!({ "items": (0..10).map(|id| json!({ "id": id })).collect::<Vec<_>>() }).to_string()),
            "source_circles",
            false,
        ),
        ("no key to go on by", Listing::Keyset, lie(json!({ "items": vec![json!({ "n": 1 }); 10] }).to_string()), "keyset_missing", false),
    ];
    let limits = json!({ "page_timeout_s": 1, "page_bytes_max": 2_000_000 });
    for (name, listing, fault, code, retried) in cases {
        play.source.always(Some(fault));
        let mut reader = play.reader_since(&listing.source("source", 10), limits.clone(), None).await;
        let came = tokio::time::timeout(WAIT_MAX, read_all(&mut reader)).await.unwrap_or_else(|_| panic!("{name}: it does not end"));
        if code == "ok" {
            assert_eq!(came.map(|all| all.records.len()).ok(), Some(400_001), "{name}");
            continue;
        }
        let (known, retry, message) = failure(came.map(|_| ()).expect_err(name));
        assert_eq!((known.as_str(), retry), (code, retried), "{name}: {message}");
        assert!(message.len() < 2_500, "{name}: {message}");
    }
    play.source.always(None);
    assert_eq!(read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await.expect("all").ids().len(), 35);
}

#[tokio::test]
async fn an_error_of_200_that_is_declared_says_what_it_says() {
    let play = Play::of(5).await;
    let mut http = Listing::Cursor.source("source", 10);
    http["list"]["error"] = json!({ "pointer": "/error", "message": "/error/message" });
    let body = json!({ "items": [], "error": { "type": "BUSY", "message": format!("come later, {}", SECRET) } });
    play.source.fault(1, lie(body.to_string()));
    let (code, retry, message) = failure(read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("an error"));
    assert_eq!((code.as_str(), retry), ("page_error", true));
    assert_eq!(message, "the page says that it is an error: come later, (hidden)");
    assert_eq!(read_all(&mut play.reader(&http).await).await.expect("all").ids().len(), 5);
}

#[tokio::test]
async fn a_secret_that_is_echoed_is_no_record_and_no_mark() {
    let play = Play::of(5).await;
    let http = |records: &str, key: &str| {
        let mut http = Listing::Whole.source("source", 10);
        (http["records"], http["key"]) = (json!(records), json!(key));
        http
    };
    let echo = json!({ "args": [{ "id": 1, "url": format!("https://x/?key={SECRET}"), "n": 7 }],
        "headers": { "Authorization": { "id": SECRET, "value": format!("Bearer {SECRET}") }, "Accept": { "id": "a", "value": "*/*" } } });
    // As it is, and as some write what is not a letter.
    for body in [echo.to_string(), echo.to_string().replace('-', "\\u002d")] {
        play.source.always(Some(lie(body)));
        let all = read_all(&mut play.reader(&http("/args", "/id")).await).await.expect("records");
        assert_eq!(all.records, [json!({ "id": 1, "url": "https://x/?key=(hidden)", "n": 7 })]);
        let all = read_all(&mut play.reader(&http("/headers", "/@key")).await).await.expect("records");
        let hidden = json!({ "@key": "Authorization", "id": "(hidden)", "value": "Bearer (hidden)" });
        assert_eq!(all.records, [json!({ "@key": "Accept", "id": "a", "value": "*/*" }), hidden]);
        // What a message quotes of it has no beginning of the secret either.
        for records in ["/items", "/args/0/url"] {
            let (code, _, message) = failure(read_all(&mut play.reader(&http(records, "/id")).await).await.map(|_| ()).expect_err("none"));
            assert_eq!(code, "records_missing");
            assert!(message.contains("(hidden)"), "{message}");
        }
    }
    let csv = format!("id,{SECRET}\n1,\"a \"\"{SECRET}\"\"\"\n");
    play.source.always(Some(Fault::Lie("text/csv".into(), csv)));
    let all = read_all(&mut play.reader(&Listing::Csv.source("source", 10)).await).await.expect("records");
    assert_eq!(all.records, [json!({ "id": "1", "(hidden)": "a \"(hidden)\"" })]);

    // A mark would be kept, and shown.
    let next = format!("https://x/?key={SECRET}&offset=10");
    for (listing, body) in [
        (Listing::Cursor, json!({ "items": [{ "id": 1 }], "next": next })),
        (Listing::Next, json!({ "items": [{ "id": 1 }], "links": { "next": format!("/{SECRET}/next") } })),
        (Listing::Next, json!({ "items": [{ "id": 1 }], "links": { "next": format!("/next?filter=a-{SECRET}") } })),
        (Listing::Keyset, json!({ "items": vec![json!({ "id": SECRET }); 10] })),
    ] {
        play.source.always(Some(lie(body.to_string())));
        let (code, retry, _) =
            failure(read_all(&mut play.reader(&listing.source("source", 10)).await).await.map(|_| ()).expect_err("a mark"));
        assert_eq!((code.as_str(), retry), ("mark_has_secret", false), "{listing:?}");
    }
    let mut http = Listing::Cursor.source("source", 10);
    http["list"]["incremental"] = json!({ "style": "cursor", "parameter": "sync", "pointer": "/sync" });
    play.source.always(Some(lie(json!({ "items": [], "next": null, "sync": next }).to_string())));
    assert_eq!(failure(read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("a mark")).0, "mark_has_secret");
}

#[tokio::test]
async fn nothing_that_changed_may_be_null() {
    let play = Play::of(5).await;
    let mut http = Listing::Whole.source("source", 10);
    http["list"]["incremental"] = json!({ "style": "updated_since", "parameter": "since" });
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    play.source.always(Some(lie(json!({ "items": Value::Null }).to_string())));
    let none = read_all(&mut play.reader_since(&http, json!({}), Some(&all.since())).await).await.expect("none");
    assert_eq!((none.records.len(), none.mark()), (0, all.mark()));
    assert!(read_all(&mut play.reader(&http).await).await.is_err(), "where all is asked for it is no answer");
}
