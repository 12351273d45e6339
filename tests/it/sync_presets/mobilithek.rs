//! Mobilithek: publications of DATEX II behind a certificate.

use serde_json::{Value, json};
use windrow_tests::{provider::Provider, server::Server};

use super::{counts, create, put, run, said, serve};

const SUBSCRIPTION: &str = "123456789012345678";

/// A ParkingTablePublication of these car parks: number, name (as an element), places.
fn table(sites: &[(u32, &str, u32)]) -> String {
    let site = |(number, name, spaces): &(u32, &str, u32)| {
        format!(
            r#"<par:parkingRecord xsi:type="par:UrbanParkingSite" id="de:08118:{number:05}:parkhaus" version="2">
      <par:parkingName><com:values>{name}</com:values></par:parkingName>
      <par:parkingRecordVersionTime>2026-11-22T06:00:00.000+01:00</par:parkingRecordVersionTime>
      <par:parkingNumberOfSpaces>{spaces}</par:parkingNumberOfSpaces>
      <par:parkingLocation xsi:type="loc:PointLocation"><loc:pointByCoordinates><loc:pointCoordinates>
        <loc:latitude>48.9485</loc:latitude><loc:longitude>9.1173</loc:longitude>
      </loc:pointCoordinates></loc:pointByCoordinates></par:parkingLocation>
      <par:openingTimes><par:available24hours>true</par:available24hours></par:openingTimes>
      <par:urbanParkingSiteType>offStreetParking</par:urbanParkingSiteType>
    </par:parkingRecord>"#
        )
    };
    let sites: String = sites.iter().map(site).collect();
    publication("ParkingTablePublication", &format!(r#"<par:parkingTable id="T" version="1">{sites}</par:parkingTable>"#))
}

/// A ParkingStatusPublication: number and free places.
fn status(sites: &[(u32, u32)]) -> String {
    let site = |(number, vacant): &(u32, u32)| {
        format!(
            r#"<par:parkingRecordStatus xsi:type="par:ParkingSiteStatus">
      <par:parkingRecordReference id="de:08118:{number:05}:parkhaus" version="2" targetClass="par:ParkingRecord"/>
      <par:parkingStatusOriginTime>2026-11-22T07:18:01.739+01:00</par:parkingStatusOriginTime>
      <par:parkingOccupancy><par:parkingNumberOfVacantSpaces>{vacant}</par:parkingNumberOfVacantSpaces>
        <par:parkingOccupancy>50.0</par:parkingOccupancy></par:parkingOccupancy>
    </par:parkingRecordStatus>"#
        )
    };
    publication("ParkingStatusPublication", &sites.iter().map(site).collect::<String>())
}

fn publication(kind: &str, content: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<messageContainer xmlns="http://datex2.eu/schema/3/messageContainer" xmlns:par="http://datex2.eu/schema/3/parking"
    xmlns:com="http://datex2.eu/schema/3/common" xmlns:loc="http://datex2.eu/schema/3/locationReferencing"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="3">
  <payload xsi:type="par:{kind}" lang="de" modelBaseVersion="3">
    <com:publicationTime>2026-11-22T06:00:00.000+01:00</com:publicationTime>
    {content}
  </payload>
</messageContainer>"#
    )
}

fn offer(xml: &str, modified: &str) -> Value {
    json!({ "xml": xml, "modified": format!("Sun, 22 Nov 2026 {modified} GMT") })
}

fn one_offer(offer: Value) -> Value {
    let mut offers = json!({ "offers": {} });
    offers["offers"][SUBSCRIPTION] = offer;
    offers
}

/// What the broker of the page about car parks has.
pub(super) fn example_table() -> Value {
    one_offer(offer(&table(&[(1, r#"<com:value lang="de">Parkhaus Bahnhof</com:value>"#, 100)]), "06:00:00"))
}

/// The same of the page about free places.
pub(super) fn example_status() -> Value {
    one_offer(offer(&status(&[(1, 50)]), "06:00:00"))
}

async fn broker(server: &Server, state: Value) -> Provider {
    let provider = Provider::start_apart("mobilithek", state, "machine-1").await;
    create(server, provider.connection("mobilithek", json!({}), json!({}))).await;
    provider
}

fn subscription() -> Value {
    json!({ "connection": "mobilithek", "subscription_id": SUBSCRIPTION })
}

#[tokio::test]
async fn car_parks_are_read_behind_a_certificate_and_only_when_they_changed() {
    let server = serve().await;
    let (german, both) = (r#"<com:value lang="de">Parkhaus Bahnhof</com:value>"#, "<com:value>Altstadt</com:value>");
    let two = r#"<com:value lang="de">Markt</com:value><com:value lang="en">Market</com:value>"#;
    let provider = broker(&server, one_offer(offer(&table(&[(1, german, 100), (2, both, 500), (3, two, 7)]), "06:00:00"))).await;
    put(&server, "parking", "mobilithek-parking", subscription(), json!({})).await;
    assert_eq!(counts(&run(&server, "parking").await, ["created", "failed"]), [3, 0]);
    let parks = said(&server, "parking").await;
    let expected = json!({
        "name": "Parkhaus Bahnhof", "spaces": 100, "latitude": 48.9485, "longitude": 9.1173, "type": "offStreetParking", "open_all_day": true,
        "version": "2"
    });
    assert_eq!(parks["de:08118:00001:parkhaus"], expected);
    let names: Vec<&Value> = parks.values().map(|park| &park["name"]).collect();
    assert_eq!(names, ["Parkhaus Bahnhof", "Altstadt", "Markt"]);
    let seen = provider.seen().await;
    assert_eq!((&seen[0]["peer"], &seen[0]["query"]), (&json!("machine-1"), &json!([["subscriptionID", SUBSCRIPTION]])));

    // "304": nothing changed, so nothing vanished. Neither does it where there is no packet at all.
    let again = run(&server, "parking").await;
    assert_eq!(counts(&again, ["read", "deleted"]), [0, 0]);
    let seen = provider.seen().await;
    assert_eq!((&seen[0]["headers"]["if-modified-since"], &seen[0]["status"]), (&json!("Sun, 22 Nov 2026 06:00:00 GMT"), &json!(304)));
    provider.hold(one_offer(json!({ "modified": "" }))).await;
    assert_eq!(counts(&run(&server, "parking").await, ["read", "deleted"]), [0, 0]);

    // One car park of two is one record all the same, packed without a word of it.
    let mut packed = offer(&table(&[(1, german, 101), (2, both, 500)]), "06:05:00");
    packed["hidden"] = json!(true);
    provider.hold(one_offer(packed)).await;
    assert_eq!(counts(&run(&server, "parking").await, ["updated", "deleted", "unchanged"]), [1, 1, 1]);
    provider.hold(one_offer(offer(&table(&[(1, german, 101)]), "06:10:00"))).await;
    assert_eq!(counts(&run(&server, "parking").await, ["deleted", "unchanged"]), [1, 1]);
}

#[tokio::test]
async fn free_places_have_the_keys_of_the_car_parks_and_a_lost_subscription_deletes_nothing() {
    let server = serve().await;
    let provider = broker(&server, one_offer(offer(&status(&[(1, 50), (2, 400)]), "06:00:00"))).await;
    put(&server, "free", "mobilithek-parking-status", subscription(), json!({})).await;
    assert_eq!(counts(&run(&server, "free").await, ["created", "failed"]), [2, 0]);
    let expected = json!({ "vacant": 50, "occupied_percent": 50.0, "observed_at": "2026-11-22T06:18:01.739Z" });
    assert_eq!(said(&server, "parking-status").await["de:08118:00001:parkhaus"], expected);
    provider.hold(json!({ "offers": {} })).await;
    let refused = run(&server, "free").await;
    assert_eq!(refused["error"]["code"], "connection_refused", "{refused:#}");
    assert_eq!(said(&server, "parking-status").await.len(), 2);
}
