//! What changed since the run before, asked for in each way; and what says that nothing did.

use serde_json::{Value, json};
use windrow_jobs::{
    clock::Timestamp,
    sync::{reader::Stopped, state::Since},
};
use windrow_tests::source::{BASE_AT, Fault, Listing};

use super::{Play, read_all};

fn with(listing: Listing, incremental: Value) -> Value {
    let mut http = listing.source("source", 10);
    http["list"]["incremental"] = incremental;
    http
}

#[tokio::test]
async fn what_changed_since_the_greatest_instant_is_asked_for() {
    let play = Play::of(30).await;
    let http = with(Listing::Keyset, json!({ "style": "updated_since", "parameter": "updated_since", "overlap_s": 0 }));
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    assert_eq!(all.mark(), Some(json!({ "updated_at": BASE_AT }).to_string()));
    assert!(all.pages.iter().all(|page| page.mark.is_some()));

    play.source.with(|data| {
        data.change(3);
        data.add();
        data.remove(5);
    });
    let since = Since { version: 1, mark: json!({ "updated_at": BASE_AT.plus_ms(1) }).to_string(), runs: 0, run: 1 };
    let mut reader = play.reader_since(&http, json!({}), Some(&since)).await;
    let changed = read_all(&mut reader).await.expect("what changed");
    assert_eq!(changed.ids(), [3, 5, 31]);
    assert_eq!(changed.records[1]["deleted"], true);
    let greatest = changed.records.iter().filter_map(|record| record["updated_at"].as_str()).max().expect("one");
    assert_eq!(changed.mark(), Some(json!({ "updated_at": greatest }).to_string()));
    let asked = play.source.seen().last().expect("a request").query["updated_since"].clone();
    assert_eq!(asked, BASE_AT.plus_ms(1).to_string());

    // Where nothing changed the mark stays.
    let later = Since { mark: json!({ "updated_at": "2999-01-01T00:00:00.000Z" }).to_string(), ..since };
    let nothing = read_all(&mut play.reader_since(&http, json!({}), Some(&later)).await).await.expect("nothing");
    assert_eq!((nothing.ids().len(), nothing.mark()), (0, Some(later.mark)));
}

#[tokio::test]
async fn a_mark_is_never_later_than_the_list_was_begun() {
    let play = Play::of(0).await;
    let http = with(Listing::Whole, json!({ "style": "updated_since", "parameter": "since" }));
    let body = json!({ "items": [{ "id": 1, "updated_at": "2998-01-01T00:00:00Z" }, { "id": 2, "updated_at": "soon" }] });
    play.source.fault(1, Fault::Lie("application/json".into(), body.to_string()));
    let before = play.services.clock.now();
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    let mark: Value = serde_json::from_str(&all.mark().expect("a mark")).expect("JSON");
    let mark = Timestamp::parse_rfc3339(mark["updated_at"].as_str().expect("a text")).expect("an instant");
    assert!(mark >= before && mark <= play.services.clock.now(), "a clock that is wrong would have us ask for nothing until then");
}

#[tokio::test]
async fn a_clock_of_ours_that_is_ahead_passes_over_nothing() {
    let play = Play::of(0).await;
    let http = with(Listing::Page, json!({ "style": "updated_since", "parameter": "since" }));
    // What the provider's clock says: five minutes behind ours. Both pages were changed after the list was begun, by its clock.
    let began = play.services.clock.now().plus_ms(-300_000).full_second();
    let date = |at: Timestamp| chrono::DateTime::from_timestamp_millis(at.ms()).expect("an instant").to_rfc2822().replace("+0000", "GMT");
    let page = |ids: std::ops::Range<u64>, said_at: Timestamp, changed_at: Timestamp| {
        let items: Vec<Value> = ids.map(|id| json!({ "id": id, "updated_at": changed_at })).collect();
        Fault::Status(200, vec![("date".into(), date(said_at))], json!({ "items": items }).to_string())
    };
    play.source.fault(1, page(1..11, began, BASE_AT));
    play.source.fault(2, page(11..21, began.plus_ms(240_000), began.plus_ms(230_000)));
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    let mark: Value = serde_json::from_str(&all.mark().expect("a mark")).expect("JSON");
    let mark = Timestamp::parse_rfc3339(mark["updated_at"].as_str().expect("a text")).expect("an instant");
    assert!(mark <= began && mark > began.plus_ms(-60_000), "{mark} of {began}: what changed since was not read as it is now");
}

#[tokio::test]
async fn a_mark_of_the_providers_own_is_given_back_until_it_is_refused() {
    let play = Play::of(25).await;
    let http = with(Listing::Cursor, json!({ "style": "cursor", "parameter": "sync", "pointer": "/sync" }));
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    assert_eq!(all.mark(), Some(json!({ "cursor": "0" }).to_string()), "of the last page");
    assert_eq!(all.pages[0].mark, None);
    play.source.with(|data| (1..=12).for_each(|id| data.change(id)));
    let changed = read_all(&mut play.reader_since(&http, json!({}), Some(&all.since())).await).await.expect("what changed");
    assert_eq!(changed.ids(), (1..=12).collect::<Vec<_>>());
    assert_eq!(changed.mark(), Some(json!({ "cursor": "12" }).to_string()));
    play.source.with(|data| data.marks_from = 5);
    let expired = read_all(&mut play.reader_since(&http, json!({}), Some(&all.since())).await).await.map(|_| ());
    assert_eq!(expired, Err(Stopped::Expired));
    let unreadable = Since { mark: "{".into(), ..all.since() };
    let expired = read_all(&mut play.reader_since(&http, json!({}), Some(&unreadable)).await).await.map(|_| ());
    assert_eq!(expired, Err(Stopped::Expired));
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let play = Play::of(5).await;
    let http = with(Listing::Whole, json!({ "style": "validators" }));
    let all = read_all(&mut play.reader(&http).await).await.expect("all");
    assert_eq!(all.ids().len(), 5);
    assert!(!play.source.seen()[0].headers.contains_key("if-none-match"));
    let since = all.since();
    let again = read_all(&mut play.reader_since(&http, json!({}), Some(&since)).await).await.expect("nothing");
    assert!(again.pages[0].not_modified && again.records.is_empty());
    assert_eq!(again.mark().as_ref(), Some(&since.mark));
    let asked = play.source.seen().pop().expect("a request");
    assert_eq!((asked.header("if-none-match"), asked.header("if-modified-since")), (Some("\"v0\""), Some("Thu, 01 Jan 2026 00:00:00 GMT")));
    play.source.with(|data| data.change(2));
    let changed = read_all(&mut play.reader_since(&http, json!({}), Some(&since)).await).await.expect("all");
    assert_eq!(changed.ids().len(), 5);
    assert_ne!(changed.mark(), Some(since.mark));
}

#[tokio::test]
async fn to_say_nothing_is_not_to_have_nothing() {
    let play = Play::of(35).await;
    let silent = Fault::Status(204, vec![], String::new());
    play.source.fault(1, silent.clone());
    let all = read_all(&mut play.reader(&Listing::Whole.source("source", 10)).await).await.expect("nothing");
    assert!(all.pages[0].not_modified && all.records.is_empty());
    // At the end of what can be counted it is the end; where more was promised it is not.
    play.source.fault(4, silent.clone());
    let all = read_all(&mut play.reader(&Listing::Keyset.source("source", 15)).await).await.expect("some");
    assert_eq!((all.ids().len(), all.pages[2].not_modified), (30, false));
    play.source.fault(6, silent);
    let stopped = read_all(&mut play.reader(&Listing::Cursor.source("source", 15)).await).await.map(|_| ()).expect_err("more was promised");
    assert_eq!(super::failure(stopped).0, "source_truncated");
}
