//! A reader sees a document as it was or as it is, never between: while it is written again and again, whatever statement of a write fails,
//! and wherever a write is broken off.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, SqlSafeStr};
use windrow_jobs::{
    clock::VirtualClock,
    search::{
        Query,
        sql::Statements,
        store::{Begun, Place, Put, Switched, Which},
    },
};
use windrow_tests::{
    jobs::{id, tenant},
    searches::{INDEX, Opened, VERSIONED, all_of_it, hits, open, put, settings, stage, version_of, versioned},
};

use super::PUT_STEPS;

stores! {
    a_reader_sees_one_version_or_the_other,
    a_reader_of_a_switch_sees_one_generation_or_the_other,
    a_write_that_fails_at_any_statement_leaves_what_was_there,
    a_write_that_is_broken_off_leaves_what_was_there,
    writers_at_once_leave_what_one_of_them_wrote,
}

const VERSIONS: u64 = 40;

async fn a_reader_sees_one_version_or_the_other(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &versioned(1)).await;
    let (is_over, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, is_over, reads) = (store.shared(), is_over.clone(), reads.clone());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while !is_over.load(Ordering::Relaxed) {
                    seen.insert(version_of(&hits(&*store, &tenant(), &all_of_it()).await));
                    reads.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    for version in 2..=VERSIONS {
        assert_eq!(put(&**store, &place, &versioned(version)).await, Put::Stored { added: VERSIONED, kept: 1, removed: VERSIONED });
        // Each version is read, so that readers and writers do meet.
        let before = reads.load(Ordering::Relaxed);
        while reads.load(Ordering::Relaxed) < before + 2 {
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        let seen = reader.await.expect("a reader saw one version at a time");
        assert!(seen.len() > 1, "{seen:?}");
    }
}

async fn a_reader_of_a_switch_sees_one_generation_or_the_other(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &versioned(1)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, is_over) = (store.shared(), is_over.clone());
        tokio::spawn(async move {
            let by_words = Query { vector: None, ..all_of_it() };
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(version_of(&hits(&*store, &tenant(), &by_words).await), 1);
                tokio::task::yield_now().await;
            }
        })
    };
    for round in 0..6_u16 {
        let Begun::Next(next) = store.begin_generation(&tenant(), INDEX, &settings("m", 2 + round)).await.expect("begun") else {
            panic!("it begins")
        };
        let next = Place { generation: next.number, ..place.clone() };
        let told = versioned(1);
        let vectors: Vec<_> = told.chunks.iter().map(|chunk| (chunk.hash, vec![1.0; usize::from(2 + round)])).collect();
        store.stage(&next, &vectors).await.expect("staged");
        store.put_document(&next, &told).await.expect("put");
        assert_eq!(store.switch(&next).await, Ok(Switched::Done));
        while store.prune().await.expect("pruned") {}
    }
    is_over.store(true, Ordering::Relaxed);
    reader.await.expect("the reader saw one generation at a time");
}

async fn a_write_that_fails_at_any_statement_leaves_what_was_there(store: &Opened, clock: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &versioned(1)).await;
    let broken = |which: &'static str| {
        move |statements: &mut Statements| {
            let text = || AssertSqlSafe("SELECT no_such_column".to_owned()).into_sql_str();
            statements.each().filter(|(name, _)| *name == which).for_each(|(_, statement)| *statement = text());
        }
    };
    let mut version = 1;
    // The last is no step of a put: one that is complete needs nothing else.
    for step in PUT_STEPS.into_iter().chain(["stage"]) {
        let Some(other) = store.again(clock, broken(step)).await else { return };
        let next = versioned(version + 1);
        stage(&**store, &place, &next).await;
        let put = other.put_document(&place, &next).await;
        if step == "stage" {
            assert!(matches!(put, Ok(Put::Stored { .. })), "{put:?}");
        } else {
            put.expect_err(step);
            assert_eq!(version_of(&hits(&**store, &tenant(), &all_of_it()).await), version, "{step}");
            let again = store.put_document(&place, &next).await;
            assert_eq!(again, Ok(Put::Stored { added: VERSIONED, kept: 1, removed: VERSIONED }), "{step}");
        }
        version += 1;
        assert_eq!(version_of(&hits(&**store, &tenant(), &all_of_it()).await), version, "{step}");
        let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
        assert_eq!((index.documents, index.chunks), (1, u64::from(VERSIONED) + 1), "{step}");
    }
}

async fn a_write_that_is_broken_off_leaves_what_was_there(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    put(&**store, &place, &versioned(1)).await;
    let mut broken_off = 0;
    // From at once until after it is over, whatever the machine is busy with.
    for (pause, old) in (0..60_u64).zip(1..) {
        let new = old + 1;
        let next = versioned(new);
        stage(&**store, &place, &next).await;
        let writing = store.put_document(&place, &next);
        if tokio::time::timeout(Duration::from_micros(pause * 150), writing).await.is_err() {
            broken_off += 1;
        }
        let seen = version_of(&hits(&**store, &tenant(), &all_of_it()).await);
        assert!(seen == old || seen == new, "{seen} after {old}");
        store.put_document(&place, &next).await.expect("the same again");
        assert_eq!(version_of(&hits(&**store, &tenant(), &all_of_it()).await), new);
    }
    println!("{broken_off} of 60 writes were broken off");
}

async fn writers_at_once_leave_what_one_of_them_wrote(store: &Opened, _: &VirtualClock) {
    let place = open(&**store, &tenant()).await;
    let writers = (1..=12).map(|version| {
        let (store, place) = (store.shared(), place.clone());
        tokio::spawn(async move { put(&*store, &place, &versioned(version)).await })
    });
    let put: Vec<Put> = futures::future::join_all(writers).await.into_iter().map(|put| put.expect("a writer")).collect();
    assert!(matches!(put.last(), Some(Put::Stored { .. })), "the latest is never older");
    assert_eq!(version_of(&hits(&**store, &tenant(), &all_of_it()).await), 12);
    let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((index.documents, index.chunks), (1, u64::from(VERSIONED) + 1));
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::All, id(12)).await, Ok(1));
    let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((index.documents, index.chunks), (0, 0));
}
