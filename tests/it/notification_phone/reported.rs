//! Status reports come in by the connections' hooks, signed as the providers do, in any order: deliveries never go backwards.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::path;

use super::{APP_SECRET, NUMBER, Stage, TOKEN, client};

impl Stage {
    /// Makes a connection's hook, and returns its URL.
    async fn hook(&self, connection: &str) -> String {
        let made = self.send(Method::POST, &format!("/v1/connections/{connection}/hook"), Some(json!({}))).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["url"].as_str().expect("a URL").to_owned()
    }

    /// The job's delivery once it has this status.
    async fn until(&self, job: &Value, status: &str) -> Value {
        let holds = |found: &[Value]| found.len() == 1 && found[0]["status"] == status;
        self.server.until_entries(&path(job, "/deliveries"), "deliveries", status, holds).await.remove(0)
    }

    /// Waits until so many events of a hook are applied.
    async fn applied(&self, connection: &str, count: usize) {
        let holds = |events: &[Value]| events.iter().filter(|event| !event["applied_at"].is_null()).count() == count;
        self.server.until_entries(&format!("/v1/connections/{connection}/hook/events"), "events", "all applied", holds).await;
    }
}

#[tokio::test]
async fn what_twilio_reports_is_told_of_the_delivery_and_never_goes_backwards() {
    let stage = Stage::new().await;
    stage.phone().await;
    let url = stage.hook("phone").await;
    let job = stage.came_of("notification.sms", json!({ "to": "+4915112345678", "text": "hello" }), 1).await;
    let sent = stage.messages().remove("+4915112345678").expect("sent").remove(0);
    let callback = sent["form"].as_array().expect("a form").iter().find(|field| field[0] == "StatusCallback").expect("a hook")[1].clone();
    assert_eq!(callback, format!("{url}?delivery={}.send", job["id"].as_str().expect("an id")));
    let delivery = stage.until(&job, "sent").await;
    assert_eq!((&delivery["provider_id"], &delivery["recipient"]), (&job["result"]["provider_id"], &json!("+4915112345678")), "{delivery}");

    let report = |status: &str| json!({ "provider": "twilio", "secret": TOKEN, "to": "+4915112345678", "status": status });
    assert_eq!(stage.report(report("delivered")).await, 200);
    stage.until(&job, "delivered").await;
    // Late, and again, and forged.
    assert_eq!(stage.report(report("sent")).await, 200);
    assert_eq!(stage.report(report("delivered")).await, 200);
    let mut forged = report("failed");
    forged["secret"] = "wrong".into();
    assert_eq!(stage.report(forged).await, 401);
    stage.applied("phone", 2).await;
    stage.until(&job, "delivered").await;
    assert_eq!(stage.report(report("read")).await, 200);
    stage.until(&job, "read").await;

    let failed = stage.came_of("notification.sms", json!({ "to": "+4915112345679", "text": "hello" }), 1).await;
    let report =
        json!({ "provider": "twilio", "secret": TOKEN, "to": "+4915112345679", "status": "undelivered", "more": { "ErrorCode": "30005" } });
    assert_eq!(stage.report(report).await, 200);
    let delivery = stage.until(&failed, "failed").await;
    assert_eq!(delivery["error"]["message"], "Twilio's 30005: nobody has the number", "{delivery}");
}

#[tokio::test]
async fn what_meta_reports_is_told_of_the_delivery_and_of_templates() {
    let stage = Stage::new().await;
    stage.whatsapp().await;
    let hook = stage.hook("whatsapp").await;
    let challenged = client()
        .get(format!("{hook}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=shown-by-meta"))
        .send()
        .await
        .expect("answered");
    assert_eq!((challenged.status().as_u16(), challenged.text().await.expect("text").as_str()), (200, "1158201444"));
    let order = json!({ "to": "+4915112345678", "approved_template": { "name": "order_shipped", "language": "de", "variables": ["Anna", "4711"] } });
    let job = stage.came_of("notification.whatsapp", order.clone(), 1).await;
    let report = |status: &str, nameless: bool, timestamp: i64| json!({ "provider": "whatsapp", "hook": hook, "secret": APP_SECRET, "to": "+4915112345678", "status": status, "nameless": nameless, "timestamp": timestamp });
    // Read before delivered, and by Meta's name alone.
    assert_eq!(stage.report(report("read", false, 1_700_000_003)).await, 200);
    let read = stage.until(&job, "read").await;
    assert_eq!(read["provider_id"], job["result"]["provider_id"]);
    assert_eq!(stage.report(report("delivered", true, 1_700_000_002)).await, 200);
    assert_eq!(stage.report(report("sent", true, 1_700_000_001)).await, 200);
    let mut forged = report("failed", false, 1_700_000_004);
    forged["secret"] = "wrong".into();
    assert_eq!(stage.report(forged).await, 401);
    stage.applied("whatsapp", 3).await;
    stage.until(&job, "read").await;

    let value = json!({ "event": "PAUSED", "message_template_id": 1, "message_template_name": "order_shipped", "message_template_language": "de", "reason": "NONE" });
    let turned = json!({ "provider": "whatsapp", "hook": hook, "secret": APP_SECRET, "to": "+4915112345678", "status": "", "field": "message_template_status_update", "value": value });
    assert_eq!(stage.report(turned).await, 200);
    stage.applied("whatsapp", 4).await;
    let job = stage.came_of("notification.whatsapp", order, 3).await;
    assert_eq!(job["error"]["code"], "template_not_approved", "{job}");
    assert_eq!(stage.whatsapps()["4915112345678"].len(), 1);
}

#[tokio::test]
async fn a_whatsapp_that_nobody_knows_of_is_found_by_its_report() {
    let stage = Stage::new().await;
    stage.whatsapp().await;
    let hook = stage.hook("whatsapp").await;
    let job = stage.submit("notification.whatsapp", json!({ "to": "+4915112345998", "text": "hello" }), 5).await;
    // Taken, and reported before the answer is lost.
    stage.provider.until_seen(&format!("/v23.0/{NUMBER}/messages"), 1).await;
    let report = json!({ "provider": "whatsapp", "hook": hook, "secret": APP_SECRET, "to": "+4915112345998", "status": "delivered" });
    assert_eq!(stage.report(report).await, 200);
    stage.until(&job, "delivered").await;
    client().post(format!("{}/_drop", stage.url())).send().await.expect("the provider answers");
    let job = stage.server.wait(&job).await;
    assert_eq!((&job["state"], &job["result"]["status"]), (&json!("completed"), &json!("reported")), "{job}");
    assert_eq!(stage.whatsapps()["4915112345998"].len(), 1, "it is not sent again");
    assert_eq!(stage.until(&job, "delivered").await["provider_id"], job["result"]["provider_id"]);
}
