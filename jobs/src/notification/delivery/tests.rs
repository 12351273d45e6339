use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn sending() -> Sending {
    Sending {
        tenant: TenantId::default_tenant(),
        job: JobId::from_bytes([7; 16]),
        key: "send".into(),
        connection: ConnectionId(uuid::Uuid::nil()),
        recipient: "+4912345".into(),
        provider_id: Some("SM1".into()),
    }
}

fn report(status: Status, at_ms: Option<i64>) -> Report {
    let error = (status == Status::Failed).then(|| JobError::new("blocked", format!("at {at_ms:?}"), false));
    Report { about: vec![Whose::Theirs("SM1".into())], status, at: at_ms.map(at), error }
}

/// How far it is, when each step was and why it failed, and the provider's name.
type Known = (Status, BTreeMap<Status, (Option<Timestamp>, Option<JobError>)>, Option<String>);

/// What is known after these, without the times at which it was heard here.
fn after(reports: &[Report], noted_at: usize) -> Known {
    let sending = sending();
    let mut delivery: Option<Delivery> = None;
    for (turn, report) in reports.iter().map(Some).chain([None]).enumerate() {
        let now = at(1_000 + turn as i64);
        if turn == noted_at.min(reports.len()) {
            delivery = Some(match &delivery {
                Some(before) => before.with_sending(&sending, now).unwrap_or_else(|| before.clone()),
                None => Delivery::noted(sending.clone(), now),
            });
        }
        let Some(report) = report else { continue };
        delivery = Some(match &delivery {
            Some(before) => before.with_report(report, now).unwrap_or_else(|| before.clone()),
            None => Delivery::reported_first(&sending.tenant, (sending.job, "send"), sending.connection, report, now),
        });
    }
    let delivery = delivery.expect("it was noted");
    let steps = delivery.facts.steps.iter().map(|(status, step)| (*status, (step.at, step.error.clone()))).collect();
    assert_eq!(delivery.facts.recipient.as_deref(), Some("+4912345"));
    (delivery.facts.status(), steps, delivery.provider_id)
}

#[test]
fn what_another_connection_said_of_it_is_forgotten_once_it_is_noted() {
    let (sending, strange) = (sending(), ConnectionId(uuid::Uuid::from_u128(8)));
    let told = report(Status::Read, Some(1));
    let told = Delivery::reported_first(&sending.tenant, (sending.job, "send"), strange, &told, at(5));
    let sending = Sending { provider_id: None, ..sending };
    let noted = told.with_sending(&sending, at(9)).expect("something new");
    assert_eq!(noted, Delivery { version: 2, created_at: at(5), ..Delivery::noted(sending.clone(), at(9)) });
    assert_eq!((noted.connection, noted.provider_id.as_deref(), noted.facts.status()), (sending.connection, None, Status::Sent));
    assert_eq!(noted.with_sending(&sending, at(10)), None, "noted before");
}

#[test]
fn what_means_less_is_noted_and_changes_nothing() {
    let delivery = Delivery::noted(sending(), at(1));
    let delivered = delivery.with_report(&report(Status::Delivered, Some(20)), at(30)).expect("something new");
    assert_eq!((delivered.facts.status(), delivered.version), (Status::Delivered, 2));
    let late = delivered.with_report(&report(Status::Sent, Some(10)), at(40)).expect("a step's own time");
    assert_eq!(late.facts.status(), Status::Delivered);
    assert_eq!(late.facts.steps[&Status::Sent], Step { at: Some(at(10)), heard_at: at(1), error: None });
    assert_eq!(late.with_report(&report(Status::Sent, Some(10)), at(50)), None, "heard before");
    let failed = late.with_report(&report(Status::Failed, Some(15)), at(60)).expect("noted");
    assert_eq!((failed.facts.status(), failed.facts.error()), (Status::Delivered, None), "who has it has it");
    assert!(failed.facts.steps[&Status::Failed].error.is_some());
    let read = failed.with_report(&report(Status::Read, None), at(70)).expect("something new");
    assert_eq!((read.facts.status(), read.changed_at), (Status::Read, at(70)));
}

#[test]
fn a_failure_stands_until_the_message_arrives_all_the_same() {
    let failed = Delivery::noted(sending(), at(1)).with_report(&report(Status::Failed, Some(5)), at(6)).expect("something new");
    assert_eq!(failed.facts.error().map(|error| error.code.as_str()), Some("blocked"));
    assert_eq!(failed.with_report(&report(Status::Sent, None), at(7)), None, "it was noted as sent");
    let delivered = failed.with_report(&report(Status::Delivered, Some(4)), at(8)).expect("something new");
    assert_eq!((delivered.facts.status(), delivered.facts.error()), (Status::Delivered, None));
}

#[test]
fn what_cannot_be_kept_is_cut() {
    let long = Sending { provider_id: Some("\0ü".repeat(1_000)), ..sending() };
    let kept = Delivery::noted(long, at(1)).provider_id.expect("an id");
    assert!(!kept.contains('\0') && kept.contains('ü'), "{kept}");
    assert_eq!(Whose::ours("019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70"), None);
    assert_eq!(Whose::ours("019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70."), None);
    let outer = "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70.a.b";
    assert!(matches!(Whose::ours(outer), Some(Whose::Ours(_, key)) if key == "a.b"));
}

fn some_reports() -> impl Strategy<Value = Vec<Report>> {
    let statuses = prop_oneof![Just(Status::Sent), Just(Status::Failed), Just(Status::Delivered), Just(Status::Read)];
    proptest::collection::vec((statuses, proptest::option::of(0..5_i64)).prop_map(|(status, at_ms)| report(status, at_ms)), 0..8)
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_the_same_reports_ends_alike(
        (reports, shuffled) in some_reports().prop_flat_map(|reports| (Just(reports.clone()), Just(reports).prop_shuffle())),
        repeats in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        noted in 0..9_usize,
        noted_again in 0..9_usize,
    ) {
        let mut repeated = shuffled.clone();
        if !repeated.is_empty() {
            repeated.extend(repeats.iter().map(|index| index.get(&shuffled).clone()));
        }
        prop_assert_eq!(after(&reports, noted), after(&repeated, noted_again));
    }

    #[test]
    fn no_report_takes_a_delivery_back(reports in some_reports()) {
        let mut delivery = Delivery::noted(sending(), at(1));
        for (turn, report) in reports.iter().enumerate() {
            let before = delivery.facts.status();
            if let Some(after) = delivery.with_report(report, at(2 + turn as i64)) {
                prop_assert_eq!(after.version, delivery.version + 1);
                delivery = after;
            }
            prop_assert!(delivery.facts.status() >= before && delivery.facts.status() >= report.status);
        }
    }
}
