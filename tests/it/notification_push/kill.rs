//! 2,000 messages through a worker that is killed three times meanwhile. `-- --no-capture` prints the numbers.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{Value, json};
use windrow_tests::server::{Server, path};

use super::{ask, fcm, lines};

const JOBS: usize = 40;
const TOKENS: usize = 50;
/// It is killed when so many messages have come.
const KILLED_AT: [usize; 3] = [300, 900, 1_500];

#[tokio::test]
async fn each_of_2000_messages_comes_and_none_that_is_confirmed_comes_twice() {
    let began = Instant::now();
    let mut server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"), ("WINDROW_QUEUES", "notifications=4")]).await;
    let peer = fcm(&server).await;
    let count = || peer.process.output().lines().filter(|line| line.contains("\"to\": \"slow-")).count();
    let mut jobs = Vec::new();
    for job in 0..JOBS {
        let tokens: Vec<String> = (0..TOKENS).map(|token| format!("slow-{job}-{token}")).collect();
        jobs.push(ask(&server, json!({ "to": { "tokens": tokens } }), 10).await);
    }
    for at in KILLED_AT {
        while count() < at {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        server.restart().await;
    }
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unknown, mut repeated_confirmed, mut repeated, mut crashes, mut quarantined) = (0, 0, 0, 0, 0);
    for job in &mut jobs {
        *job = server.wait(job).await;
        // One that ran at each of the kills looks like the one who kills, until somebody says that it is not.
        if job["reason"] == "quarantined" {
            quarantined += 1;
            assert!(server.redrive(job).await.status < 300);
            *job = server.wait(job).await;
        }
        assert_eq!((&job["state"], &job["result"]["sent"]), (&json!("completed"), &json!(TOKENS)), "{job}");
    }
    for line in lines(&peer).iter().filter(|line| line["kind"] == "message" && line["status"] == 200) {
        assert_eq!(line["errors"], json!([]));
        *messages.entry(line["to"].as_str().expect("a token").to_owned()).or_default() += 1;
    }
    assert_eq!(messages.len(), JOBS * TOKENS, "each has come");
    for (number, job) in jobs.iter().enumerate() {
        crashes += server.attempts(job).await.len() - 1;
        let effects = server.read(&path(job, "/effects")).await;
        let effects = effects["effects"].as_array().expect("effects").clone();
        assert_eq!(effects.len(), TOKENS);
        for effect in &effects {
            let unknowns = effect["unknowns"].as_u64().expect("a number");
            assert_eq!(effect["state"], "confirmed", "{effect}");
            let token = effect["key"].as_str().and_then(|key| key.strip_prefix("token-")).expect("a key");
            let times = messages[&format!("slow-{number}-{token}")];
            unknown += unknowns;
            repeated += times - 1;
            // One that came more often than it was found unknown was repeated though it was confirmed.
            repeated_confirmed += times.saturating_sub(1 + usize::try_from(unknowns).expect("a small number"));
        }
    }
    println!(
        "{} messages in {:.1} s, killed at {KILLED_AT:?}: {crashes} attempts ended by a kill ({quarantined} jobs quarantined), {unknown} effects found unknown, {repeated} messages \
         came twice, {repeated_confirmed} of them confirmed",
        JOBS * TOKENS,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(repeated_confirmed, 0);
    assert!(crashes > 0 && unknown > 0, "it was killed while it sent: {}", Value::from(crashes));
}
