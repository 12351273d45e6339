//! The role `Library`: what is published stays as it is, and is its tenant's alone.

use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    ledger::Ledger,
    library::{Edition, Role},
    tenant::TenantId,
};
use windrow_tests::jobs::{tenant, tenant_named};

conformance! {
    a_version_is_kept_once,
    a_tenant_sees_its_own,
    bundles_come_by_name_in_pages,
    the_shelf_has_every_version_of_what_is_asked_for,
    many_that_publish_at_once_agree_on_one,
}

fn edition(role: Role, name: &str, version: &str, digest: &str) -> Edition {
    Edition {
        role,
        name: name.into(),
        version: version.into(),
        description: format!("{name} of {digest}"),
        digest: digest.into(),
        needs: r#"{"requires":{"search":"^1"}}"#.into(),
        manifest: format!(r#"{{"name":"{name}"}}"#),
        object_key: format!("tenants/a/bundles/{digest}.tar.zst"),
        bytes: 7,
        published_at: Timestamp::from_ms(0),
    }
}

async fn publish(ledger: &dyn Ledger, tenant: &TenantId, edition: Edition) -> (Edition, bool) {
    ledger.publish_bundle(tenant, edition).await.expect("publish")
}

async fn a_version_is_kept_once(ledger: &dyn Ledger, clock: &VirtualClock) {
    clock.advance_ms(5);
    let now = ledger.now().await.expect("now");
    let sent = edition(Role::Feature, "chat", "1.0.0", "one");
    let (kept, is_new) = publish(ledger, &tenant(), sent.clone()).await;
    assert_eq!((&kept, is_new), (&Edition { published_at: kept.published_at, ..sent.clone() }, true));
    assert!(kept.published_at >= now);
    clock.advance_ms(5);
    for other in [sent, edition(Role::Feature, "chat", "1.0.0", "other")] {
        assert_eq!(publish(ledger, &tenant(), other).await, (kept.clone(), false));
    }
    assert_eq!(ledger.bundle(&tenant(), Role::Feature, "chat", "1.0.0").await.expect("read"), Some(kept.clone()));
    let (template, is_new) = publish(ledger, &tenant(), edition(Role::Template, "chat", "1.0.0", "three")).await;
    assert!(is_new && template.role == Role::Template, "a template and a feature may have one name");
    assert_eq!(ledger.bundle(&tenant(), Role::Feature, "chat", "1.0.1").await.expect("read"), None);
    let versions = ledger.bundle_versions(&tenant(), Role::Feature, "chat").await.expect("read");
    assert_eq!(versions, [Edition { manifest: String::new(), ..kept }]);
}

async fn a_tenant_sees_its_own(ledger: &dyn Ledger, _: &VirtualClock) {
    let other = tenant_named("other");
    publish(ledger, &tenant(), edition(Role::Template, "city", "1.0.0", "one")).await;
    assert_eq!(ledger.bundle(&other, Role::Template, "city", "1.0.0").await.expect("read"), None);
    assert_eq!(ledger.bundle_versions(&other, Role::Template, "city").await.expect("read"), []);
    assert_eq!(ledger.bundles(&other, Role::Template, None, 10).await.expect("read"), []);
    assert_eq!(ledger.shelf(&other, Role::Template, &["city".into()]).await.expect("read"), []);
    assert!(publish(ledger, &other, edition(Role::Template, "city", "1.0.0", "two")).await.1);
    let own = ledger.bundle(&tenant(), Role::Template, "city", "1.0.0").await.expect("read").expect("it is there");
    assert_eq!(own.digest, "one");
}

async fn bundles_come_by_name_in_pages(ledger: &dyn Ledger, clock: &VirtualClock) {
    for (name, version) in [("b", "1.0.0"), ("a-b", "1.0.0"), ("b", "1.1.0"), ("ab", "1.0.0"), ("a", "1.0.0"), ("b", "0.9.0")] {
        publish(ledger, &tenant(), edition(Role::Feature, name, version, version)).await;
        clock.advance_ms(1);
    }
    let page = |after, limit| async move { ledger.bundles(&tenant(), Role::Feature, after, limit).await.expect("read") };
    let names = |entries: &[windrow_jobs::library::Entry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&page(None, 10).await), ["a", "a-b", "ab", "b"]);
    assert_eq!(names(&page(None, 2).await), ["a", "a-b"]);
    let last = page(Some("ab"), 2).await;
    assert_eq!(names(&last), ["b"]);
    let mut versions = last[0].versions.clone();
    versions.sort();
    assert_eq!((versions, last[0].description.as_str()), (vec!["0.9.0".into(), "1.0.0".into(), "1.1.0".into()], "b of 0.9.0"));
    assert!(page(Some("b"), 2).await.is_empty());
}

async fn the_shelf_has_every_version_of_what_is_asked_for(ledger: &dyn Ledger, _: &VirtualClock) {
    for (role, name, version) in
        [(Role::Feature, "a", "1.0.0"), (Role::Feature, "a", "2.0.0"), (Role::Feature, "b", "1.0.0"), (Role::Template, "a", "3.0.0")]
    {
        publish(ledger, &tenant(), edition(role, name, version, "x")).await;
    }
    let mut shelf = ledger.shelf(&tenant(), Role::Feature, &["a".into(), "gone".into()]).await.expect("read");
    shelf.sort_by(|one, other| one.version.cmp(&other.version));
    let told: Vec<_> = shelf.iter().map(|one| (one.name.as_str(), one.version.as_str(), one.needs.as_str())).collect();
    let needs = r#"{"requires":{"search":"^1"}}"#;
    assert_eq!(told, [("a", "1.0.0", needs), ("a", "2.0.0", needs)]);
    assert!(ledger.shelf(&tenant(), Role::Feature, &[]).await.expect("read").is_empty());
}

async fn many_that_publish_at_once_agree_on_one(ledger: &dyn Ledger, _: &VirtualClock) {
    let digests: Vec<_> = (0..8).map(|number| number.to_string()).collect();
    let all = digests.iter().map(|digest| {
        let edition = edition(Role::Feature, "chat", "1.0.0", digest);
        async move { ledger.publish_bundle(&tenant(), edition).await.expect("publish") }
    });
    let outcomes = futures::future::join_all(all).await;
    assert_eq!(outcomes.iter().filter(|(_, is_new)| *is_new).count(), 1);
    assert!(outcomes.iter().all(|(kept, _)| *kept == outcomes[0].0), "{outcomes:?}");
}
