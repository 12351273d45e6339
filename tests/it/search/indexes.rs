//! Indexes: made once, listed by their names, dropped with all that is in them.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    search::store::Put,
};
use windrow_tests::{
    jobs::{id, tenant, tenant_named},
    searches::{INDEX, Opened, by_both, document, hits, lexical, open, place, put, settings},
};

stores! {
    an_index_is_made_once_with_the_first_settings,
    indexes_are_listed_by_their_names_and_their_tenant,
    a_dropped_index_is_gone_and_what_is_made_anew_is_another,
    two_that_make_an_index_at_once_get_the_same,
}

async fn an_index_is_made_once_with_the_first_settings(store: &Opened, clock: &VirtualClock) {
    assert_eq!(store.index(&tenant(), INDEX).await, Ok(None));
    let made = store.open_index(&tenant(), INDEX, &lexical()).await.expect("an index");
    assert_eq!((&made.tenant, made.name.as_str(), &made.current.settings), (&tenant(), INDEX, &lexical()));
    assert_eq!((made.next.clone(), made.documents, made.chunks, made.created_at), (None, 0, 0, clock.now()));
    clock.advance_ms(1_000);
    assert_eq!(store.open_index(&tenant(), INDEX, &settings("other", 3)).await, Ok(made.clone()));
    put(&**store, &place(&made), &document("a", id(1), &["one", "two"])).await;
    let now = store.index(&tenant(), INDEX).await.expect("a look").expect("the index");
    assert_eq!((now.documents, now.chunks), (1, 2));
}

async fn indexes_are_listed_by_their_names_and_their_tenant(store: &Opened, _: &VirtualClock) {
    for name in ["c", "a-1", "b", "a_1"] {
        store.open_index(&tenant(), name, &lexical()).await.expect("an index");
    }
    store.open_index(&tenant_named("other"), "d", &lexical()).await.expect("an index");
    let names = async |after, limit| {
        let indexes = store.indexes(&tenant(), after, limit).await.expect("indexes");
        indexes.into_iter().map(|index| index.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10).await, ["a-1", "a_1", "b", "c"]);
    assert_eq!(names(Some("a-1"), 2).await, ["a_1", "b"]);
    assert_eq!(names(Some("c"), 2).await, [""; 0]);
}

async fn a_dropped_index_is_gone_and_what_is_made_anew_is_another(store: &Opened, _: &VirtualClock) {
    let old = open(&**store, &tenant()).await;
    put(&**store, &old, &document("a", id(1), &["a lighthouse"])).await;
    assert_eq!(store.drop_index(&tenant_named("other"), INDEX).await, Ok(false));
    assert_eq!(store.drop_index(&tenant(), INDEX).await, Ok(true));
    assert_eq!(store.drop_index(&tenant(), INDEX).await, Ok(false));
    assert_eq!(store.search(&tenant(), INDEX, &by_both("lighthouse")).await, Ok(None));
    assert_eq!(store.put_document(&old, &document("a", id(2), &["a lighthouse"])).await, Ok(Put::Moved));
    let new = open(&**store, &tenant()).await;
    assert_ne!(new.generation, old.generation);
    assert_eq!(store.put_document(&old, &document("a", id(2), &["a lighthouse"])).await, Ok(Put::Moved));
    assert_eq!(
        store.put_document(&new, &document("a", id(2), &["a lighthouse"])).await,
        Ok(Put::Missing(document("", id(2), &["a lighthouse"]).chunks[0].hash))
    );
    while store.prune().await.expect("pruned") {}
    assert_eq!(hits(&**store, &tenant(), &by_both("lighthouse")).await, []);
    put(&**store, &new, &document("a", id(1), &["a lighthouse"])).await;
    while store.prune().await.expect("pruned") {}
    assert_eq!(hits(&**store, &tenant(), &by_both("lighthouse")).await.len(), 1, "pruning takes what was dropped alone");
}

async fn two_that_make_an_index_at_once_get_the_same(store: &Opened, _: &VirtualClock) {
    let (tenant, settings) = (tenant(), lexical());
    let made = futures::future::join_all((0..8).map(|_| store.open_index(&tenant, INDEX, &settings))).await;
    let first = made[0].clone().expect("an index");
    assert!(made.into_iter().all(|index| index == Ok(first.clone())));
}
