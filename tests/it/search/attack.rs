//! A tenant that means harm tries every argument of every verb: it finds nothing of another's, changes nothing, and sees no score move.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    job::JobId,
    ledger::Result,
    search::{
        ChunkHash, Document, Hit, Index, Listed, Query,
        filter::Filter,
        lexical,
        store::{Begun, Place, Put, SearchStore, Switched, Which},
    },
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{id, tenant_named},
    searches::{INDEX, Opened, by_both, by_vector, by_words, document, hits, lexical as lexical_settings, map, open, put, settings},
};

stores! {
    nothing_of_another_tenant_is_found_or_changed,
    another_index_of_the_same_tenant_is_another_space,
    what_others_have_moves_no_score,
}

const SECRET: &str = "the secret lighthouse";

/// A tenant's index, as `seen` finds it.
#[derive(Debug, PartialEq)]
struct Seen {
    found: Vec<Vec<Hit>>,
    indexes: Vec<Index>,
    documents: Vec<Listed>,
    document: Option<Document>,
    spent: Result<u64>,
}

/// All that a tenant sees of its index.
async fn seen(store: &dyn SearchStore, tenant: &TenantId) -> Seen {
    let mut found = Vec::new();
    for query in [by_words(SECRET), by_vector(SECRET), by_both(SECRET)] {
        found.push(hits(store, tenant, &query).await);
    }
    let indexes = store.indexes(tenant, None, 100).await.expect("indexes");
    let documents = store.documents(tenant, INDEX, None, 100).await.expect("documents");
    let document = store.document(tenant, INDEX, "mine").await.expect("a document");
    Seen { found, indexes, documents, document, spent: store.spent(tenant).await }
}

/// The victim with an index, a document, staged vectors and a next generation; the attacker with an index of the same name.
async fn scene(store: &Opened) -> (TenantId, Place, Place, TenantId, Place) {
    let (victim, attacker) = (tenant_named("victim"), tenant_named("attacker"));
    let theirs = open(&**store, &victim).await;
    let mut mine = document("mine", id(5), &[SECRET, "and more of it"]);
    mine.metadata = map(json!({ "for": "us alone" }));
    put(&**store, &theirs, &mine).await;
    store.stage(&theirs, &[(ChunkHash::of("staged"), lexical::embed("staged"))]).await.expect("staged");
    let Begun::Next(next) = store.begin_generation(&victim, INDEX, &settings("m", 2)).await.expect("begun") else { panic!("it begins") };
    let next = Place { generation: next.number, ..theirs.clone() };
    store.spend(&victim, 10, None).await.expect("spent");
    let own = open(&**store, &attacker).await;
    (victim, theirs, next, attacker, own)
}

async fn nothing_of_another_tenant_is_found_or_changed(store: &Opened, _: &VirtualClock) {
    let (victim, theirs, next, attacker, own) = scene(store).await;
    let before = seen(&**store, &victim).await;
    let late = JobId::from_bytes([0xff; 16]);

    // By the names of things.
    for name in [INDEX, "victim/docs", "docs' OR tenant = 'victim", "%", "", "docs\" OR \"1\"=\"1", "*"] {
        for query in [by_words(SECRET), by_vector(SECRET), by_both(SECRET)] {
            let found = store.search(&attacker, name, &query).await.expect("a search").unwrap_or_default();
            assert_eq!(found, [], "{name}");
        }
        assert_eq!(store.document(&attacker, name, "mine").await, Ok(None));
        assert_eq!(store.documents(&attacker, name, None, 100).await, Ok(vec![]));
        let ids = ["mine", "' OR '1'='1", "%", "[\"mine\"]"].map(str::to_owned).to_vec();
        for which in [Which::Ids(ids), Which::All] {
            assert_eq!(store.delete_documents(&attacker, name, &which, late).await, Ok(0));
        }
    }
    // By places: whose index, and which generation.
    let hash = ChunkHash::of(SECRET);
    for generation in [theirs.generation, next.generation, own.generation, 0, -1, i64::MAX, i64::MIN] {
        for index in [INDEX, "none", ""] {
            let place = Place { tenant: attacker.clone(), index: index.into(), generation };
            assert_eq!(store.known(&place, &[hash, ChunkHash::of("staged")]).await, Ok(vec![]), "{place:?}");
            assert_eq!(store.behind(&place, 100).await, Ok(vec![]), "{place:?}");
            if place == own {
                continue;
            }
            store.stage(&place, &[(ChunkHash::of("planted"), vec![1.0, 0.0])]).await.expect("nothing is done");
            store.stage(&place, &[(hash, lexical::embed("planted"))]).await.expect("nothing is done");
            for name in ["mine", "planted"] {
                assert_eq!(store.put_document(&place, &document(name, late, &[SECRET])).await, Ok(Put::Moved), "{place:?}");
            }
            assert_eq!(store.switch(&place).await, Ok(Switched::Moved), "{place:?}");
            store.give_up(&place).await.expect("nothing is done");
        }
    }
    // A vector that another paid for is not there for anybody else.
    assert_eq!(store.put_document(&own, &document("copied", late, &[SECRET])).await, Ok(Put::Older), "its own deletion of all");
    assert_eq!(store.drop_index(&attacker, INDEX).await, Ok(true));
    let own = open(&**store, &attacker).await;
    assert_eq!(store.put_document(&own, &document("copied", late, &[SECRET])).await, Ok(Put::Missing(hash)));
    // By words with the other's number, as the stores keep them, and by filters.
    put(&**store, &own, &document("own", id(1), &["own text"])).await;
    let term = format!("{}_secret", theirs.generation);
    for words in [term.as_str(), "secret", "\" OR \"1_secret", "1_secret"] {
        assert_eq!(hits(&**store, &attacker, &by_words(words)).await, [], "{words}");
    }
    for filter in [json!({ "for": "us alone" }), json!({ "tenant": "victim" }), json!({ "for": { "gte": "" } })] {
        let filter = Filter::read(&map(filter)).expect("a filter");
        assert_eq!(hits(&**store, &attacker, &Query { filter, ..by_both(SECRET) }).await, []);
    }
    let found = hits(&**store, &attacker, &by_both(SECRET)).await;
    assert!(found.iter().all(|hit| hit.document_id == "own"), "{found:?}");
    assert_eq!(store.begin_generation(&attacker, "none", &settings("m", 2)).await, Ok(Begun::Unknown));
    assert_eq!(store.spent(&attacker).await, Ok(0));
    while store.prune().await.expect("pruned") {}
    store.tend().await.expect("tended");

    assert_eq!(seen(&**store, &victim).await, before);
    assert_eq!(store.known(&theirs, &[ChunkHash::of("planted"), ChunkHash::of("staged")]).await, Ok(vec![ChunkHash::of("staged")]));
    assert_eq!(store.behind(&next, 10).await, Ok(vec![("mine".into(), id(5))]));
}

async fn another_index_of_the_same_tenant_is_another_space(store: &Opened, _: &VirtualClock) {
    let (victim, theirs, next, ..) = scene(store).await;
    let before = seen(&**store, &victim).await;
    store.open_index(&victim, "other", &lexical_settings()).await.expect("an index");
    for generation in [theirs.generation, next.generation] {
        let crossed = Place { tenant: victim.clone(), index: "other".into(), generation };
        assert_eq!(store.known(&crossed, &[ChunkHash::of(SECRET)]).await, Ok(vec![]));
        assert_eq!(store.put_document(&crossed, &document("x", id(9), &[])).await, Ok(Put::Moved));
        assert_eq!(store.switch(&crossed).await, Ok(Switched::Moved));
        store.give_up(&crossed).await.expect("nothing is done");
    }
    assert_eq!(store.search(&victim, "other", &by_both(SECRET)).await, Ok(Some(vec![])));
    assert_eq!(store.delete_documents(&victim, "other", &Which::All, id(99)).await, Ok(0));
    assert_eq!(store.drop_index(&victim, "other").await, Ok(true));
    while store.prune().await.expect("pruned") {}
    assert_eq!(seen(&**store, &victim).await, before);
}

async fn what_others_have_moves_no_score(store: &Opened, _: &VirtualClock) {
    let (victim, _, next, attacker, own) = scene(store).await;
    let before = seen(&**store, &victim).await;
    // Many of the same words, in another's index and in the generation that is made: a score by all of them would move.
    for number in 0..60 {
        put(&**store, &own, &document(&format!("d{number}"), id(number), &["secret secret", "the lighthouse"])).await;
    }
    let mine = document("mine", id(5), &["secret lighthouse secret", "secret"]);
    let vectors: Vec<_> = mine.chunks.iter().map(|chunk| (chunk.hash, vec![1.0, 2.0])).collect();
    store.stage(&next, &vectors).await.expect("staged");
    assert!(matches!(store.put_document(&next, &mine).await, Ok(Put::Stored { .. })));
    let mut expected = before;
    expected.indexes[0].next_documents = 1;
    assert_eq!(seen(&**store, &victim).await, expected);
    assert_eq!(hits(&**store, &attacker, &by_words("secret")).await.len(), 10);
}
