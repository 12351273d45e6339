//! Tickets as rows: the verbs `issue`, `tickets`, `revoke`, `revoke_all`, and a claim that must find its ticket.

use windrow_jobs::{
    clock::VirtualClock,
    ledger::{Claim, FeedEvent, Ledger, Offer, Ticket, TicketId},
    queue::QueueName,
};
use windrow_tests::jobs::{claim_of, events, id, insert, queue_named, ready};

conformance! {
    a_ticket_is_seen_by_workers_of_its_queue_that_know_its_kind,
    tickets_are_seen_oldest_first_and_a_few_at_a_time,
    a_ticket_is_used_up_by_the_first_claim,
    a_ticket_is_used_up_even_where_nothing_is_taken,
    a_revoked_ticket_claims_nothing_and_tells_nothing,
    of_a_claim_and_a_revocation_exactly_one_wins,
    only_the_leader_of_the_epoch_issues,
    a_planners_term_begins_without_tickets,
    an_offer_is_as_old_as_the_oldest_ticket_of_its_queue,
}

const LEADERSHIP: &str = "duties";
const TERM_MS: i64 = 5_000;

async fn a_ticket_is_seen_by_workers_of_its_queue_that_know_its_kind(ledger: &dyn Ledger, _: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    let ticket = Ticket { queue: queue_named("builds"), kind: "build.generate".to_owned(), ..ticket(1, &[1, 2]) };
    assert!(ledger.issue(LEADERSHIP, epoch, vec![ticket.clone()]).await.expect("issue"));
    for (queue, kind, seen) in [("builds", "build.generate", true), ("builds", "echo", false), ("syncs", "build.generate", false)] {
        let tickets = ledger.tickets(&[queue_named(queue)], &[kind.to_owned()], 10).await.expect("tickets");
        assert_eq!(tickets, if seen { vec![ticket.clone()] } else { Vec::new() }, "{queue}, {kind}");
    }
}

async fn tickets_are_seen_oldest_first_and_a_few_at_a_time(ledger: &dyn Ledger, clock: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    for number in [3, 1, 2] {
        ledger.issue(LEADERSHIP, epoch, vec![ticket(number, &[number])]).await.expect("issue");
        clock.advance_ms(1);
    }
    let seen: Vec<TicketId> = look(ledger, 2).await;
    assert_eq!(seen, [ticket_id(3), ticket_id(1)]);
}

async fn a_ticket_is_used_up_by_the_first_claim(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let epoch = lead(ledger, "a").await;
    ledger.issue(LEADERSHIP, epoch, vec![ticket(1, &[1, 2])]).await.expect("issue");
    assert_eq!(present(ledger, 1, &[1, 2], 1).await, 1);
    assert!(look(ledger, 10).await.is_empty());
    assert_eq!(present(ledger, 1, &[1, 2], 10).await, 0);
}

async fn a_ticket_is_used_up_even_where_nothing_is_taken(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let epoch = lead(ledger, "a").await;
    ledger.issue(LEADERSHIP, epoch, vec![ticket(1, &[1])]).await.expect("issue");
    events(ledger).await;
    assert_eq!(present(ledger, 1, &[1], 0).await, 0);
    let told = FeedEvent::Claimed { ticket: ticket_id(1), claimed: Vec::new(), returned: vec![id(1)] };
    assert_eq!(events(ledger).await, [told]);
    assert!(look(ledger, 10).await.is_empty());
}

async fn a_revoked_ticket_claims_nothing_and_tells_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let epoch = lead(ledger, "a").await;
    ledger.issue(LEADERSHIP, epoch, vec![ticket(1, &[1])]).await.expect("issue");
    assert_eq!(ledger.revoke(vec![ticket_id(1), ticket_id(9)]).await.expect("revoke"), [ticket_id(1)]);
    events(ledger).await;
    assert_eq!(present(ledger, 1, &[1], 10).await, 0);
    assert!(events(ledger).await.is_empty());
}

async fn of_a_claim_and_a_revocation_exactly_one_wins(ledger: &dyn Ledger, _: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    for number in 1..=20 {
        insert(ledger, [ready(number)]).await;
        ledger.issue(LEADERSHIP, epoch, vec![ticket(number, &[number])]).await.expect("issue");
        let ids = [number];
        let (claimed, revoked) = tokio::join!(present(ledger, number, &ids, 1), ledger.revoke(vec![ticket_id(number)]));
        assert_eq!(claimed + revoked.expect("revoke").len(), 1);
    }
}

async fn only_the_leader_of_the_epoch_issues(ledger: &dyn Ledger, clock: &VirtualClock) {
    let first = lead(ledger, "a").await;
    clock.advance_ms(TERM_MS);
    assert!(!ledger.issue(LEADERSHIP, first, vec![ticket(1, &[1])]).await.expect("issue"), "the term has run out");
    let second = lead(ledger, "b").await;
    assert!(!ledger.issue(LEADERSHIP, first, vec![ticket(2, &[2])]).await.expect("issue"), "another leads");
    assert!(ledger.issue(LEADERSHIP, second, vec![ticket(3, &[3])]).await.expect("issue"));
    assert_eq!(look(ledger, 10).await, [ticket_id(3)]);
}

async fn a_planners_term_begins_without_tickets(ledger: &dyn Ledger, _: &VirtualClock) {
    let epoch = lead(ledger, "a").await;
    ledger.issue(LEADERSHIP, epoch, vec![ticket(1, &[1]), ticket(2, &[2])]).await.expect("issue");
    ledger.revoke_all().await.expect("revoke all");
    assert!(look(ledger, 10).await.is_empty());
}

async fn an_offer_is_as_old_as_the_oldest_ticket_of_its_queue(ledger: &dyn Ledger, clock: &VirtualClock) {
    let (default, builds) = (queue_named("default"), queue_named("builds"));
    let offers = async |queues: &[QueueName], kinds: &[&str]| {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let mut offers = ledger.on_offer(queues, &kinds).await.expect("on offer");
        offers.sort_by(|one, other| one.queue.cmp(&other.queue));
        offers
    };
    let both = [default.clone(), builds.clone()];
    assert_eq!(offers(&both, &["echo"]).await, []);
    let epoch = lead(ledger, "a").await;
    for number in [1, 2] {
        ledger.issue(LEADERSHIP, epoch, vec![ticket(number, &[number])]).await.expect("issue");
        clock.advance_ms(70);
    }
    let build = Ticket { queue: builds.clone(), kind: "build.generate".to_owned(), ..ticket(3, &[3]) };
    ledger.issue(LEADERSHIP, epoch, vec![build]).await.expect("issue");
    clock.advance_ms(5);
    assert_eq!(offers(&both, &["echo"]).await, [Offer { queue: default.clone(), age_ms: 145 }], "another kind is no offer");
    assert_eq!(
        offers(&both, &["echo", "build.generate"]).await,
        [Offer { queue: builds.clone(), age_ms: 5 }, Offer { queue: default, age_ms: 145 }]
    );
    ledger.revoke(vec![ticket_id(3)]).await.expect("revoke");
    assert_eq!(offers(&[builds], &["build.generate"]).await, []);
}

async fn lead(ledger: &dyn Ledger, holder: &str) -> i64 {
    ledger.lead(LEADERSHIP, holder, TERM_MS).await.expect("lead").expect("nobody else leads").epoch
}

async fn look(ledger: &dyn Ledger, limit: usize) -> Vec<TicketId> {
    let tickets = ledger.tickets(&[queue_named("default")], &["echo".to_owned()], limit).await.expect("tickets");
    tickets.into_iter().map(|ticket| ticket.id).collect()
}

/// Presents a ticket that names these jobs; how many were claimed.
async fn present(ledger: &dyn Ledger, number: u64, jobs: &[u64], take: usize) -> usize {
    let claim = Claim { ticket: ticket_id(number), ticket_row: true, take, ..claim_of(jobs.iter().map(|job| (id(*job), 0))) };
    ledger.claim(claim).await.expect("claim").len()
}

fn ticket(number: u64, jobs: &[u64]) -> Ticket {
    let ids = jobs.iter().map(|job| (id(*job), 0)).collect();
    Ticket { id: ticket_id(number), queue: queue_named("default"), kind: "echo".to_owned(), ids }
}

fn ticket_id(number: u64) -> TicketId {
    TicketId::from_u128(number.into())
}
