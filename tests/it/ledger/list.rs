//! The verb `list`.

use windrow_jobs::{
    clock::VirtualClock,
    job::{JobId, State},
    ledger::{Ledger, ListFilter, Page},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_tenants_jobs_come_newest_first,
    pages_share_nothing_and_miss_nothing,
    every_given_part_of_a_filter_must_fit,
    a_filtered_page_is_full,
    a_page_of_large_jobs_is_short,
    the_last_page_says_that_it_is,
    a_list_says_what_get_says,
}

async fn a_tenants_jobs_come_newest_first(ledger: &dyn Ledger, _: &VirtualClock) {
    // The order is that of the ids, whatever the order of the inserts.
    insert(ledger, [ready(2), ready(5), ready(1)]).await;
    insert(ledger, [NewJob { tenant: tenant_named("north"), ..ready(3) }, ready(4)]).await;
    assert_eq!(listed(ledger, &ListFilter::default()).await, [id(5), id(4), id(2), id(1)]);
}

async fn pages_share_nothing_and_miss_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=7).map(ready)).await;
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = page(ledger, &ListFilter::default(), Page { before, size: 3, ..ALL_JOBS }).await;
        before = page.last().copied();
        if before.is_none() {
            break;
        }
        pages.push(page);
    }
    assert_eq!(pages, [vec![id(7), id(6), id(5)], vec![id(4), id(3), id(2)], vec![id(1)]]);
}

async fn every_given_part_of_a_filter_must_fit(ledger: &dyn Ledger, _: &VirtualClock) {
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    insert(ledger, [NewJob { kind: "sync.run".to_owned(), tags: tags(&["red", "blue"]), ..ready(1) }]).await;
    let created = |after_ms, job| NewJob { created_at: START.plus_ms(after_ms), queue: queue_named("syncs"), ..job };
    insert(ledger, [created(10, NewJob { kind: "sync.run".to_owned(), ..ready(2) })]).await;
    insert(ledger, [created(20, NewJob { tags: tags(&["blue", "it's \"odd\""]), ..ready(3) })]).await;
    run(ledger, 3, done()).await;

    let any = ListFilter::default;
    let syncs = || Some(queue_named("syncs"));
    let table = [
        (ListFilter { kind: Some("sync.run".to_owned()), ..any() }, vec![2, 1]),
        (ListFilter { kind: Some("sync".to_owned()), ..any() }, vec![]),
        (ListFilter { queue: syncs(), ..any() }, vec![3, 2]),
        (ListFilter { state: Some(State::Completed), ..any() }, vec![3]),
        (ListFilter { state: Some(State::Available), ..any() }, vec![2, 1]),
        (ListFilter { state: Some(State::Scheduled), ..any() }, vec![]),
        (ListFilter { tag: Some("blue".to_owned()), ..any() }, vec![3, 1]),
        (ListFilter { tag: Some("it's \"odd\"".to_owned()), ..any() }, vec![3]),
        (ListFilter { tag: Some("blu".to_owned()), ..any() }, vec![]),
        (ListFilter { created_from: Some(START.plus_ms(10)), ..any() }, vec![3, 2]),
        (ListFilter { created_to: Some(START.plus_ms(10)), ..any() }, vec![1]),
        (ListFilter { created_from: Some(START.plus_ms(10)), created_to: Some(START.plus_ms(11)), ..any() }, vec![2]),
        (ListFilter { queue: syncs(), tag: Some("blue".to_owned()), state: Some(State::Completed), ..any() }, vec![3]),
        (ListFilter { queue: syncs(), tag: Some("red".to_owned()), ..any() }, vec![]),
    ];
    for (filter, numbers) in table {
        assert_eq!(listed(ledger, &filter).await, numbers.into_iter().map(id).collect::<Vec<_>>(), "{filter:?}");
    }
}

async fn a_filtered_page_is_full(ledger: &dyn Ledger, _: &VirtualClock) {
    let kind = |number: u64| if number.is_multiple_of(10) { "rare" } else { "common" };
    insert(ledger, (1..=60).map(|number| NewJob { kind: kind(number).to_owned(), ..ready(number) })).await;
    let filter = ListFilter { kind: Some("rare".to_owned()), ..ListFilter::default() };
    assert_eq!(page(ledger, &filter, Page { before: Some(id(55)), size: 3, ..ALL_JOBS }).await, [id(50), id(40), id(30)]);
}

async fn a_page_of_large_jobs_is_short(ledger: &dyn Ledger, _: &VirtualClock) {
    // Payloads of 10 bytes, and a result of 10 at the job in the middle.
    const TEN_BYTES: &str = "\"12345678\"";
    insert(ledger, (1..=5).map(|number| NewJob { payload: json(TEN_BYTES), ..ready(number) })).await;
    run(ledger, 3, Ending::Done(TEN_BYTES.to_owned())).await;
    // How far a page of at most three jobs comes, by the bytes before its last job.
    for (bytes_max, expected) in [(0, vec![5]), (9, vec![5]), (10, vec![5, 4]), (20, vec![5, 4, 3]), (1_000, vec![5, 4, 3])] {
        let page = ledger.list(&tenant(), &ListFilter::default(), Page { before: None, size: 3, bytes_max }).await.expect("list");
        let ids: Vec<JobId> = page.jobs.iter().map(|job| job.id).collect();
        assert_eq!((ids, page.more), (expected.into_iter().map(id).collect(), true), "{bytes_max} bytes");
    }
    let rest = ledger.list(&tenant(), &ListFilter::default(), Page { before: Some(id(4)), size: 3, bytes_max: 19 }).await.expect("list");
    assert_eq!((rest.jobs.len(), rest.more), (1, true), "the result counts too");
}

async fn the_last_page_says_that_it_is(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    for (size, before, jobs, more) in [(2, None, 2, true), (3, None, 3, false), (2, Some(id(3)), 2, false), (2, Some(id(1)), 0, false)] {
        let page = ledger.list(&tenant(), &ListFilter::default(), Page { before, size, ..ALL_JOBS }).await.expect("list");
        assert_eq!((page.jobs.len(), page.more), (jobs, more), "{size} before {before:?}");
    }
}

async fn a_list_says_what_get_says(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2), scheduled(3, START.plus_ms(9))]).await;
    run(ledger, 1, retry()).await;
    claim(ledger, 2).await;
    for job in ledger.list(&tenant(), &ListFilter::default(), ALL_JOBS).await.expect("list").jobs {
        let got = ledger.get(&tenant(), job.id).await.expect("get").expect("the job is there");
        assert_eq!(format!("{job:?}"), format!("{got:?}"));
    }
}

async fn page(ledger: &dyn Ledger, filter: &ListFilter, page: Page) -> Vec<JobId> {
    ledger.list(&tenant(), filter, page).await.expect("list").jobs.into_iter().map(|job| job.id).collect()
}
