//! `docs/kinds/`: a page for each kind, made of its contract, whose `curl` works as printed. With `WINDROW_TEST_WRITE=1` the pages are written.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tokio::process::Command;
use windrow_jobs::kinds::{self, page::page};
use windrow_tests::{mail::MailServer, server::Server};

use crate::notification_push::start_fcm;

fn file(kind: &str) -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kinds").parse::<PathBuf>().expect("a path").join(format!("{kind}.md"))
}

#[test]
fn every_kind_has_its_page() {
    for contract in kinds::contracts() {
        let (made, file) = (page(&contract), file(&contract.kind));
        assert!(contract.about.is_some(), "{} says nothing about itself", contract.kind);
        if std::env::var_os("WINDROW_TEST_WRITE").is_some() {
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(&file, &made).expect("written");
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, made, "{} is not what its contract makes of it: run this with WINDROW_TEST_WRITE=1", file.display());
    }
    let pages = fs::read_dir(file("x").parent().expect("a folder")).expect("the folder").count();
    assert_eq!(pages, kinds::contracts().len(), "a page without a kind");
}

#[tokio::test]
async fn the_curl_of_every_page_works_as_printed() {
    for contract in kinds::contracts() {
        // A server for each, since two pages may make a connection of one name.
        let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
        let endpoint = taking().await;
        let about = contract.about.as_ref().expect("it has a page");
        let text = fs::read_to_string(file(&contract.kind)).expect("the page");
        let printed = text.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("a curl").0;
        let key = fs::read_to_string(server.data_dir().join("api-key")).expect("a key");
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", printed]).env("url", server.url()).env("key", key.trim()).env("endpoint", &endpoint);
        let mail = if printed.contains("$mail_port") { Some(MailServer::start("none").await) } else { None };
        if let Some(mail) = &mail {
            command.env("mail_host", "127.0.0.1").env("mail_port", mail.port.to_string());
        }
        let push = if printed.contains("$fcm") { Some(start_fcm(&server).await) } else { None };
        if let Some((fcm, private_key)) = &push {
            let base = format!("http://127.0.0.1:{}", fcm.port);
            // As JSON has it, without its quotes.
            let private_key = Value::from(private_key.as_str()).to_string().trim_matches('"').to_owned();
            command.env("project_id", "demo").env("client_email", "push@demo.example").env("private_key", private_key);
            command.env("token_uri", format!("{base}/token")).env("fcm", base);
        }
        let output = command.output().await.expect("bash");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        // The last line is the job.
        let job: Value = serde_json::Deserializer::from_str(&told).into_iter::<Value>().filter_map(Result::ok).last().unwrap_or_default();
        assert_eq!(job["state"], "completed", "{}: {told} {}", contract.kind, String::from_utf8_lossy(&output.stderr));
        let fields = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&job["result"]), fields(&about.result), "{}: {}", contract.kind, job["result"]);
    }
}

/// What is answered to whom: to Twilio's, Meta's and DeepL's callers as those do.
fn answer(path: &str) -> &'static str {
    match path.split('?').next().unwrap_or_default() {
        path if path.ends_with("/Messages.json") => r#"{"sid": "SM00000000000000000000000000000000", "status": "queued"}"#,
        path if path.ends_with("/messages") => r#"{"messages": [{"id": "wamid.HBgL", "message_status": "accepted"}]}"#,
        path if path.ends_with("/message_templates") => {
            r#"{"data": [{"name": "order_shipped", "language": "de", "status": "APPROVED", "components": [{"type": "BODY", "text": "{{1}}, {{2}}!"}]}]}"#
        }
        path if path.ends_with("/v2/translate") => {
            r#"{"translations": [{"detected_source_language": "EN", "text": "Hallo, Welt!", "billed_characters": 13}]}"#
        }
        _ => r#"{"taken": true}"#,
    }
}

/// An endpoint that takes everything.
async fn taking() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 16_384];
            let _ = stream.read(&mut asked).await;
            let body = answer(String::from_utf8_lossy(&asked).split(' ').nth(1).unwrap_or_default());
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + body).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}
