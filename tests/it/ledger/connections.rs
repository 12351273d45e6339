//! The role `Connections`. What an edit or a use makes of a connection is decided in `connection/decide.rs` and judged there;
//! here is that it is written where its guards hold, and that a key's end is the end of what it sealed.

use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use windrow_jobs::{
    clock::VirtualClock,
    connection::{
        CONNECTIONS_MAX, Change, Connection, ConnectionEdit, ConnectionId, ConnectionState, Facts, NewConnection, SECRETS_UNREADABLE,
        Sealed, Stored, TenantKey, Used,
    },
    ledger::Ledger,
    pace::Turn,
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{tenant, tenant_named},
    ledgers::START,
};

conformance! {
    a_connection_is_kept_and_found_by_its_name,
    a_name_is_one_connection_of_a_tenant,
    a_connection_is_its_tenants_alone,
    connections_come_by_name_in_pages,
    a_change_needs_the_version_that_was_seen,
    of_changes_at_once_one_is_written,
    a_use_is_noted_and_is_no_change,
    calls_through_a_connection_have_their_turn,
    of_turns_at_once_no_two_are_one,
    a_tenant_has_no_more_than_its_number,
    the_first_key_of_a_tenant_stays,
    a_key_is_rewrapped_where_it_is_as_was_seen,
    keys_of_other_masters_come_by_tenant,
    what_another_key_sealed_is_not_written,
    a_destroyed_key_takes_the_secrets_with_it,
    a_key_that_is_destroyed_while_secrets_are_written_leaves_none_of_them,
}

fn id(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(number))
}

fn sealed(key: u128) -> Sealed {
    Sealed { key: Uuid::from_u128(key), bytes: vec![1, 2, 3] }
}

fn new(number: u128, tenant: TenantId, key: Option<u128>) -> NewConnection {
    let names = if key.is_some() { vec!["token".to_owned()] } else { Vec::new() };
    NewConnection {
        id: id(number),
        tenant,
        name: format!("connection-{number:03}"),
        provider: "http".into(),
        facts: Facts::new(json!({ "url": "https://example.com" }), names, false),
        sealed: key.map(sealed),
    }
}

async fn create(ledger: &dyn Ledger, number: u128, key: Option<u128>) -> Connection {
    done(ledger.create_connection(new(number, tenant(), key)).await.expect("create"))
}

fn done(stored: Stored) -> Connection {
    match stored {
        Stored::Done(connection) => *connection,
        other => panic!("{other:?}"),
    }
}

async fn find(ledger: &dyn Ledger, number: u128) -> Connection {
    let found = ledger.connection(&tenant(), &format!("connection-{number:03}")).await.expect("connection");
    found.expect("the connection is there")
}

fn key(tenant: TenantId, number: u128, master: &str) -> TenantKey {
    TenantKey { tenant, id: Uuid::from_u128(number), wrapped: vec![9; 8], master: master.into() }
}

fn config(connection: &Connection, value: u32) -> Change {
    let edit = ConnectionEdit { config: Some(json!({ "value": value })), ..ConnectionEdit::default() };
    connection.edited(edit).expect("the edit changes something")
}

async fn a_connection_is_kept_and_found_by_its_name(ledger: &dyn Ledger, clock: &VirtualClock) {
    ledger.keep_tenant_key(key(tenant(), 7, "m1")).await.expect("keep");
    let made = create(ledger, 1, Some(7)).await;
    assert_eq!((made.version, made.created_at, made.updated_at), (1, START, START));
    assert_eq!((made.tested_at, made.erred_at, made.last_used_at), (None, None, None));
    assert_eq!(find(ledger, 1).await, made);
    clock.advance_ms(5);
    let tested = made.reported(1, &Used::Tested).expect("a change");
    let active = done(ledger.change_connection(&tenant(), id(1), 1, tested).await.expect("change"));
    assert_eq!((active.facts.state, active.version), (ConnectionState::Active, 2));
    assert_eq!((active.updated_at, active.tested_at), (START, Some(START.plus_ms(5))));
    assert_eq!(find(ledger, 1).await, active);
    assert!(ledger.delete_connection(&tenant(), id(1)).await.expect("delete"));
    assert!(!ledger.delete_connection(&tenant(), id(1)).await.expect("delete"));
    assert_eq!(ledger.connection(&tenant(), "connection-001").await.expect("connection"), None);
}

async fn a_name_is_one_connection_of_a_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    assert_eq!(create(ledger, 1, None).await, made, "an insert whose answer was lost");
    let taken = NewConnection { id: id(2), ..new(1, tenant(), None) };
    assert_eq!(ledger.create_connection(taken).await.expect("create"), Stored::NameTaken);
    let other = NewConnection { id: id(3), ..new(1, tenant_named("other"), None) };
    done(ledger.create_connection(other).await.expect("create"));
}

async fn a_connection_is_its_tenants_alone(ledger: &dyn Ledger, _: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    let stranger = tenant_named("stranger");
    assert_eq!(ledger.connection(&stranger, &made.name).await.expect("connection"), None);
    assert_eq!(ledger.connections(&stranger, None, 10).await.expect("connections"), []);
    let stored = ledger.change_connection(&stranger, id(1), 1, config(&made, 1)).await.expect("change");
    assert_eq!(stored, Stored::Missing);
    assert!(!ledger.delete_connection(&stranger, id(1)).await.expect("delete"));
    ledger.touch_connection(&stranger, id(1)).await.expect("touch");
    let theirs =
        ledger.create_connection(NewConnection { name: "another".into(), ..new(1, stranger.clone(), None) }).await.expect("create");
    assert_eq!(theirs, Stored::NameTaken, "an id is one connection on the platform");
    ledger.keep_tenant_key(key(stranger.clone(), 8, "m1")).await.expect("keep");
    ledger.destroy_tenant_key(&stranger).await.expect("destroy");
    assert_eq!(find(ledger, 1).await, made);
}

async fn connections_come_by_name_in_pages(ledger: &dyn Ledger, _: &VirtualClock) {
    for number in [3, 1, 2] {
        create(ledger, number, None).await;
    }
    // Upper case sorts before lower, whatever a database's locale says.
    let upper = NewConnection { name: "Z".into(), ..new(4, tenant(), None) };
    done(ledger.create_connection(upper).await.expect("create"));
    let names = |page: Vec<Connection>| page.into_iter().map(|connection| connection.name).collect::<Vec<_>>();
    let first = ledger.connections(&tenant(), None, 2).await.expect("connections");
    assert_eq!(names(first), ["Z", "connection-001"]);
    let rest = ledger.connections(&tenant(), Some("connection-001"), 9).await.expect("connections");
    assert_eq!(names(rest), ["connection-002", "connection-003"]);
}

async fn a_change_needs_the_version_that_was_seen(ledger: &dyn Ledger, clock: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    clock.advance_ms(1);
    let changed = done(ledger.change_connection(&tenant(), id(1), 1, config(&made, 1)).await.expect("change"));
    assert_eq!((changed.version, changed.facts.generation, changed.updated_at), (2, 2, START.plus_ms(1)));
    assert_eq!(ledger.change_connection(&tenant(), id(1), 1, config(&made, 2)).await.expect("change"), Stored::Stale);
    assert_eq!(find(ledger, 1).await, changed);
}

async fn of_changes_at_once_one_is_written(ledger: &dyn Ledger, _: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    let tenant = tenant();
    let changes = (0..8).map(|value| ledger.change_connection(&tenant, id(1), 1, config(&made, value)));
    let stored: Vec<Stored> = join_all(changes).await.into_iter().map(|stored| stored.expect("change")).collect();
    assert_eq!(stored.iter().filter(|stored| matches!(stored, Stored::Done(_))).count(), 1, "{stored:?}");
    assert_eq!(stored.iter().filter(|stored| matches!(stored, Stored::Stale)).count(), 7);
}

async fn a_use_is_noted_and_is_no_change(ledger: &dyn Ledger, clock: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    clock.advance_ms(70_000);
    ledger.touch_connection(&tenant(), id(1)).await.expect("touch");
    let used = find(ledger, 1).await;
    assert_eq!(used, Connection { last_used_at: Some(START.plus_ms(70_000)), ..made.clone() });
    let changed = done(ledger.change_connection(&tenant(), id(1), 1, config(&made, 1)).await.expect("change"));
    assert_eq!(changed.last_used_at, used.last_used_at, "a change that saw no use does not forget it");
}

async fn calls_through_a_connection_have_their_turn(ledger: &dyn Ledger, clock: &VirtualClock) {
    let made = create(ledger, 1, None).await;
    create(ledger, 2, None).await;
    let turn = async |number, patience_us| ledger.take_turn(&tenant(), id(number), 250_000, patience_us).await.expect("a turn");
    assert_eq!(turn(1, 0).await, Some(Turn::Taken { wait_us: 0 }));
    assert_eq!(turn(1, 249_999).await, Some(Turn::Later { wait_us: 250_000 }));
    assert_eq!(turn(1, 250_000).await, Some(Turn::Taken { wait_us: 250_000 }));
    assert_eq!(turn(2, 0).await, Some(Turn::Taken { wait_us: 0 }), "another connection has a row of its own");
    clock.advance_ms(400);
    assert_eq!(turn(1, 1_000_000).await, Some(Turn::Taken { wait_us: 100_000 }));
    clock.advance_ms(9_000);
    assert_eq!(turn(1, 0).await, Some(Turn::Taken { wait_us: 0 }));
    assert_eq!(turn(9, 0).await, None);
    assert_eq!(ledger.take_turn(&tenant_named("stranger"), id(1), 1, 0).await.expect("a turn"), None);
    assert_eq!(find(ledger, 1).await, made, "it is no change");
}

async fn of_turns_at_once_no_two_are_one(ledger: &dyn Ledger, _: &VirtualClock) {
    create(ledger, 1, None).await;
    let tenant = tenant();
    let turns = (0..20).map(|_| ledger.take_turn(&tenant, id(1), 10, 1_000));
    let mut waits_us: Vec<i64> = join_all(turns)
        .await
        .into_iter()
        .map(|turn| match turn.expect("a turn") {
            Some(Turn::Taken { wait_us }) => wait_us,
            other => panic!("{other:?}"),
        })
        .collect();
    waits_us.sort_unstable();
    assert_eq!(waits_us, (0..20).map(|place| place * 10).collect::<Vec<_>>());
}

async fn a_tenant_has_no_more_than_its_number(ledger: &dyn Ledger, _: &VirtualClock) {
    let most = u128::try_from(CONNECTIONS_MAX).expect("a number");
    for number in 1..=most {
        create(ledger, number, None).await;
    }
    let more = ledger.create_connection(new(most + 1, tenant(), None)).await.expect("create");
    assert_eq!(more, Stored::TooMany);
    done(ledger.create_connection(new(most + 1, tenant_named("other"), None)).await.expect("create"));
}

async fn the_first_key_of_a_tenant_stays(ledger: &dyn Ledger, _: &VirtualClock) {
    let keys = (1..=6).map(|number| ledger.keep_tenant_key(key(tenant(), number, "m1")));
    let kept: Vec<TenantKey> = join_all(keys).await.into_iter().map(|kept| kept.expect("keep")).collect();
    let standing = ledger.tenant_key(&tenant()).await.expect("key").expect("there is one");
    assert!(kept.iter().all(|kept| *kept == standing), "{kept:?}");
    assert_eq!(ledger.tenant_key(&tenant_named("other")).await.expect("key"), None);
}

async fn a_key_is_rewrapped_where_it_is_as_was_seen(ledger: &dyn Ledger, _: &VirtualClock) {
    ledger.keep_tenant_key(key(tenant(), 1, "m1")).await.expect("keep");
    let again = TenantKey { wrapped: vec![7], ..key(tenant(), 1, "m2") };
    let other = TenantKey { id: Uuid::from_u128(2), ..again.clone() };
    assert!(!ledger.rewrap_tenant_key(again.clone(), "m0").await.expect("rewrap"), "another wrapped it meanwhile");
    assert!(!ledger.rewrap_tenant_key(other, "m1").await.expect("rewrap"), "that key was destroyed");
    assert!(ledger.rewrap_tenant_key(again.clone(), "m1").await.expect("rewrap"));
    assert!(!ledger.rewrap_tenant_key(again.clone(), "m1").await.expect("rewrap"));
    assert_eq!(ledger.tenant_key(&tenant()).await.expect("key"), Some(again));
}

async fn keys_of_other_masters_come_by_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    for (number, (name, master)) in [("c", "m1"), ("a", "m1"), ("b", "m2"), ("d", "m3")].into_iter().enumerate() {
        ledger.keep_tenant_key(key(tenant_named(name), number as u128, master)).await.expect("keep");
    }
    let names = |keys: Vec<TenantKey>| keys.into_iter().map(|key| key.tenant.to_string()).collect::<Vec<_>>();
    assert_eq!(names(ledger.tenant_keys_not_by("m2", None, 2).await.expect("keys")), ["a", "c"]);
    assert_eq!(names(ledger.tenant_keys_not_by("m2", Some(&tenant_named("c")), 2).await.expect("keys")), ["d"]);
    let counts = [("m1", 2), ("m2", 1), ("m3", 1)].map(|(master, count)| (master.to_owned(), count));
    assert_eq!(ledger.wrappings().await.expect("wrappings"), counts);
}

async fn what_another_key_sealed_is_not_written(ledger: &dyn Ledger, _: &VirtualClock) {
    let refused = ledger.create_connection(new(1, tenant(), Some(7))).await.expect("create");
    assert_eq!(refused, Stored::KeyGone, "the tenant has no key");
    ledger.keep_tenant_key(key(tenant(), 7, "m1")).await.expect("keep");
    let made = create(ledger, 1, Some(7)).await;
    let edit = ConnectionEdit { secrets: Some((vec!["token".into()], Some(sealed(8)))), ..ConnectionEdit::default() };
    let change = made.edited(edit).expect("a change");
    assert_eq!(ledger.change_connection(&tenant(), id(1), 1, change).await.expect("change"), Stored::KeyGone);
    assert_eq!(find(ledger, 1).await, made);
}

async fn a_destroyed_key_takes_the_secrets_with_it(ledger: &dyn Ledger, clock: &VirtualClock) {
    ledger.keep_tenant_key(key(tenant(), 7, "m1")).await.expect("keep");
    create(ledger, 1, Some(7)).await;
    let bare = create(ledger, 2, None).await;
    clock.advance_ms(3);
    assert!(ledger.destroy_tenant_key(&tenant()).await.expect("destroy"));
    assert!(!ledger.destroy_tenant_key(&tenant()).await.expect("destroy"));
    assert_eq!(ledger.tenant_key(&tenant()).await.expect("key"), None);
    let lost = find(ledger, 1).await;
    assert_eq!((lost.facts.state, lost.sealed.clone(), lost.erred_at), (ConnectionState::Error, None, Some(START.plus_ms(3))));
    assert_eq!(lost.facts.error.as_ref().map(|error| error.code.as_str()), Some(SECRETS_UNREADABLE));
    assert_eq!(find(ledger, 2).await, bare);
    ledger.keep_tenant_key(key(tenant(), 8, "m1")).await.expect("keep");
    let edit = ConnectionEdit { secrets: Some((vec!["token".into()], Some(sealed(8)))), ..ConnectionEdit::default() };
    let mended = ledger.change_connection(&tenant(), id(1), lost.version, lost.edited(edit).expect("a change")).await.expect("change");
    assert_eq!(done(mended).facts.state, ConnectionState::Pending);
}

async fn a_key_that_is_destroyed_while_secrets_are_written_leaves_none_of_them(ledger: &dyn Ledger, _: &VirtualClock) {
    for round in 0..5_u128 {
        let number = 100 + round;
        ledger.keep_tenant_key(key(tenant(), number, "m1")).await.expect("keep");
        let creates = (0..6).map(|one| ledger.create_connection(new(round * 10 + one + 1, tenant(), Some(number))));
        let tenant = tenant();
        let (made, destroyed) = futures::join!(join_all(creates), ledger.destroy_tenant_key(&tenant));
        assert!(destroyed.expect("destroy"), "round {round}");
        for stored in made {
            assert!(matches!(stored.expect("create"), Stored::Done(_) | Stored::KeyGone));
        }
        let all = ledger.connections(&tenant, None, CONNECTIONS_MAX).await.expect("connections");
        assert!(all.iter().all(|connection| connection.sealed.is_none() && connection.is_shredded()), "round {round}: {all:?}");
    }
}
