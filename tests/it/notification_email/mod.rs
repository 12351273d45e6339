//! `notification.email` against a mail server that others wrote; what arrives is read by Python's `email` package.

mod arrives;
mod kill;
mod replay;
mod troubles;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{mail::MailServer, server::Server};

async fn serve() -> Server {
    let variables = [("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1"), ("WINDROW_MASTER_KEY", "0123456789abcdef0123456789abcdef")];
    Server::start_with(&variables).await
}

/// A connection of this name to the mail server, with these changes to its configuration.
async fn connect(server: &Server, name: &str, mail: &MailServer, changes: Value) {
    let mut connection = mail.connection();
    connection["name"] = json!(name);
    for (name, value) in changes.as_object().into_iter().flatten() {
        connection["config"][name] = value.clone();
    }
    let made = server.send(Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

fn email(changes: Value) -> Value {
    let mut payload = json!({ "connection": "mail", "to": ["ana@example.com"], "subject": "Hello", "text": "Hello." });
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(payload.as_object_mut().expect("an object").remove(name)),
            value => payload[name] = value.clone(),
        }
    }
    json!({ "kind": "notification.email", "payload": payload })
}

async fn sent(server: &Server, changes: Value) -> Value {
    let job = server.submit(email(changes)).await;
    let job = server.wait(&job).await;
    assert_eq!(job["state"], "completed", "{job}");
    job
}

async fn effects(server: &Server, job: &Value) -> Vec<Value> {
    let id = job["id"].as_str().expect("an id");
    server.read(&format!("/v1/jobs/{id}/effects")).await["effects"].as_array().expect("a list").clone()
}
