//! `docs/syncs/`: a page for each preset (one for the assumed), whose commands work as they are printed, against a server of this machine.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use windrow_jobs::sync::presets::{Preset, presets};
use windrow_tests::{authority, provider::Provider, server::Server};

use super::{clients, destination_one::events, serve};
use crate::{
    documents::{repository, table},
    printed,
};

/// The page of a preset.
fn page(preset: &Preset) -> String {
    format!("docs/syncs/{}.md", if preset.assumed { "assumed" } else { preset.name.as_str() })
}

#[test]
fn every_preset_has_its_page_which_tells_its_parameters() {
    for preset in presets().filter(|preset| !preset.assumed) {
        let told: BTreeMap<String, String> = table(&page(preset), "## Parameters")
            .into_iter()
            .map(|(name, cells)| (name, cells.last().cloned().unwrap_or_default()))
            .collect();
        let meant: BTreeMap<String, String> = preset
            .parameters
            .iter()
            .map(|(name, schema)| (name.clone(), schema["description"].as_str().expect("a description").to_owned()))
            .collect();
        assert_eq!(told, meant, "{}", preset.name);
    }
    let names: Vec<String> = presets().map(page).collect();
    for file in fs::read_dir(repository("docs/syncs")).expect("the folder") {
        let file = format!("docs/syncs/{}", file.expect("a file").file_name().to_string_lossy());
        assert!(names.contains(&file), "{file} is of no preset");
    }
}

/// Runs the commands of a page with servers of ours where the page has the provider's.
async fn works(document: &str, section: &str, public_url: &str, provider: &Provider) {
    works_beside(&serve().await, document, section, public_url, provider).await;
}

async fn works_beside(server: &Server, document: &str, section: &str, public_url: &str, provider: &Provider) {
    let mut local = provider.url();
    if let Some([ca_pem, ..]) = &provider.tls {
        local = format!("{local}\", \"ca_pem\": \"{}", ca_pem.replace('\n', "\\n"));
    }
    let mut steps = printed::steps(document, section);
    assert!(steps.len() >= 4, "{document} has {} examples", steps.len());
    for step in &mut steps {
        step.commands = step.commands.replace(public_url, &local);
    }
    printed::run(server, &steps).await;
}

fn table_of(records: Value) -> Value {
    json!({ "token": "patEXAMPLE", "tables": { "appEXAMPLE/Contacts": records } })
}

#[tokio::test]
async fn the_pages_of_airtable_work_as_printed() {
    let airtable = "https://api.airtable.com";
    let provider = Provider::start("airtable", table_of(clients::records(3))).await;
    works("docs/syncs/airtable.md", "Examples", airtable, &provider).await;
    let provider = Provider::start("airtable", table_of(json!([]))).await;
    works("docs/syncs/airtable-push.md", "Examples", airtable, &provider).await;
    assert_eq!(provider.state().await["tables"]["appEXAMPLE/Contacts"][0]["fields"]["Name"], "Ada");
}

#[tokio::test]
async fn the_pages_of_gohighlevel_work_as_printed() {
    let ghl = "https://services.leadconnectorhq.com";
    let provider = Provider::start("gohighlevel", json!({ "token": "pit-EXAMPLE", "contacts": clients::contacts(3) })).await;
    works("docs/syncs/gohighlevel-contacts.md", "Examples", ghl, &provider).await;
    let provider = Provider::start("gohighlevel", json!({ "token": "pit-EXAMPLE" })).await;
    works("docs/syncs/gohighlevel-contacts-push.md", "Examples", ghl, &provider).await;
    assert_eq!(provider.state().await["contacts"][0]["email"], "ada@example.com");
}

#[tokio::test]
async fn the_pages_of_mobilithek_work_as_printed() {
    let broker = "https://mobilithek.info:8443";
    for (document, state, is_old) in [
        ("docs/syncs/mobilithek-parking.md", super::mobilithek::example_table(), true),
        ("docs/syncs/mobilithek-parking-status.md", super::mobilithek::example_status(), false),
    ] {
        let provider = Provider::start_apart("mobilithek", state, "machine-1").await;
        let server = serve().await;
        let packed = authority::pack(provider.folder(), "machine-1", "EXAMPLE", is_old).await;
        fs::write(server.home().join("machine.p12"), packed).expect("written");
        works_beside(&server, document, "Examples", broker, &provider).await;
    }
}

#[tokio::test]
async fn the_page_of_destination_one_works_as_printed() {
    let provider = Provider::start("destination_one", json!({ "key": "EXAMPLE-KEY", "items": events(3) })).await;
    works("docs/syncs/destination-one-events.md", "Examples", "https://meta.et4.de", &provider).await;
}

#[tokio::test]
async fn the_page_of_rest_works_as_printed() {
    let provider = Provider::start("rest", json!({ "items": [{ "id": 1, "name": "one" }, { "id": 2, "name": "two" }] })).await;
    works("docs/syncs/rest-oauth2.md", "Examples", "https://api.example.com", &provider).await;
}

#[tokio::test]
async fn the_page_of_the_assumed_works_as_printed() {
    let people = json!([{ "id": "1", "patientId": "1", "email": "ada@example.com", "firstName": "Ada", "lastName": "L", "updatedAt": "2026-11-01T10:00:00Z" }]);
    let appointments = json!([{ "clinicId": 1, "number": 7, "patientId": "1", "start": "2026-12-01T09:00:00+01:00", "updatedAt": "2026-11-01T10:00:00Z" }]);
    let state = json!({ "/api/v1/contacts": people, "/v1/patients": people, "/v1/contacts": people, "/v1/appointments": appointments });
    for (section, url) in [
        ("CBB", "https://api.cbb.example"),
        ("Doktor365", "https://api.doktor365.example"),
        ("OnlyChannel", "https://api.onlychannel.example"),
        ("Chat365", "https://api.chat365.example"),
    ] {
        let provider = Provider::start("assumed", state.clone()).await;
        works("docs/syncs/assumed.md", section, url, &provider).await;
    }
}
