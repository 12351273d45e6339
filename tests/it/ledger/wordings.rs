//! The role `Wordings`: versions never change, numbers are never given twice, and words are their tenant's alone.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use windrow_jobs::{
    clock::VirtualClock,
    ledger::{Ledger, postgres::Statements as PostgresStatements, sqlite::Statements as SqliteStatements},
    notification::{
        locale::Locale,
        wording::{Content, Deleted, Kept, NewWording, VERSIONS_KEPT, WORDINGS_MAX, Wording},
    },
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{tenant, tenant_named},
    ledgers::{self, Opened},
};

conformance! {
    words_that_differ_are_a_new_version,
    a_write_may_ask_for_the_version_that_was_seen,
    numbers_go_on_after_a_deletion,
    templates_come_by_name_and_language_in_pages,
    words_are_their_tenants_alone,
    the_newest_versions_are_kept,
    many_that_write_at_once_get_numbers_of_their_own,
    a_tenant_chooses_its_language,
}

fn locale(tag: &str) -> Locale {
    tag.parse().expect("a locale")
}

fn new(tenant: TenantId, name: &str, tag: &str, text: &str, seen: Option<u32>) -> NewWording {
    let content = Content { text: Some(text.into()), layout: Some("base".into()), ..Content::default() };
    NewWording { tenant, name: name.into(), locale: locale(tag), content, needs: vec!["order.items[].name".into(), "ü".into()], seen }
}

async fn keep(ledger: &dyn Ledger, name: &str, tag: &str, text: &str) -> Kept {
    ledger.keep_wording(new(tenant(), name, tag, text, None)).await.expect("keep")
}

fn kept(kept: Kept) -> Wording {
    match kept {
        Kept::Created(wording) | Kept::Changed(wording) | Kept::Same(wording) => wording,
        other => panic!("{other:?}"),
    }
}

async fn words_that_differ_are_a_new_version(ledger: &dyn Ledger, clock: &VirtualClock) {
    let first = keep(ledger, "order", "de-AT", "Grüß Gott {{ name }}\u{0}").await;
    assert!(matches!(&first, Kept::Created(wording) if wording.version == 1), "{first:?}");
    let first = kept(first);
    clock.advance_ms(7);
    assert_eq!(keep(ledger, "order", "de-AT", "Grüß Gott {{ name }}\u{0}").await, Kept::Same(first.clone()));
    let second = keep(ledger, "order", "de-AT", "Servus").await;
    assert!(matches!(&second, Kept::Changed(wording) if wording.version == 2), "{second:?}");
    let second = kept(second);
    assert!(second.created_at >= first.created_at.plus_ms(7));
    let read = async |version| ledger.wording(&tenant(), "order", &locale("de-AT"), version).await.expect("read");
    assert_eq!((read(None).await, read(Some(1)).await, read(Some(3)).await), (Some(second.clone()), Some(first.clone()), None));
    let versions = ledger.wording_versions(&tenant(), "order", &locale("de-AT")).await.expect("read");
    assert_eq!(versions, [(2, second.created_at), (1, first.created_at)]);
    let heads = ledger.wording_languages(&tenant(), "order").await.expect("read");
    assert_eq!((heads.len(), heads[0].version, heads[0].created_at, heads[0].updated_at), (1, 2, first.created_at, second.created_at));
    assert_eq!(ledger.wording(&tenant(), "order", &locale("de"), None).await.expect("read"), None);
}

async fn a_write_may_ask_for_the_version_that_was_seen(ledger: &dyn Ledger, _: &VirtualClock) {
    let write = async |text: &str, seen| ledger.keep_wording(new(tenant(), "order", "de", text, Some(seen))).await.expect("keep");
    assert_eq!(write("a", 1).await, Kept::Stale);
    assert_eq!(ledger.wordings(&tenant(), None, 10).await.expect("read"), []);
    assert!(matches!(write("a", 0).await, Kept::Created(_)));
    assert_eq!(write("b", 0).await, Kept::Stale);
    assert!(matches!(write("b", 1).await, Kept::Changed(wording) if wording.version == 2));
    let delete = async |seen| ledger.delete_wording(&tenant(), "order", &locale("de"), Some(seen)).await.expect("delete");
    assert_eq!((delete(1).await, delete(0).await), (Deleted::Stale, Deleted::Stale));
    assert_eq!((delete(2).await, delete(2).await), (Deleted::Gone, Deleted::Stale));
    assert_eq!(write("c", 2).await, Kept::Stale);
}

async fn numbers_go_on_after_a_deletion(ledger: &dyn Ledger, clock: &VirtualClock) {
    let delete = async || ledger.delete_wording(&tenant(), "order", &locale("de"), None).await.expect("delete");
    assert_eq!(delete().await, Deleted::Absent);
    keep(ledger, "order", "de", "a").await;
    keep(ledger, "order", "de", "b").await;
    assert_eq!((delete().await, delete().await), (Deleted::Gone, Deleted::Absent));
    assert_eq!(ledger.wording(&tenant(), "order", &locale("de"), None).await.expect("read"), None);
    assert_eq!(ledger.wording_versions(&tenant(), "order", &locale("de")).await.expect("read"), []);
    assert_eq!(ledger.wording_languages(&tenant(), "order").await.expect("read"), []);
    clock.advance_ms(3);
    let again = keep(ledger, "order", "de", "b").await;
    assert!(matches!(&again, Kept::Created(wording) if wording.version == 3), "{again:?}");
    let head = ledger.wordings(&tenant(), None, 10).await.expect("read").remove(0);
    assert_eq!((head.created_at, head.updated_at), (kept(again).created_at, head.created_at));
}

async fn templates_come_by_name_and_language_in_pages(ledger: &dyn Ledger, _: &VirtualClock) {
    for (name, tag) in [("b", "de"), ("a-b", "en"), ("a", "uk-Cyrl-UA"), ("a", "de"), ("ab", "ar"), ("a", "de-AT"), ("a_b", "de")] {
        keep(ledger, name, tag, "x").await;
    }
    let page = async |after: Option<(&str, &str)>, limit| {
        let after = after.map(|(name, tag)| (name, locale(tag)));
        let heads = ledger.wordings(&tenant(), after.as_ref().map(|(name, locale)| (*name, locale)), limit).await.expect("read");
        heads.iter().map(|head| format!("{}/{}", head.name, head.locale)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(page(None, 99).await, "a/de a/de-AT a/uk-Cyrl-UA a-b/en a_b/de ab/ar b/de");
    assert_eq!(page(None, 2).await, "a/de a/de-AT");
    assert_eq!(page(Some(("a", "de-AT")), 2).await, "a/uk-Cyrl-UA a-b/en");
    assert_eq!(page(Some(("b", "de")), 2).await, "");
    let languages = ledger.wording_languages(&tenant(), "a").await.expect("read");
    assert_eq!(languages.iter().map(|head| head.locale.as_str()).collect::<Vec<_>>(), ["de", "de-AT", "uk-Cyrl-UA"]);
}

async fn words_are_their_tenants_alone(ledger: &dyn Ledger, _: &VirtualClock) {
    let other = tenant_named("other");
    keep(ledger, "order", "de", "a").await;
    assert_eq!(ledger.wording(&other, "order", &locale("de"), None).await.expect("read"), None);
    assert_eq!(ledger.wordings(&other, None, 10).await.expect("read"), []);
    assert_eq!(ledger.wording_languages(&other, "order").await.expect("read"), []);
    assert_eq!(ledger.delete_wording(&other, "order", &locale("de"), None).await.expect("delete"), Deleted::Absent);
    let own = ledger.keep_wording(new(other.clone(), "order", "de", "b", None)).await.expect("keep");
    assert!(matches!(own, Kept::Created(wording) if wording.version == 1));
    assert!(ledger.wording(&tenant(), "order", &locale("de"), None).await.expect("read").is_some_and(|wording| wording.version == 1));
}

async fn the_newest_versions_are_kept(ledger: &dyn Ledger, _: &VirtualClock) {
    for number in 1..=VERSIONS_KEPT + 3 {
        assert_eq!(kept(keep(ledger, "order", "de", &number.to_string()).await).version, number);
    }
    let versions = ledger.wording_versions(&tenant(), "order", &locale("de")).await.expect("read");
    let numbers: Vec<u32> = versions.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (4..=VERSIONS_KEPT + 3).rev().collect::<Vec<_>>());
}

/// A tenant that has nothing is told that it has too many.
fn full() -> SqlStr {
    AssertSqlSafe(format!("SELECT count(*) + {WORDINGS_MAX} FROM wording_heads WHERE tenant = $1")).into_sql_str()
}

async fn what_is_refused_leaves_no_row(ledger: Opened) {
    assert_eq!(ledger.keep_wording(new(tenant(), "many", "de", "a", None)).await.expect("keep"), Kept::TooMany);
    assert_eq!(ledger.keep_wording(new(tenant(), "stale", "de", "a", Some(1))).await.expect("keep"), Kept::Stale);
    assert_eq!(ledger.delete_wording(&tenant(), "absent", &locale("de"), None).await.expect("delete"), Deleted::Absent);
    for name in ["many", "stale", "absent"] {
        // It would be refused as a second row.
        let row = format!("('{}', '{name}', 'de', 0, FALSE, 0, 0)", tenant());
        let insert = "INSERT INTO wording_heads (tenant, name, locale, version, is_live, created_at_ms, updated_at_ms)";
        ledger.execute(&format!("{insert} VALUES {row};")).await;
    }
}

#[tokio::test]
async fn what_is_refused_leaves_no_row_in_sqlite() {
    let statements = SqliteStatements { count_wordings: full(), ..SqliteStatements::default() };
    what_is_refused_leaves_no_row(ledgers::sqlite_with(&ledgers::clock(), statements).await).await;
}

#[tokio::test]
async fn what_is_refused_leaves_no_row_in_postgres() {
    let statements = PostgresStatements { count_wordings: full(), ..PostgresStatements::default() };
    what_is_refused_leaves_no_row(ledgers::postgres_with(&ledgers::clock(), statements).await).await;
}

async fn many_that_write_at_once_get_numbers_of_their_own(ledger: &dyn Ledger, _: &VirtualClock) {
    let texts: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    let all = futures::future::join_all(texts.iter().map(|text| keep(ledger, "order", "de", text))).await;
    assert_eq!(all.iter().filter(|kept| matches!(kept, Kept::Created(_))).count(), 1, "{all:?}");
    let mut numbers: Vec<u32> = all.into_iter().map(|one| kept(one).version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}

async fn a_tenant_chooses_its_language(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(ledger.default_locale(&tenant()).await.expect("read"), None);
    for tag in ["de-AT", "uk"] {
        ledger.set_default_locale(&tenant(), &locale(tag)).await.expect("set");
        assert_eq!(ledger.default_locale(&tenant()).await.expect("read"), Some(locale(tag)));
    }
    assert_eq!(ledger.default_locale(&tenant_named("other")).await.expect("read"), None);
}
