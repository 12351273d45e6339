//! What is done about an effect that was found, in every standing and by every policy.

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const POLICIES: [Policy; 4] = [Policy::Ask, Policy::Resend, Policy::Drop, Policy::Park];

fn found(standing: Standing) -> Kept {
    let result = serde_json::value::to_raw_value("kept").expect("JSON");
    Kept {
        tenant: TenantId::default_tenant(),
        job: JobId::from_bytes([1; 16]),
        key: "mail".into(),
        version: 3,
        facts: Facts {
            standing,
            policy: Policy::Park,
            attempt: 1,
            mark: 1,
            tries: 1,
            unknowns: 0,
            provider_id: None,
            result: (standing == Standing::Confirmed).then_some(Reported(result)),
            error: None,
            doubted: false,
            handed_at: None,
            by_person: false,
        },
        callback: None,
        created_at: NOW,
        changed_at: NOW,
        until: (standing == Standing::Awaited).then(|| NOW.plus_ms(1)),
    }
}

#[test]
fn what_is_known_is_acted_on_alike_by_every_policy() {
    for policy in POLICIES {
        let step = |standing| decide(&found(standing), 2, policy, 9, NOW);
        assert_eq!(step(Standing::Confirmed), Step::Replay);
        assert_eq!(step(Standing::Dropped), Step::Drop(found(Standing::Dropped).facts), "{policy:?}");
        assert_eq!(step(Standing::Parked), Step::Park(found(Standing::Parked).facts), "{policy:?}");
        assert_eq!(step(Standing::Awaited), Step::Await(NOW.plus_ms(1)));
        let Step::Try(facts) = step(Standing::Withdrawn) else { panic!("it did not happen, so it is tried") };
        assert_eq!((facts.standing, facts.attempt, facts.tries, facts.unknowns, facts.mark), (Standing::Intended, 2, 2, 0, 9));
    }
}

#[test]
fn what_is_unknown_follows_the_policy_of_whoever_finds_it_and_is_counted() {
    for policy in POLICIES {
        let step = decide(&found(Standing::Intended), 2, policy, 9, NOW);
        let (facts, standing) = match (policy, step) {
            (Policy::Ask, Step::Ask(facts)) | (Policy::Resend, Step::Try(facts)) => (facts, Standing::Intended),
            (Policy::Drop, Step::Drop(facts)) => (facts, Standing::Dropped),
            (Policy::Park, Step::Park(facts)) => (facts, Standing::Parked),
            (_, step) => panic!("{policy:?}: {step:?}"),
        };
        assert_eq!((facts.standing, facts.policy, facts.unknowns), (standing, policy, 1));
        assert_eq!(facts.tries, if standing == Standing::Intended { 2 } else { 1 }, "{policy:?}");
    }
}

#[test]
fn a_report_that_is_overdue_costs_the_attempt_that_waited_and_the_next_follows_the_policy() {
    for policy in POLICIES {
        let mut kept = Kept { until: Some(NOW), ..found(Standing::Awaited) };
        let Step::Fail(facts, error) = decide(&kept, 2, policy, 9, NOW) else { panic!("the attempt ends") };
        assert_eq!((facts.standing, error.code.as_str(), error.retryable), (Standing::Intended, "callback_late", true));
        kept.facts = facts;
        let next = decide(&kept, 3, policy, 9, NOW);
        assert_eq!(next, decide(&Kept { facts: kept.facts.clone(), ..found(Standing::Intended) }, 3, policy, 9, NOW), "{policy:?}");
        assert!(!matches!(next, Step::Fail(..) | Step::Await(_)), "{policy:?}");
    }
}

#[test]
fn that_the_last_try_failed_says_nothing_of_one_before_it() {
    let Step::Try(again) = decide(&found(Standing::Intended), 2, Policy::Resend, 9, NOW) else { panic!("it is sent again") };
    assert_eq!(again.not_done(10).standing, Standing::Intended, "nobody knows of the first");
    let mut kept = found(Standing::Failed);
    kept.facts.doubted = true;
    let Step::Fail(facts, _) = decide(&kept, 3, Policy::Resend, 9, NOW) else { panic!("the attempt ends") };
    assert_eq!(facts.standing, Standing::Intended);
    // A provider that was asked, and a person, know of every try.
    let Step::Ask(asked) = decide(&Kept { facts, ..kept.clone() }, 4, Policy::Ask, 9, NOW) else { panic!("it is asked") };
    assert_eq!(asked.not_done(10).standing, Standing::Withdrawn);
    kept.facts = resolve(&Kept { facts: again, ..found(Standing::Intended) }, Said::NotHappened, 9).expect("it is in doubt");
    let Step::Try(first) = decide(&kept, 3, Policy::Resend, 9, NOW) else { panic!("it is tried") };
    assert_eq!(first.not_done(10).standing, Standing::Withdrawn);
}

#[test]
fn heartbeats_prolong_the_wait_up_to_a_week_from_the_hand_over() {
    let mut kept = Kept { until: Some(NOW.plus_ms(3_600_000)), ..found(Standing::Awaited) };
    let mut now = NOW;
    let mut beats = 0;
    while decide(&kept, 2, Policy::Resend, 9, now) == Step::Await(kept.until.expect("it is awaited")) {
        let patience_ms = patience_ms(&kept, now);
        let facts = report(&kept, Said::Alive, 9).expect("it is awaited");
        assert_eq!(facts.handed_at, Some(NOW));
        kept = Kept { facts, changed_at: now, until: Some(now.plus_ms(patience_ms)), ..kept };
        beats += 1;
        now = now.plus_ms(1_800_000);
    }
    assert_eq!((kept.until, beats), (Some(NOW.plus_ms(AWAIT_MS_MAX)), 7 * 48));
}

#[test]
fn a_person_may_take_a_word_back_until_it_was_acted_on() {
    let named = Said::Happened { provider_id: Some("wrong".into()), result: None };
    let happened = Said::Happened { provider_id: None, result: None };
    let mut kept = found(Standing::Parked);
    for (said, standing) in [(named, Standing::Confirmed), (Said::NotHappened, Standing::Withdrawn), (happened, Standing::Confirmed)] {
        kept.facts = resolve(&kept, said, 9).expect("it is the person's own word");
        assert_eq!(kept.facts.standing, standing);
    }
    assert_eq!(kept.facts.provider_id, None, "it went with the word that named it");
    kept.facts = resolve(&kept, Said::NotHappened, 9).expect("it is the person's own word");
    let Step::Try(facts) = decide(&kept, 2, Policy::Park, 9, NOW) else { panic!("it is tried") };
    let confirmed = Kept { facts: Facts { standing: Standing::Confirmed, ..facts }, ..kept };
    assert_eq!(resolve(&confirmed, Said::NotHappened, 9), None, "the handler knows");
}

#[test]
fn a_reported_failure_ends_one_attempt_and_lets_the_next_try() {
    let mut kept = found(Standing::Failed);
    kept.facts.error = Some(JobError::new("full", "no room", true));
    let Step::Fail(facts, error) = decide(&kept, 2, Policy::Park, 9, NOW) else { panic!("the attempt ends") };
    assert_eq!((facts.standing, error.code.as_str()), (Standing::Withdrawn, "full"));
    kept.facts = facts;
    assert!(matches!(decide(&kept, 3, Policy::Park, 9, NOW), Step::Try(_)));
}

#[test]
fn a_report_changes_only_what_is_in_doubt() {
    let happened = || Said::Happened { provider_id: Some("p".into()), result: None };
    for standing in [Standing::Intended, Standing::Awaited, Standing::Dropped, Standing::Parked] {
        assert_eq!(report(&found(standing), happened(), 9).expect("it counts").standing, Standing::Confirmed, "{standing:?}");
        assert_eq!(report(&found(standing), Said::NotHappened, 9).expect("it counts").standing, Standing::Withdrawn);
        let alive = report(&found(standing), Said::Alive, 9).map(|facts| facts.standing);
        assert_eq!(alive, (standing == Standing::Awaited).then_some(Standing::Awaited));
    }
    for standing in [Standing::Confirmed, Standing::Failed, Standing::Withdrawn] {
        for said in [happened(), Said::NotHappened, Said::Alive, Said::Failed(JobError::new("x", "x", true))] {
            assert_eq!(report(&found(standing), said, 9), None, "{standing:?}");
        }
    }
}
