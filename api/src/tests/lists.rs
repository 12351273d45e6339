use serde_json::{Value, json};

use super::fixture::Fixture;

fn ids(list: &Value) -> Vec<String> {
    list["jobs"].as_array().expect("jobs").iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_cover_a_list_once_each_job() {
    let fixture = Fixture::new();
    let mut expected = Vec::new();
    for number in 0..7 {
        let path = fixture.submitted(&format!(r#","tags":["t","n{number}"]"#)).await;
        expected.insert(0, path.trim_start_matches("/v1/jobs/").to_owned());
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/jobs?tag=t&page_size=3".to_owned());
    loop {
        let answer = fixture.get(&path).await;
        seen.extend(ids(&answer.json()));
        let link = answer.header("link").to_owned();
        let Some(token) = answer.json()["next_page_token"].as_str().map(ToOwned::to_owned) else {
            assert_eq!(link, "", "the last page links nowhere");
            break;
        };
        path = link
            .strip_prefix("<https://jobs.example.com")
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .expect("an absolute link")
            .to_owned();
        assert!(path.contains(&token), "{path}");
    }
    assert_eq!(seen, expected, "newest first");
}

#[tokio::test]
async fn a_page_of_large_jobs_is_short_and_tells_of_the_next() {
    let fixture = Fixture::new();
    let large = format!(r#"{{"kind":"echo","payload":{{"message":"{}"}}}}"#, "x".repeat(1_000_000));
    for _ in 0..10 {
        assert_eq!(fixture.call("POST", "/v1/jobs", &[], &large).await.status, 202);
    }
    let first = fixture.get("/v1/jobs?page_size=1000").await.json();
    // Eight of them are less than 8 MiB, so the ninth comes too.
    assert_eq!(ids(&first).len(), 9);
    let token = first["next_page_token"].as_str().expect("a token");
    let second = fixture.get(&format!("/v1/jobs?page_size=1000&page_token={token}")).await.json();
    assert_eq!((ids(&second).len(), &second["next_page_token"]), (1, &Value::Null));
}

#[tokio::test]
async fn a_token_goes_on_with_its_own_filter_only() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.submitted("").await;
    }
    let first = fixture.get("/v1/jobs?kind=echo&page_size=1").await.json();
    let token = first["next_page_token"].as_str().expect("a token");
    let other_size = fixture.get(&format!("/v1/jobs?kind=echo&page_size=2&page_token={token}")).await;
    assert_eq!((other_size.status.as_u16(), ids(&other_size.json()).len()), (200, 2));
    for other in ["", "kind=other&", "kind=echo&state=available&", "kind=echo&queue=builds&", "kind=echo&created_to=2030-01-01T00:00:00Z&"]
    {
        let answer = fixture.get(&format!("/v1/jobs?{other}page_token={token}")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("page_token_invalid")), "{other}");
    }
    let other_tenant = fixture.call("GET", &format!("/v1/jobs?kind=echo&page_token={token}"), &[("x-tenant", "acme")], "").await;
    assert_eq!(other_tenant.status, 400);
}

#[tokio::test]
async fn every_filter_must_fit() {
    let fixture = Fixture::new();
    fixture.submitted(r#","queue":"syncs","tags":["a&b=c"]"#).await;
    fixture.clock.advance_ms(60_000);
    fixture.submitted(r#","delay_s":5"#).await;
    let cases = [
        ("", 2),
        ("kind=echo", 2),
        ("kind=other", 0),
        ("queue=syncs", 1),
        ("queue=syncs&state=scheduled", 0),
        ("state=scheduled", 1),
        ("tag=a%26b%3Dc", 1),
        ("created_from=2027-01-15T08:01:00Z", 1),
        ("created_to=2027-01-15T08:01:00.000Z", 1),
        ("created_from=2027-01-15T08:00:00Z&created_to=2027-01-15T08:01:01Z", 2),
    ];
    for (query, count) in cases {
        let answer = fixture.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(ids(&answer.json()).len(), count, "{query}");
        assert_eq!(answer.json()["next_page_token"], Value::Null);
    }
}
