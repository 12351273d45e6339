//! Destination.One: events by offset, with a licence key in the URL.

use serde_json::{Value, json};
use windrow_tests::provider::Provider;

use super::{connect, counts, found, parameter, put, run, said, serve};

const KEY: &str = "planted-licence-key-91";

/// So many events, in the form of the answer that was read.
pub(super) fn events(count: u32) -> Value {
    let one = |number: u32| {
        json!({
            "global_id": format!("e_{number:09}"), "id": number.to_string(), "title": format!("Konzert {number}"), "type": "Event",
            "categories": ["Konzerte"], "city": if number == 7 { "Weimar" } else { "Rudolstadt" }, "zip": "07407", "name": "Schillerhaus",
            "texts": [
                { "rel": "details", "type": "text/html", "value": "<b>Ein Abend</b>" },
                { "rel": "details", "type": "text/plain", "value": format!("Ein Abend {number}") },
                { "rel": "teaser", "type": "text/plain" }
            ],
            "geo": { "main": { "latitude": 50.72, "longitude": 11.33 }, "entry": [] },
            "media_objects": [{ "rel": "venuewebsite", "url": "http://a.example" }, { "rel": "default", "url": "https://a.example/b.jpg" }],
            "timeIntervals": [{ "weekdays": [], "start": "2099-12-19T15:00:00+01:00", "tz": "Europe/Berlin", "interval": 1 }],
            "attributes": [{ "key": "VO_Id", "value": "1" }, { "key": "interval_first_match_start", "value": "2099-12-19T15:00:00+01" }],
            "changed": "2099-12-14T08:29:00+00:00"
        })
    };
    (1..=count).map(one).collect()
}

#[tokio::test]
async fn events_are_read_by_offset_and_what_lies_in_lists_is_found() {
    let server = serve().await;
    let mut items = events(230);
    items.as_array_mut().expect("a list").push(json!({ "global_id": "p_1", "title": "A place", "type": "POI" }));
    let provider = Provider::start("destination_one", json!({ "key": KEY, "items": items })).await;
    connect(&server, &provider, "d1", json!({ "api_key_parameter": "licensekey" }), json!({ "api_key": KEY })).await;
    let parameters = json!({ "connection": "d1", "experience": "beispielstadt", "mode": "next_months,12" });
    put(&server, "events", "destination-one-events", parameters, json!({})).await;
    let first = run(&server, "events").await;
    assert_eq!(counts(&first, ["created", "failed"]), [230, 0]);
    let seen = provider.seen().await;
    assert_eq!(seen[0]["path"], "/rest.ashx/search/");
    assert_eq!(
        (parameter(&seen[0], "licensekey"), parameter(&seen[0], "mode"), parameter(&seen[0], "q")),
        (Some(KEY), Some("next_months,12"), None)
    );
    let event = &said(&server, "events").await["e_000000007"];
    assert_eq!(event["description"], "Ein Abend 7");
    assert_eq!((&event["next_start"], &event["image"]), (&json!("2099-12-19T15:00:00+01"), &json!("https://a.example/b.jpg")));
    assert_eq!((&event["latitude"], &event["updated_at"]), (&json!(50.72), &json!("2099-12-14T08:29:00.000Z")));
    assert_eq!(found(&server, "events", "city", "Weimar").await, ["e_000000007"]);
    assert!(!server.log().contains(KEY));
}

#[tokio::test]
async fn an_answer_that_is_not_ok_is_no_empty_list() {
    let server = serve().await;
    let provider = Provider::start("destination_one", json!({ "key": KEY, "items": events(5) })).await;
    connect(&server, &provider, "d1", json!({ "api_key_parameter": "licensekey" }), json!({ "api_key": KEY })).await;
    let parameters = json!({ "connection": "d1", "experience": "beispielstadt" });
    put(&server, "events", "destination-one-events", parameters, json!({ "limits": { "deleted_percent_max": 100 } })).await;
    assert_eq!(counts(&run(&server, "events").await, ["created"]), [5]);
    provider.hold(json!({ "key": "another", "items": [] })).await;
    let failed = run(&server, "events").await;
    assert_eq!(failed["error"]["code"], "page_error", "{failed:#}");
    assert_eq!(said(&server, "events").await.len(), 5);
}
