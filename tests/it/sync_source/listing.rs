//! Every way to list: each record once, as it is; by attempts that die between two pages; where the list is packed, is cut into smaller pages than
//! were asked for, or moves.

use std::sync::Arc;

use serde_json::{Value, json};
use windrow_jobs::{
    ledger::Records,
    sync::{Source as Declared, definition::Limits, read, reader::Reader, store::NewRecord},
};
use windrow_tests::{jobs::tenant, source::Listing};

use super::{Play, kept, read_all};

#[tokio::test]
async fn every_listing_gives_each_record_once() {
    for records in [0, 1, 9, 10, 11, 35] {
        let play = Play::of(records).await;
        for listing in Listing::ALL {
            let before = play.source.requests();
            let all = read_all(&mut play.reader(&listing.source("source", 10)).await).await;
            let all = all.unwrap_or_else(|stopped| panic!("{listing:?} of {records}: {stopped:?}"));
            assert_eq!(all.ids(), (1..=records).collect::<Vec<_>>(), "{listing:?}");
            let asked = play.source.requests() - before;
            assert!(asked <= records / 9 + 2, "{listing:?} of {records}: {asked} requests");
            assert_eq!(asked, all.pages.len() as u64);
            assert!(all.pages.iter().all(|page| page.bytes > 0 || page.records.is_empty()));
            if let Some(record) = all.records.last() {
                let expected = match listing {
                    Listing::Csv => {
                        json!({ "id": records.to_string(), "name": format!("Record, {records}"), "email": format!("r{records}@example.com") })
                    }
                    Listing::Xml => json!({ "@id": records.to_string(), "name": format!("Record & {records}") }),
                    _ => play.source.with(|data| data.record(records)),
                };
                assert_eq!(*record, expected, "{listing:?}");
            }
            let told = matches!(listing, Listing::PageOfTotal | Listing::OffsetOfTotal);
            assert_eq!(all.pages[0].total, told.then_some(records), "{listing:?}");
        }
        assert!(play.source.seen().iter().all(|asked| asked.header("accept-encoding") == Some("gzip")));
    }
}

#[tokio::test]
async fn another_attempt_goes_on_at_the_page_where_one_was_killed() {
    let play = Play::of(35).await;
    for listing in Listing::PAGED {
        let (http, mut ids, mut place) = (listing.source("source", 10), Vec::new(), None);
        loop {
            let page = play.reader(&http).await.page(place.as_ref()).await.expect("a page");
            ids.extend(page.records.iter().filter_map(|record| record["id"].as_u64()));
            match page.next {
                Some(next) => place = Some(kept(&next)),
                None => break,
            }
        }
        assert_eq!(ids, (1..=35).collect::<Vec<_>>(), "{listing:?}");
    }
}

#[tokio::test]
async fn packed_pages_and_pages_of_a_size_of_the_providers_own_are_read_like_others() {
    let play = Play::of(40).await;
    play.source.packs();
    play.source.gives_at_most(7);
    for listing in Listing::PAGED {
        let all = read_all(&mut play.reader(&listing.source("source", 10)).await).await.expect("all");
        assert_eq!(all.ids(), (1..=40).collect::<Vec<_>>(), "{listing:?}");
    }
    let plain: u64 = (1..=40).map(|id| play.source.with(|data| data.record(id)).to_string().len() as u64).sum();
    let all = read_all(&mut play.reader(&Listing::Whole.source("source", 10)).await).await.expect("all");
    assert!(all.pages[0].bytes > plain, "bytes are counted unpacked: {} of {plain}", all.pages[0].bytes);
}

#[tokio::test]
async fn a_list_by_offset_that_moves_is_to_be_read_anew() {
    for removes in [true, false] {
        let play = Play::of(50).await;
        // Before the third page one of the first goes, or one comes before all.
        play.source.at(3, move |data| if removes { data.remove(4) } else { _ = data.add() });
        let all = read_all(&mut play.reader(&Listing::Offset.source("source", 10)).await).await.expect("pages");
        let last = all.pages.last().expect("a page");
        assert!(last.shifted && last.records.is_empty() && last.next.is_none(), "{last:?}");
        assert_eq!(play.source.requests(), 3);
        // Read anew it is what is there now.
        let mut ids = read_all(&mut play.reader(&Listing::Offset.source("source", 10)).await).await.expect("all").ids();
        ids.sort_unstable();
        assert_eq!(ids, play.source.with(|data| data.ids_after(0).collect::<Vec<_>>()));
    }
}

#[tokio::test]
async fn lists_by_key_stay_whole_while_they_change() {
    for listing in [Listing::Cursor, Listing::Next, Listing::Link, Listing::Keyset, Listing::Search] {
        let play = Play::of(50).await;
        for request in 2..6 {
            play.source.at(request, move |data| {
                data.remove(request);
                data.remove(45 + request);
                data.add();
            });
        }
        let ids = read_all(&mut play.reader(&listing.source("source", 10)).await).await.expect("all").ids();
        let stood: Vec<u64> = (1..=50).filter(|id| !(2..6).contains(id) && !(47..51).contains(id)).collect();
        assert!(stood.iter().all(|id| ids.contains(id)), "{listing:?}: {ids:?}");
    }
}

#[tokio::test]
async fn a_mark_that_the_provider_forgot_begins_the_list_anew_once() {
    let play = Play::of(50).await;
    // As Airtable says it.
    let forgot = windrow_tests::source::Fault::Status(
        422,
        vec![],
        json!({ "error": { "type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE" } }).to_string(),
    );
    play.source.fault(3, forgot.clone());
    let mut reader = play.reader(&Listing::Cursor.source("source", 10)).await;
    let all = read_all(&mut reader).await.expect("pages");
    assert!(all.pages.last().is_some_and(|page| page.shifted));
    assert_eq!(read_all(&mut reader).await.expect("all").ids().len(), 50);
    play.source.fault(play.source.requests() + 2, forgot);
    let (code, retry, message) = super::failure(read_all(&mut reader).await.map(|_| ()).expect_err("again"));
    assert_eq!((code.as_str(), retry), ("source_refused", false));
    assert!(message.contains("LIST_RECORDS_ITERATOR_NOT_AVAILABLE"), "{message}");
}

#[tokio::test]
async fn a_link_is_kept_without_the_secret_in_it() {
    let play = Play::of(30).await;
    let body = json!({ "items": [{ "id": 1 }], "links": { "next": format!("{}/next?limit=10&key={}&after=20", play.source.url(), super::SECRET) } });
    play.source.fault(1, windrow_tests::source::Fault::Lie("application/json".into(), body.to_string()));
    let all = read_all(&mut play.reader(&Listing::Next.source("source", 10)).await).await.expect("all");
    assert_eq!(all.ids(), [&[1][..], &(21..=30).collect::<Vec<_>>()].concat());
    let seen = play.source.seen();
    assert_eq!(seen[1].query, [("after".to_owned(), "20".to_owned()), ("limit".to_owned(), "10".to_owned())].into());
}

#[tokio::test]
async fn the_tenants_own_records_are_read_by_key() {
    let play = Play::of(0).await;
    for number in 0..450 {
        let data = json!({ "n": number }).to_string();
        let new = NewRecord { tenant: tenant(), collection: "people".into(), key: format!("k{number:03}"), data, seen: None };
        play.ledger.keep_record(new).await.expect("kept");
    }
    play.ledger.delete_record(&tenant(), "people", "k007", None).await.expect("deleted");
    let declared: Declared = serde_json::from_value(json!({ "records": { "collection": "people" } })).expect("a source");
    let records: Arc<dyn Records> = play.ledger.clone();
    let mut reader = Reader::open(&play.services, &play.context, records, &declared, &Limits::default(), None).await.expect("it opens");
    let all = read_all(&mut reader).await.expect("all");
    let keys: Vec<String> = all.records.iter().map(|record| read::key(&declared, record).expect("a key")).collect();
    assert_eq!(keys, (0..450).filter(|number| *number != 7).map(|number| format!("k{number:03}")).collect::<Vec<_>>());
    assert_eq!(all.pages.len(), 3);
    assert!(read::updated_at(&declared, &all.records[0]).expect("read").is_some());
    assert_eq!(read::content(&declared, all.records[449 - 1].clone()), json!({ "n": 449 }));
    let elsewhere: Value = serde_json::to_value(all.pages[0].next.as_ref().expect("more")).expect("JSON");
    let place = serde_json::from_value(elsewhere).expect("a place");
    let stopped =
        play.reader(&Listing::Page.source("source", 10)).await.page(Some(&place)).await.map(|_| ()).expect_err("of another source");
    assert_eq!(super::failure(stopped).0, "place_invalid");
}
