//! The examples that follow no publication work against what they assume. That says nothing of the providers.

use serde_json::{Value, json};
use windrow_tests::provider::Provider;

use super::{connect, counts, put, rest::tokens, run, said, serve};

fn people(count: u32, key: &str) -> Value {
    let one = |number: u32| {
        let mut person = json!({
            "email": format!("p{number}@example.com"), "firstName": "Ada", "lastName": format!("N{number}"), "name": format!("Ada N{number}"),
            "dateOfBirth": "1990-09-25", "updatedAt": "2026-11-01T10:00:00Z", "updated_at": "2026-11-01T10:00:00Z"
        });
        person[key] = json!(format!("k{number:04}"));
        person
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn each_of_the_four_that_list_is_read_whole() {
    let server = serve().await;
    let appointments: Value = (0..130)
        .map(|number| {
            json!({ "clinicId": number % 2, "number": number / 2, "patientId": "k0001", "start": "2026-12-01T09:00:00+01:00", "doctor": { "name": "Dr. N" },
                "status": if number == 7 { "cancelled" } else { "booked" }, "updatedAt": "2026-11-01T10:00:00Z" })
        })
        .collect();
    let state = json!({
        "/api/v1/contacts": people(230, "id"), "/v1/patients": people(230, "patientId"), "/v1/appointments": appointments, "/v1/contacts": people(230, "id")
    });
    let provider = Provider::start("assumed", state).await;
    connect(&server, &provider, "api", json!({}), json!({})).await;
    tokens(&server, &provider).await;
    for (preset, listed, kept) in
        [("cbb", 230, 230), ("doktor365-patients", 230, 230), ("doktor365-appointments", 130, 129), ("onlychannel-contacts", 230, 230)]
    {
        // A token ends in the midst of the list.
        provider.fault(json!([{ "when": "GET /", "pass": 1, "status": 401, "body": { "message": "token expired" } }])).await;
        let parameters = json!({ "connection": "api", "token_connection": "tokens", "collection": preset });
        put(&server, preset, preset, parameters, json!({})).await;
        let job = run(&server, preset).await;
        assert_eq!(counts(&job, ["failed"]), [0], "{preset}: {job:#}");
        assert!(job["result"]["read"].as_u64() >= Some(listed), "{preset}: {job:#}");
        assert_eq!(said(&server, preset).await.len(), kept, "{preset}");
    }
    assert_eq!(said(&server, "doktor365-patients").await["k0003"]["name"], "Ada N3");
    assert_eq!(said(&server, "doktor365-appointments").await["1/2"]["starts_at"], "2026-12-01T08:00:00.000Z");
}

#[tokio::test]
async fn each_record_is_one_message() {
    let server = serve().await;
    let provider = Provider::start("assumed", json!({ "/api/v1/contacts": people(12, "id") })).await;
    connect(&server, &provider, "api", json!({}), json!({})).await;
    tokens(&server, &provider).await;
    let both = json!({ "connection": "api", "token_connection": "tokens", "collection": "messages" });
    let words = json!([{ "to": "to", "from": "/email" }, { "to": "text", "value": "Hello" }]);
    put(&server, "pull", "cbb", both.clone(), json!({ "mapping": words, "destination": { "records": { "lookup": ["to"] } } })).await;
    put(&server, "push", "chat365-messages", both, json!({})).await;
    assert_eq!(counts(&run(&server, "pull").await, ["created"]), [12]);
    assert_eq!(counts(&run(&server, "push").await, ["created", "failed"]), [12, 0]);
    assert_eq!(counts(&run(&server, "push").await, ["created", "updated"]), [0, 0]);
    assert_eq!(provider.state().await["messages"].as_array().expect("messages").len(), 12);
}
