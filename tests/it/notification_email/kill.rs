//! Two thousand e-mails through a server that is killed three times meanwhile: each arrives, none that was confirmed arrives again, and
//! what nobody knew goes by its policy. `-- --no-capture` prints the numbers.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use windrow_tests::{killing::work_off, mail::MailServer};

use super::{connect, effects, email, serve};

const RESENT: usize = 2_000;
const OTHERS: usize = 600;
/// How many the outside has seen when the server is killed.
const KILL_AT: [u64; 3] = [500, 1_200, 1_900];

#[tokio::test]
async fn two_thousand_e_mails_arrive_though_the_server_is_killed_three_times() {
    let (mut server, mail) = (serve().await, MailServer::start_with("none", json!({ "forgets": true })).await);
    connect(&server, "mail", &mail, json!({ "connections_max": 8 })).await;
    // So long each message is in doubt.
    mail.ask(json!({ "delay_ms": 20 })).await;
    let mut submissions: Vec<Value> = (0..RESENT).map(|n| email(json!({ "to": [format!("a{n}@example.com")] }))).collect();
    for n in 0..OTHERS {
        // Among the others, so that some are under way at each kill.
        let at = submissions.len() * n / OTHERS;
        let when_unknown = if n % 2 == 0 { "drop" } else { "park" };
        submissions.insert(at, email(json!({ "when_unknown": when_unknown })));
    }
    let worked = work_off(&mut server, &submissions, &KILL_AT, || mail.taken()).await;
    println!("e-mails: {}", worked.summary());

    assert_eq!(worked.confirmed_repeated(), Vec::<&String>::new(), "{}", worked.summary());
    let mut by_policy: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (submission, job) in submissions.iter().zip(&worked.jobs) {
        let id = job["id"].as_str().expect("an id");
        let times = worked.seen.get(&format!("{id}.send")).copied().unwrap_or_default();
        let policy = submission["payload"]["when_unknown"].as_str().unwrap_or("resend");
        let was_in_doubt = worked.kills.iter().any(|kill| kill.intended.contains(&format!("{id}.send")));
        let shown = if was_in_doubt || times != 1 { effects(&server, job).await } else { Vec::new() };
        let unknowns = shown.first().map_or(0, |effect| effect["unknowns"].as_u64().unwrap_or_default());
        let what = format!("{policy}: {times} times, {job} {shown:?}");
        match policy {
            "resend" => {
                assert_eq!(job["state"], "completed", "{what}");
                assert!(times >= 1 && times <= 1 + unknowns, "delivered, and again only where nobody knew: {what}");
            }
            "drop" => assert!(job["state"] == "completed" && times <= 1 && (times == 1 || unknowns == 1), "at most once: {what}"),
            _ => {
                let expected = if unknowns == 0 { "completed" } else { "dead" };
                assert!(job["state"] == expected && times <= 1, "a person decides: {what}");
                assert!(unknowns == 0 || shown[0]["state"] == "parked", "{what}");
            }
        }
        if was_in_doubt {
            assert!(unknowns >= 1, "what was in doubt at a kill is shown to have been: {what}");
            *by_policy.entry((policy.to_owned(), shown[0]["state"].as_str().unwrap_or_default().to_owned())).or_default() += 1;
        }
    }
    println!("e-mails in doubt at a kill: {by_policy:?}");
    assert!(!by_policy.is_empty(), "a kill that leaves nothing in doubt shows nothing");
    assert!(worked.took < Duration::from_secs(60), "{}", worked.summary());
}
