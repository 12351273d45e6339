//! A generation beside the current one: filled while the other is searched and written to, and switched to when it has all of it.

use windrow_jobs::{
    clock::VirtualClock,
    search::{
        Document, Query,
        filter::Filter,
        store::{Begun, Place, Put, Switched, Which},
    },
};
use windrow_tests::{
    jobs::{id, tenant, tenant_named},
    searches::{INDEX, Opened, by_vector, by_words, document, found, hits, lexical, open, put, settings},
};

stores! {
    the_old_one_is_searched_until_the_new_one_has_all,
    what_comes_and_goes_meanwhile_is_caught_up_with,
    one_at_a_time_and_the_same_goes_on,
    what_is_given_up_leaves_the_index_as_it_was,
    the_next_one_never_has_what_the_current_one_has_not,
}

/// The next generation of an index, made now or before.
async fn begin(store: &Opened) -> Place {
    let Begun::Next(next) = store.begin_generation(&tenant(), INDEX, &settings("m", 2)).await.expect("begun") else {
        panic!("no generation begins")
    };
    assert_eq!(next.settings, settings("m", 2));
    Place { tenant: tenant(), index: INDEX.into(), generation: next.number }
}

async fn write(store: &Opened, next: &Place, document: &Document) -> Put {
    let vectors: Vec<_> = document.chunks.iter().map(|chunk| (chunk.hash, vec![1.0, chunk.text.len() as f32])).collect();
    store.stage(next, &vectors).await.expect("staged");
    store.put_document(next, document).await.expect("put")
}

/// As a reindex does it.
async fn catch_up(store: &Opened, next: &Place) {
    loop {
        let behind = store.behind(next, 2).await.expect("what is behind");
        if behind.is_empty() {
            return;
        }
        for (name, version) in behind {
            let document = store.document(&tenant(), INDEX, &name).await.expect("read").expect("it is there");
            assert_eq!(document.version, version);
            assert!(matches!(write(store, next, &document).await, Put::Stored { .. }));
        }
    }
}

fn by_new_vector() -> Query {
    Query { words: None, vector: Some(vec![1.0, 3.0]), limit: 10, filter: Filter::default() }
}

async fn the_old_one_is_searched_until_the_new_one_has_all(store: &Opened, _: &VirtualClock) {
    let old = open(&**store, &tenant()).await;
    for (number, name) in (1..).zip(["a", "b", "c"]) {
        put(&**store, &old, &document(name, id(number), &["text", name])).await;
    }
    let next = begin(store).await;
    assert_eq!(store.behind(&next, 2).await, Ok(vec![("a".into(), id(1)), ("b".into(), id(2))]));
    assert_eq!(store.switch(&next).await, Ok(Switched::Behind));
    write(store, &next, &document("a", id(1), &["text", "a"])).await;
    assert_eq!(hits(&**store, &tenant(), &by_words("text")).await.len(), 3, "each once");
    catch_up(store, &next).await;
    assert!(store.search(&tenant(), INDEX, &by_new_vector()).await.is_err());
    assert_eq!(hits(&**store, &tenant(), &by_vector("text")).await.len(), 6);
    assert_eq!(store.switch(&next).await, Ok(Switched::Done));
    assert_eq!(store.switch(&next).await, Ok(Switched::Done), "again is the same");
    assert_eq!(found(&hits(&**store, &tenant(), &by_words("text")).await), [("a", 0), ("b", 0), ("c", 0)]);
    assert_eq!(hits(&**store, &tenant(), &by_new_vector()).await.len(), 6);
    assert!(store.search(&tenant(), INDEX, &by_vector("text")).await.is_err(), "vectors of the old model are refused");
    let index = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((index.current.number, index.next, index.documents, index.chunks), (next.generation, None, 3, 6));
    assert_eq!(
        put(&**store, &Place { generation: next.generation, ..next.clone() }, &document("x", id(8), &[])).await,
        Put::Stored { added: 0, kept: 0, removed: 0 }
    );
    assert_eq!(store.put_document(&old, &document("a", id(9), &[])).await, Ok(Put::Moved));
    while store.prune().await.expect("pruned") {}
    assert_eq!(hits(&**store, &tenant(), &by_new_vector()).await.len(), 6);
    assert_eq!(found(&hits(&**store, &tenant(), &by_words("text")).await), [("a", 0), ("b", 0), ("c", 0)]);
}

async fn what_comes_and_goes_meanwhile_is_caught_up_with(store: &Opened, _: &VirtualClock) {
    let old = open(&**store, &tenant()).await;
    for (number, name) in (1..).zip(["a", "b", "c"]) {
        put(&**store, &old, &document(name, id(number), &["text", name])).await;
    }
    let next = begin(store).await;
    catch_up(store, &next).await;
    put(&**store, &old, &document("a", id(7), &["changed"])).await;
    assert_eq!(store.behind(&next, 10).await, Ok(vec![("a".into(), id(7))]));
    assert_eq!(store.switch(&next).await, Ok(Switched::Behind));
    assert_eq!(store.delete_documents(&tenant(), INDEX, &Which::Ids(vec!["b".into()]), id(8)).await, Ok(1));
    put(&**store, &old, &document("d", id(9), &["new"])).await;
    catch_up(store, &next).await;
    assert_eq!(store.switch(&next).await, Ok(Switched::Done));
    let listed = store.documents(&tenant(), INDEX, None, 10).await.expect("documents");
    let listed: Vec<_> = listed.into_iter().map(|listed| (listed.id, listed.version)).collect();
    assert_eq!(listed, [("a".into(), id(7)), ("c".into(), id(3)), ("d".into(), id(9))]);
    let place = Place { generation: next.generation, ..old };
    assert_eq!(write(store, &place, &document("b", id(6), &["late"])).await, Put::Older, "what was deleted before stays away");
}

async fn one_at_a_time_and_the_same_goes_on(store: &Opened, _: &VirtualClock) {
    assert_eq!(store.begin_generation(&tenant(), INDEX, &lexical()).await, Ok(Begun::Unknown));
    open(&**store, &tenant()).await;
    assert_eq!(store.begin_generation(&tenant(), INDEX, &lexical()).await, Ok(Begun::Same));
    let next = begin(store).await;
    assert_eq!(begin(store).await, next);
    assert_eq!(store.begin_generation(&tenant(), INDEX, &settings("m", 3)).await, Ok(Begun::Busy));
    assert_eq!(store.begin_generation(&tenant_named("other"), INDEX, &settings("m", 3)).await, Ok(Begun::Unknown));
}

async fn what_is_given_up_leaves_the_index_as_it_was(store: &Opened, _: &VirtualClock) {
    let old = open(&**store, &tenant()).await;
    put(&**store, &old, &document("a", id(1), &["text"])).await;
    let next = begin(store).await;
    catch_up(store, &next).await;
    store.give_up(&old).await.expect("given up");
    store.give_up(&next).await.expect("given up");
    store.give_up(&next).await.expect("given up");
    assert_eq!(store.switch(&next).await, Ok(Switched::Moved));
    assert_eq!(store.put_document(&next, &document("a", id(2), &[])).await, Ok(Put::Moved));
    assert_eq!(store.behind(&next, 10).await, Ok(vec![]));
    while store.prune().await.expect("pruned") {}
    assert_eq!(found(&hits(&**store, &tenant(), &by_vector("text")).await), [("a", 0)]);
    let again = begin(store).await;
    assert_ne!(again, next);
    assert_eq!(store.switch(&old).await, Ok(Switched::Done), "the current one is the current one");
    assert_eq!(store.behind(&again, 10).await, Ok(vec![("a".into(), id(1))]));
}

async fn the_next_one_never_has_what_the_current_one_has_not(store: &Opened, _: &VirtualClock) {
    let old = open(&**store, &tenant()).await;
    put(&**store, &old, &document("a", id(2), &["text"])).await;
    let next = begin(store).await;
    assert_eq!(write(store, &next, &document("b", id(3), &["b"])).await, Put::Older);
    store.delete_documents(&tenant(), INDEX, &Which::All, id(1)).await.expect("deleted");
    assert_eq!(write(store, &next, &document("a", id(1), &["before"])).await, Put::Older);
    assert!(matches!(write(store, &next, &document("a", id(2), &["text"])).await, Put::Stored { .. }));
    store.delete_documents(&tenant(), INDEX, &Which::Ids(vec!["a".into()]), id(4)).await.expect("deleted");
    assert_eq!(write(store, &next, &document("a", id(2), &["text"])).await, Put::Older);
    assert_eq!(store.switch(&next).await, Ok(Switched::Done));
    assert_eq!(store.documents(&tenant(), INDEX, None, 10).await, Ok(vec![]));
}
