//! A provider that is short: what it asks for is waited, in the attempt or after it, and nobody is asked sooner.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use windrow_jobs::{
    connection::Used,
    sync::{
        Source as Declared,
        reader::{Reader, Stopped},
    },
};
use windrow_tests::{
    endpoint::Endpoint,
    source::{Fault, Listing, Source},
};

use super::{Play, failure, quick, read_all};

fn headers(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn what_the_provider_asks_for_is_waited() {
    for fields in [
        vec![("retry-after", "1")],
        vec![("ratelimit", "\"burst\";r=0;t=1")],
        vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-interval-milliseconds", "1000")],
    ] {
        let play = Play::of(25).await;
        play.source.fault(2, Fault::Throttle(headers(&fields)));
        let began = Instant::now();
        let all = read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await.expect("all");
        assert_eq!((all.ids().len(), play.source.requests()), (25, 4));
        assert!(began.elapsed() >= Duration::from_secs(1), "{fields:?}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_waited_for_before_anybody_says_no() {
    let play = Play::of(25).await;
    play.source.fault(1, Fault::Headers(headers(&[("ratelimit", "\"burst\";r=0;t=1")])));
    let began = Instant::now();
    let all = read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await.expect("all");
    assert_eq!((all.ids().len(), play.source.requests()), (25, 3));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_says_nothing_is_given_time_and_a_run_may_be_slow_by_itself() {
    let play = Play::of(60).await;
    // As Airtable: too fast is 429, without a word of when.
    play.source.apart(Duration::from_millis(60));
    let all = read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await.expect("all");
    assert_eq!(all.ids().len(), 60);
    assert!(play.source.too_fast() > 0);

    let play = Play::of(60).await;
    play.source.apart(Duration::from_millis(60));
    let mut reader = play.reader_since(&Listing::Cursor.source("source", 10), json!({ "requests_per_s": 10 }), None).await;
    assert_eq!(read_all(&mut reader).await.expect("all").ids().len(), 60);
    assert_eq!(play.source.too_fast(), 0, "as slow as it was told to be");
}

#[tokio::test]
async fn a_longer_wait_is_for_the_job() {
    let play = Play::of(25).await;
    let http = Listing::Cursor.source("source", 10);
    play.source.fault(1, Fault::Throttle(headers(&[("retry-after", "3600")])));
    let stopped = read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("an hour");
    let Stopped::Wait { after, why } = stopped else { panic!("{stopped:?}") };
    assert_eq!(after, Duration::from_secs(3_600));
    assert!(why.contains("429") && !why.contains("planted"), "{why}");
    // GitHub says by 403 that one was too fast.
    play.source.fault(2, Fault::Status(403, headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "600")]), "{}".into()));
    let stopped = read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("ten minutes");
    assert!(matches!(stopped, Stopped::Wait { after, .. } if after == Duration::from_secs(600)), "{stopped:?}");
    // Nobody waits for a thousand years: after a day it is asked again.
    play.source.fault(3, Fault::Throttle(headers(&[("retry-after", "99999999999")])));
    let stopped = read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("a thousand years");
    assert!(matches!(stopped, Stopped::Wait { after, .. } if after == Duration::from_secs(86_400)), "{stopped:?}");
    // One that throttles for ever is waited for only so long.
    play.source.always(Some(Fault::Throttle(headers(&[("retry-after", "1")]))));
    let stopped = read_all(&mut play.reader(&http).await).await.map(|_| ()).expect_err("for ever");
    assert!(matches!(stopped, Stopped::Wait { after, .. } if after == Duration::from_secs(1)), "{stopped:?}");
    assert!(play.given.reports().iter().all(|(_, used)| *used == Used::Well), "the connection is good: {:?}", play.given.reports());
}

#[tokio::test]
async fn who_is_to_stop_waits_for_nobody() {
    let play = Play::of(25).await;
    play.source.always(Some(Fault::Silent));
    let mut reader = play.reader(&Listing::Cursor.source("source", 10)).await;
    let cancel = play.context.cancel.clone();
    let (page, ()) = tokio::join!(reader.page(None), async {
        while play.source.requests() == 0 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    });
    assert_eq!(page, Err(Stopped::Cancelled));

    let play = Play::of(25).await;
    play.source.fault(1, Fault::Throttle(headers(&[("retry-after", "1")])));
    play.lease.0.store(false, Ordering::SeqCst);
    let page = play.reader(&Listing::Cursor.source("source", 10)).await.page(None).await;
    assert_eq!((page, play.source.requests()), (Err(Stopped::Cancelled), 1), "the lease was lost while it waited");
}

#[tokio::test]
async fn who_is_not_let_in_puts_the_connection_into_error() {
    for status in [401, 403] {
        let play = Play::of(25).await;
        play.source.fault(2, Fault::Status(status, vec![], json!({ "no": super::SECRET }).to_string()));
        let stopped = read_all(&mut play.reader(&Listing::Cursor.source("source", 10)).await).await.map(|_| ()).expect_err("refused");
        let (code, retry, message) = failure(stopped);
        assert_eq!((code.as_str(), retry), ("connection_refused", true));
        assert!(message.contains("(hidden)"), "{message}");
        let reports = play.given.reports();
        assert_eq!(reports[0], ("source".into(), Used::Well));
        assert!(
            matches!(&reports[1], (name, Used::Refused(error)) if name == "source" && !error.message.contains("planted")),
            "{reports:?}"
        );
    }
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_in_the_midst_of_a_list() {
    let play = Play::of(35).await;
    let tokens = Endpoint::start(200, json!({ "access_token": "planted-token-one", "expires_in": 3_300 }).to_string()).await;
    let config = json!({ "grant": "client_credentials", "token_url": tokens.url(), "client_id": "us", "client_auth": "basic" });
    play.given.connect("tokens", "oauth2", config, &[("client_secret", "planted-secret")]);
    play.source.token(Some("planted-token-one"));
    let mut http = Listing::Cursor.source("source", 10);
    http["token_connection"] = json!("tokens");
    let mut reader = play.reader(&http).await;
    let first = reader.page(None).await.expect("a page");
    // Another is good from now on.
    play.source.token(Some("planted-token-two"));
    tokens.answer(200, json!({ "access_token": "planted-token-two", "expires_in": 3_300 }).to_string());
    let mut ids: Vec<Value> = first.records.iter().map(|record| record["id"].clone()).collect();
    let mut place = first.next;
    while let Some(here) = place {
        let page = reader.page(Some(&super::kept(&here))).await.expect("a page");
        ids.extend(page.records.iter().map(|record| record["id"].clone()));
        place = page.next;
    }
    assert_eq!((ids.len(), tokens.seen().len(), play.source.requests()), (35, 2, 5), "one page was asked for twice");
    // One that nobody lets in is renewed once, and no more.
    play.source.token(Some("another"));
    let (code, ..) = failure(reader.page(None).await.map(|_| ()).expect_err("refused"));
    assert_eq!((code.as_str(), tokens.seen().len()), ("connection_refused", 3));
    assert!(matches!(play.given.reports().last(), Some((name, Used::Refused(_))) if name == "tokens"), "whose token it was");
}

#[tokio::test]
async fn the_token_goes_to_no_other_origin() {
    let play = Play::of(25).await;
    let other = Source::start(25).await;
    let at_other = |path: &str| format!("{}/{path}", other.url());
    let next = json!({ "items": [], "links": { "next": at_other("next") } }).to_string();
    for (listing, fault, code) in [
        (Listing::Next, Fault::Lie("application/json".into(), next), "next_link_elsewhere"),
        (Listing::Link, Fault::Headers(headers(&[("link", &format!("<{}>; rel=\"next\"", at_other("link")))])), "next_link_elsewhere"),
        (Listing::Page, Fault::Redirect(302, at_other("page")), "redirected_elsewhere"),
        (Listing::Page, Fault::Redirect(308, "//169.254.169.254/latest".into()), "redirected_elsewhere"),
        (Listing::Page, Fault::Redirect(307, "file:///etc/passwd".into()), "redirected_elsewhere"),
        (Listing::Search, Fault::Redirect(307, at_other("search")), "source_refused"),
    ] {
        play.source.always(Some(fault));
        let (known, retry, _) = failure(read_all(&mut play.reader(&listing.source("source", 10)).await).await.map(|_| ()).expect_err(code));
        assert_eq!((known.as_str(), retry), (code, false), "{listing:?}");
    }
    assert_eq!(other.requests(), 0);
    play.source.always(None);
    play.source.fault(play.source.requests() + 1, Fault::Redirect(301, "/page?per_page=10&page=1".into()));
    let all = read_all(&mut play.reader(&Listing::Page.source("source", 10)).await).await.expect("all");
    assert_eq!(all.ids().len(), 25, "at home a redirect is followed");
    play.source.always(Some(Fault::Redirect(302, "/page".into())));
    let (code, ..) = failure(read_all(&mut play.reader(&Listing::Page.source("source", 10)).await).await.map(|_| ()).expect_err("round"));
    assert_eq!(code, "redirected_too_often");
}

#[tokio::test]
async fn a_connection_that_is_none_ends_the_attempt() {
    let play = Play::of(1).await;
    let declared: Declared = serde_json::from_value(json!({ "http": Listing::Page.source("nobody", 10) })).expect("a source");
    let opened = Reader::open_with(&play.services, &play.context, play.ledger.clone(), &declared, &Default::default(), None, quick()).await;
    assert_eq!(failure(Stopped::Failed(opened.map(|_| ()).expect_err("unknown"))).0, "connection_unknown");
}
