//! Paging, played without a network: for every length of a list, every page size and every style each record is read exactly once; and what
//! becomes of a list that moves, or that has no end.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Wrong,
    ask::{Ask, ask, first},
    paging::{Had, known_by, next, without_overlap},
    place::{At, Place},
    records::{said, take},
};
use crate::{clock::Timestamp, connection::Hidden, sync::definition::HttpSource};

/// The styles that are played.
const STYLES: [&str; 8] = ["page", "page_of_total", "offset", "offset_of_total", "offset_unchecked", "cursor", "next_link", "keyset"];

fn source(style: &str, size: u64) -> HttpSource {
    let sized = json!({ "parameter": "size", "records": size });
    let pagination = match style {
        "page" => json!({ "style": "page", "parameter": "page", "size": sized }),
        "page_of_total" => json!({ "style": "page", "parameter": "page", "size": sized, "total": "/total" }),
        "offset" => json!({ "style": "offset", "parameter": "offset", "size": sized }),
        "offset_of_total" => json!({ "style": "offset", "parameter": "offset", "size": sized, "total": "/total" }),
        "offset_unchecked" => json!({ "style": "offset", "parameter": "offset", "size": sized, "verify": "none" }),
        "cursor" => json!({ "style": "cursor", "parameter": "cursor", "pointer": "/next", "size": sized }),
        "next_link" => json!({ "style": "next_link", "pointer": "/next" }),
        _ => json!({ "style": "keyset", "parameter": "after", "pointer": "/id", "size": sized }),
    };
    let source = json!({ "connection": "c", "key": "/id", "records": "/items", "list": { "query": { "size": size.to_string() }, "pagination": pagination } });
    serde_json::from_value(source).expect("a source")
}

/// A provider that has these ids, in this order, and gives at most so many of them in a page.
fn answer(ids: &[u64], at: &At, asked: &Ask, most: u64) -> Value {
    let number = |name: &str| asked.query.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse::<u64>().ok());
    let size = number("size").expect("a size").min(most);
    let after = |id: u64| ids.iter().position(|known| *known > id).unwrap_or(ids.len()) as u64;
    let from = match at {
        At::Link(link) => link.parse().expect("a place"),
        _ => match (number("page"), number("offset"), number("cursor"), number("after")) {
            (Some(page), ..) => (page - 1) * size,
            (_, Some(offset), ..) => offset,
            (_, _, Some(cursor), _) => cursor,
            (_, _, _, Some(last)) => after(last),
            _ => 0,
        },
    };
    let items: Vec<Value> = ids.iter().skip(from as usize).take(size as usize).map(|id| json!({ "id": id })).collect();
    let end = from + items.len() as u64;
    let next = if end < ids.len() as u64 { json!(end.to_string()) } else { Value::Null };
    json!({ "items": items, "total": ids.len(), "next": next })
}

/// What came of reading a list.
#[derive(Debug, PartialEq)]
enum Read {
    All { ids: Vec<u64>, pages: u64 },
    Shifted,
    Wrong(String),
}

/// Reads a list whose answers are `answers` of the number of the page.
fn read(source: &HttpSource, pages_max: u64, mut answers: impl FnMut(u64, &At, &Ask) -> Value) -> Read {
    let mut here = Place::first(first(&source.list), Timestamp::default(), None);
    let mut ids = Vec::new();
    for page in 1..=pages_max {
        let root = answers(page, &here.at, &ask(&source.list, &here.at, None));
        let stepped = (|| -> Result<Option<Option<Place>>, Wrong> {
            let said = said(&source.list, &root, &Hidden::default())?;
            let mut records = take(source, root, false, &Hidden::default())?;
            let Some(again) = without_overlap(&source.list, &here, &mut records, |record| known_by(source, record)) else {
                return Ok(None);
            };
            ids.extend(records.iter().filter_map(|record| record["id"].as_u64()));
            let last = records.last().map(|record| known_by(source, record));
            next(&source.list, &here, said, &Had { new: &records, again, last }).map(Some)
        })();
        match stepped {
            Err(wrong) => return Read::Wrong(wrong.0.code),
            Ok(None) => return Read::Shifted,
            Ok(Some(None)) => return Read::All { ids, pages: page },
            // As a run keeps it.
            Ok(Some(Some(next))) => here = serde_json::from_str(&serde_json::to_string(&next).expect("JSON")).expect("a place"),
        }
    }
    Read::Wrong("no end".into())
}

proptest! {
    #[test]
    fn each_record_is_read_exactly_once(length in 0_u64..60, size in 1_u64..25, most in 1_u64..30, style in prop::sample::select(STYLES.to_vec())) {
        let ids: Vec<u64> = (1..=length).collect();
        let source = source(style, size);
        let full = size.min(most);
        // Where each page has the last of the one before again, a page of one record would go nowhere.
        prop_assume!(!(style.starts_with("offset") && style != "offset_unchecked" && size > 1 && full == 1));
        let came = read(&source, 200, |_, at, asked| answer(&ids, at, asked, most));
        let Read::All { ids: came, pages } = came else { return Err(TestCaseError::fail(format!("{came:?}"))) };
        prop_assert_eq!(came, ids);
        let step = if style.starts_with("offset") && style != "offset_unchecked" && full > 1 { full - 1 } else { full };
        prop_assert!(pages <= length / step + 2, "{} pages", pages);
    }

    #[test]
    fn a_list_that_moved_is_noticed_where_each_page_looks_back(
        length in 10_u64..60, size in 2_u64..10, when in 2_u64..6, place in 0_usize..100, adds in any::<bool>()
    ) {
        let mut ids: Vec<u64> = (1..=length).collect();
        let source = source("offset", size);
        let mut moved = false;
        let came = read(&source, 200, |page, at, asked| {
            let At::Offset(before) = at else { panic!("an offset") };
            if page == when {
                let place = place % (*before as usize).max(1);
                moved = *before > 0 && *before <= ids.len() as u64;
                if adds { ids.insert(place, 1_000) } else { ids.remove(place); }
            }
            answer(&ids, at, asked, u64::MAX)
        });
        if moved {
            prop_assert_eq!(came, Read::Shifted);
        }
    }
}

#[test]
fn a_total_that_is_wrong_ends_no_list() {
    // What some say is the page's count, or the number of pages; and a list may shrink while it is read.
    let lies: [fn(u64, u64) -> u64; 4] = [|_, had| had, |_, _| 3, |_, _| 1, |page, _| if page < 3 { 12 } else { 2 }];
    for style in ["page_of_total", "offset_of_total"] {
        for (lie, length) in lies.into_iter().flat_map(|lie| [6_u64, 12, 13].map(|length| (lie, length))) {
            let ids: Vec<u64> = (1..=length).collect();
            let came = read(&source(style, 4), 20, |page, at, asked| {
                let mut root = answer(&ids, at, asked, u64::MAX);
                let had = root["items"].as_array().map_or(0, Vec::len) as u64;
                root["total"] = lie(page, had).into();
                root
            });
            let Read::All { ids: came, .. } = came else { panic!("{style} of {length}: {came:?}") };
            assert_eq!(came, ids, "{style}");
        }
    }
    // One that is right costs no request, unless the last page is full.
    for (length, expected) in [(0, 1), (3, 1), (4, 2), (6, 2), (8, 3)] {
        let ids: Vec<u64> = (1..=length).collect();
        let came = read(&source("page_of_total", 4), 20, |_, at, asked| answer(&ids, at, asked, u64::MAX));
        assert_eq!(came, Read::All { ids, pages: expected });
    }
}

#[test]
fn what_has_no_end_is_broken_off() {
    let paged = |style: &str, mut answers: Box<dyn FnMut(u64) -> Value>| read(&source(style, 2), 10_000, move |page, _, _| answers(page));
    let two = |page: u64| vec![json!({ "id": 2 * page }), json!({ "id": 2 * page + 1 })];
    let circles = Read::Wrong("source_circles".into());
    // A provider that heeds no parameter.
    for style in ["page", "page_of_total", "offset_unchecked"] {
        assert_eq!(paged(style, Box::new(move |_| json!({ "items": two(1), "total": 1_000_000 }))), circles, "{style}");
    }
    // Links and marks that lead back, to themselves or far back.
    assert_eq!(paged("next_link", Box::new(move |page| json!({ "items": two(page), "next": "same" }))), circles);
    assert_eq!(paged("cursor", Box::new(move |page| json!({ "items": two(page), "next": (page % 50).to_string() }))), circles);
    assert_eq!(paged("keyset", Box::new(move |_| json!({ "items": two(1) }))), circles);
    // Marks that are new each time, for pages that are not.
    assert_eq!(paged("cursor", Box::new(move |page| json!({ "items": two(page % 7), "next": page.to_string() }))), circles);
    assert_eq!(paged("next_link", Box::new(move |page| json!({ "items": two(1), "next": page.to_string() }))), circles);
    // Nothing, and always more of it.
    assert_eq!(paged("cursor", Box::new(|page| json!({ "items": [], "next": page.to_string() }))), Read::Wrong("source_endless".into()));
    let truncated =
        paged("page_of_total", Box::new(move |page| json!({ "items": if page < 3 { two(page) } else { vec![] }, "total": 100 })));
    assert_eq!(truncated, Read::Wrong("source_truncated".into()));
    // What always has something new is for the run's limits.
    assert_eq!(paged("page", Box::new(move |page| json!({ "items": two(page) }))), Read::Wrong("no end".into()));
}

#[test]
fn a_few_pages_that_say_the_same_or_nothing_are_borne() {
    // Airtable gives empty pages where it filters.
    let two = |page: u64| vec![json!({ "id": 2 * page }), json!({ "id": 2 * page + 1 })];
    let came = read(&source("cursor", 2), 1_000, |page, _, _| match page {
        1..=60 => json!({ "items": [], "next": page.to_string() }),
        61 => json!({ "items": two(1), "next": "x" }),
        _ => json!({ "items": two(2), "next": "" }),
    });
    assert_eq!(came, Read::All { ids: vec![2, 3, 4, 5], pages: 62 });
    // A list that grows by a page moves the page's records to the next.
    let came = read(
        &source("page", 2),
        1_000,
        |page, _, _| json!({ "items": if page < 3 { two(1) } else if page == 3 { two(2) } else { vec![] } }),
    );
    assert_eq!(came, Read::All { ids: vec![2, 3, 2, 3, 4, 5], pages: 4 });
}
