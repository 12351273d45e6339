//! The presets of syncs, from outside.

use axum::http::StatusCode;

use super::fixture::Fixture;

#[tokio::test]
async fn presets_are_listed_and_shown_and_say_which_follow_no_publication() {
    let fixture = Fixture::new();
    let listed = fixture.get("/v1/sync-presets").await;
    assert_eq!(listed.status, StatusCode::OK);
    let presets = listed.json()["presets"].as_array().expect("a list").clone();
    let of = |name: &str| presets.iter().find(|preset| preset["name"] == name).unwrap_or_else(|| panic!("{name} is not listed")).clone();
    assert_eq!((&of("airtable")["assumed"], &of("cbb")["assumed"]), (&false.into(), &true.into()));
    assert_eq!(of("airtable")["specification"][0]["url"], "https://airtable.com/developers/web/api/list-records");

    let shown = fixture.get("/v1/sync-presets/airtable").await;
    assert_eq!((shown.status, shown.json()), (StatusCode::OK, of("airtable")));
    for name in ["nobody", "%FF"] {
        let unknown = fixture.get(&format!("/v1/sync-presets/{name}")).await;
        assert_eq!((unknown.status, &unknown.json()["code"]), (StatusCode::NOT_FOUND, &"sync_preset_not_found".into()), "{name}");
    }
}
