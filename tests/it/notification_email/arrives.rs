//! What was submitted is what arrives, field by field, over each way of TLS and in ten languages.

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::{endpoint::Endpoint, mail::MailServer};

use super::{connect, email, sent, serve};

fn header<'m>(message: &'m Value, name: &str) -> Option<&'m str> {
    let headers = message["headers"].as_array().expect("headers").iter();
    let mut found = headers.filter(|header| header[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
    let value = found.next()?[1].as_str();
    assert!(found.next().is_none(), "{name} comes twice: {message}");
    value
}

fn parts_of<'m>(message: &'m Value, kind: &str) -> Vec<&'m Value> {
    message["parts"].as_array().expect("parts").iter().filter(|part| part["type"] == kind).collect()
}

/// What every message keeps to.
fn assert_sound(message: &Value) {
    assert_eq!(message["defects"], json!([]), "{message}");
    assert_eq!((&message["ascii"], &message["bare"]), (&json!(true), &json!(false)), "{message}");
    assert!(message["longest"].as_u64().is_some_and(|longest| longest <= 998), "{message}");
}

#[tokio::test]
async fn a_message_arrives_as_it_was_submitted() {
    for tls in ["starttls", "implicit", "none"] {
        let (server, mail) = (serve().await, MailServer::start(tls).await);
        connect(&server, "mail", &mail, json!({ "reply_to": "desk@example.com" })).await;
        let tested = server.post("/v1/connections/mail/test").await;
        let tested = server.wait(&tested.body).await;
        assert_eq!(tested["result"]["seen"], "127.0.0.1 answered 250 OK to NOOP", "{tls} {tested}");
        assert_eq!(server.read("/v1/connections/mail").await["state"], "active");

        // A file that a job made: an answer too large for its result.
        let endpoint = Endpoint::start(200, "a,b\n1,2\n".repeat(5_000)).await;
        let to_it = json!({ "name": "files", "provider": "http", "config": { "url": endpoint.url() } });
        assert_eq!(server.send(Method::POST, "/v1/connections", &[], Some(to_it)).await.status, 201);
        let maker = server.submit(json!({ "kind": "http.request", "payload": { "connection": "files" } })).await;
        let maker = server.wait(&maker).await;
        assert_eq!(maker["result"]["artifact"], "response", "{maker}");

        let html = "<p>Grüße, <b>Ana</b>! <img src=\"cid:logo\"></p>";
        let job = sent(
            &server,
            json!({
                "to": ["Ana Müller <ana@example.com>", "j@bücher.example"],
                "cc": [{ "name": "Doe, \"J\"", "address": "cc@example.com" }],
                "bcc": ["Secret <bcc@example.com>", "ana@example.com"],
                "from": "Größe GmbH <shop@example.com>",
                "subject": "Ihre Bestellung: 3 × „Äpfel“ 🍏 — unterwegs, und ein Betreff, der länger ist als eine Zeile von Mails sein darf",
                "text": "Grüße!\n.\n.. Punkte\r\nund\rEnde",
                "html": html,
                "attachments": [
                    { "job": maker["id"], "artifact": "response", "name": "Bericht für März.csv" },
                    { "job": maker["id"], "artifact": "response", "name": "../logo.png", "inline_id": "logo" }
                ],
                "unsubscribe": { "url": "https://example.com/leave?u=1&t=abc", "mailto": "leave@example.com?subject=leave", "one_click": true },
                "headers": { "X-Campaign": "spring sale, 2026" }
            }),
        )
        .await;
        let messages = mail.messages().await;
        let [message] = messages.as_slice() else { panic!("one message: {messages:?}") };
        assert_sound(message);
        let id = job["id"].as_str().expect("an id");
        assert_eq!(message["sender"], "shop@example.com");
        assert_eq!(message["recipients"], json!(["ana@example.com", "j@xn--bcher-kva.example", "cc@example.com", "bcc@example.com"]));
        assert_eq!(message["from"], json!([["Größe GmbH", "shop@example.com"]]));
        assert_eq!(message["to"], json!([["Ana Müller", "ana@example.com"], ["", "j@xn--bcher-kva.example"]]));
        assert_eq!(
            (&message["cc"], &message["reply_to"]),
            (&json!([["Doe, \"J\"", "cc@example.com"]]), &json!([["", "desk@example.com"]]))
        );
        assert_eq!(message["subject"], job["payload"]["subject"].as_str().map_or(message["subject"].clone(), Value::from));
        assert_eq!(
            message["subject"],
            "Ihre Bestellung: 3 × „Äpfel“ 🍏 — unterwegs, und ein Betreff, der länger ist als eine Zeile von Mails sein darf"
        );
        assert_eq!(message["message_id"], format!("<{id}.send@example.com>"));
        assert_eq!(job["result"]["message_id"], message["message_id"]);
        assert_eq!(header(message, "Windrow-Effect"), Some(format!("{id}.send").as_str()));
        assert_eq!(
            header(message, "List-Unsubscribe"),
            Some("<https://example.com/leave?u=1&t=abc>, <mailto:leave@example.com?subject=leave>")
        );
        assert_eq!(header(message, "List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
        assert_eq!(header(message, "X-Campaign"), Some("spring sale, 2026"));
        assert!(header(message, "Bcc").is_none() && !message["headers"].to_string().contains("bcc@"), "{message}");
        assert!(message["date"].as_str().is_some_and(|date| date.ends_with("+00:00")), "{message}");
        assert_eq!(parts_of(message, "text/plain")[0]["text"], "Grüße!\n.\n.. Punkte\nund\nEnde\n");
        assert_eq!(parts_of(message, "text/html")[0]["text"], format!("{html}\n"));
        let kinds: Vec<&str> = message["parts"].as_array().expect("parts").iter().filter_map(|part| part["type"].as_str()).collect();
        let tree = [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "application/json",
            "application/json",
        ];
        assert_eq!(kinds, tree, "{tls}");
        let files = parts_of(message, "application/json");
        let content = "a,b\n1,2\n".repeat(5_000);
        let as_file = |part: &Value| (part["disposition"].clone(), part["filename"].clone(), part["id"].clone());
        assert_eq!(as_file(files[0]), (json!("inline"), json!("logo.png"), json!("<logo>")));
        assert_eq!(as_file(files[1]), (json!("attachment"), json!("Bericht für März.csv"), Value::Null));
        assert!(files.iter().all(|file| file["content"] == content), "byte for byte");
        assert_eq!(job["result"]["accepted"].as_array().map(Vec::len), Some(4), "{job}");
        assert_eq!((&job["result"]["refused"], &job["result"]["answer"]), (&json!([]), &json!("250 2.0.0 Ok: queued as 1")));

        let foreign = server.of_tenant("other");
        let made = foreign.send(Method::POST, "/v1/connections", &[], Some(json!({ "name": "mail", "provider": "smtp", "config": { "host": "127.0.0.1", "port": mail.port, "tls": "none", "from": "a@b" } }))).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let stolen = email(json!({ "attachments": [{ "job": maker["id"], "artifact": "response" }] }));
        let answer = foreign.send(Method::POST, "/v1/jobs", &[], Some(stolen)).await;
        if answer.status == 202 {
            let job = foreign.wait(&answer.body).await;
            assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("attachment_missing")), "{job}");
        } else {
            assert_eq!(answer.status, 422, "{}", answer.body);
        }
        assert_eq!(mail.messages().await.len(), 1, "nothing was sent");
    }
}

#[tokio::test]
async fn ten_languages_arrive_letter_for_letter() {
    let words = [
        ("de", "Jürgen Groß", "Ihre Rechnung über 5 €", "Schöne Grüße aus Köln"),
        ("en", "Zoë O’Hara", "Your “invoice” — 5 £", "Kind regards"),
        ("ar", "أحمد", "فاتورتك رقم ٥", "مع أطيب التحيات"),
        ("da", "Søren Ærø", "Din regning på 5 kr", "Venlig hilsen på gensyn"),
        ("fa", "پرویز", "صورت‌حساب شما", "با سپاس فراوان"),
        ("nb", "Bjørn Ås", "Din regning på 5 kr", "Vennlig hilsen fra Tromsø"),
        ("ru", "Алексей", "Ваш счёт на 5 ₽", "С наилучшими пожеланиями"),
        ("sv", "Åsa Öberg", "Din räkning på 5 kr", "Vänliga hälsningar"),
        ("tr", "İbrahim Şık", "5 ₺ tutarındaki faturanız", "İyi günler dileriz, ğüşöç"),
        ("uk", "Євген Їжак", "Ваш рахунок на 5 ₴", "З найкращими побажаннями, ґава"),
    ];
    let (server, mail) = (serve().await, MailServer::start("starttls").await);
    connect(&server, "mail", &mail, json!({})).await;
    for (language, name, subject, text) in words {
        let to = json!([{ "name": name, "address": format!("{language}@example.com") }]);
        let html = format!("<div lang=\"{language}\">{text}</div>");
        sent(
            &server,
            json!({ "to": to, "from": format!("\"{name}\" <from@example.com>"), "subject": subject, "text": text, "html": html }),
        )
        .await;
    }
    let messages = mail.messages().await;
    assert_eq!(messages.len(), words.len());
    for ((language, name, subject, text), message) in words.iter().zip(&messages) {
        assert_sound(message);
        assert_eq!(message["to"], json!([[name, format!("{language}@example.com")]]));
        assert_eq!(message["from"], json!([[name, "from@example.com"]]));
        assert_eq!(message["subject"], *subject);
        assert_eq!(parts_of(message, "text/plain")[0]["text"], format!("{text}\n"));
        assert_eq!(parts_of(message, "text/html")[0]["text"], format!("<div lang=\"{language}\">{text}</div>\n"));
    }
}

#[tokio::test]
async fn a_text_is_made_of_html_where_there_is_none() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    sent(&server, json!({ "text": null, "html": "<h1>Grüße</h1><p>{{ nobody }} sees <a href=\"https://example.com/\">this</a>.</p>" }))
        .await;
    let message = mail.messages().await.remove(0);
    assert_sound(&message);
    let text = parts_of(&message, "text/plain")[0]["text"].as_str().expect("text").to_owned();
    assert!(text.contains("Grüße") && text.contains("{{ nobody }} sees") && text.contains("this") && !text.contains('<'), "{text}");
    assert!(parts_of(&message, "text/html")[0]["text"].as_str().is_some_and(|html| html.starts_with("<h1>")), "as it was given");
}

#[tokio::test]
async fn addresses_that_are_not_ascii_are_sent_to_servers_that_know_them_and_to_no_other() {
    let server = serve().await;
    let (knows, does_not) = (MailServer::start("none").await, MailServer::start_with("none", json!({ "smtputf8": false })).await);
    connect(&server, "mail", &knows, json!({})).await;
    connect(&server, "old", &does_not, json!({})).await;
    let to = json!(["Ünï <ünï@bücher.example>"]);
    sent(&server, json!({ "to": to })).await;
    let message = knows.messages().await.remove(0);
    assert_eq!(message["recipients"], json!(["ünï@xn--bcher-kva.example"]));
    assert!(message["options"].as_array().is_some_and(|options| options.contains(&json!("SMTPUTF8"))), "{message}");
    let refused = server.submit(email(json!({ "connection": "old", "to": to }))).await;
    let refused = server.wait(&refused).await;
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("dead"), &json!("smtputf8_missing")), "{refused}");
    sent(&server, json!({ "connection": "old", "to": ["Ünï <uni@bücher.example>"] })).await;
    assert_eq!(does_not.messages().await[0]["recipients"], json!(["uni@xn--bcher-kva.example"]));
}

#[tokio::test]
async fn a_template_arrives_in_the_language_of_its_reader() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    let put = async |path: &str, content: Value| {
        let answer = server.send(Method::PUT, &format!("/v1/notification-templates/{path}"), &[], Some(content)).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.body);
    };
    put("frame/en", json!({ "html": "<html dir=\"{{ locale.direction }}\"><head><style>p { color: #123456 }</style></head><body>{{ content }}</body></html>" })).await;
    put("sent/en", json!({ "subject": "Order {{ order }}", "html": "<p>Dear {{ name }}</p>", "layout": "frame" })).await;
    put("sent/ar", json!({ "subject": "الطلب {{ order }}", "html": "<p>مرحبا {{ name }}</p>", "layout": "frame" })).await;
    for (locale, name, subject, greeting, direction) in
        [("ar-EG", "أحمد <b>", "الطلب 7", "مرحبا أحمد &lt;b&gt;", "rtl"), ("en-GB", "Ana & Co", "Order 7", "Dear Ana &amp; Co", "ltr")]
    {
        let template = json!({ "name": "sent", "locale": locale, "variables": { "order": 7, "name": name } });
        sent(&server, json!({ "subject": null, "text": null, "template": template })).await;
        let message = mail.messages().await.pop().expect("a message");
        assert_sound(&message);
        assert_eq!(message["subject"], subject);
        let html = parts_of(&message, "text/html")[0]["text"].as_str().expect("HTML").to_owned();
        assert!(
            html.contains(greeting) && html.contains(&format!("dir=\"{direction}\"")) && html.contains("style=\"color: #123456"),
            "{html}"
        );
        let text = parts_of(&message, "text/plain")[0]["text"].as_str().expect("text").to_owned();
        assert!(text.contains(name), "made of the HTML: {text}");
    }
    let missing = json!({ "name": "sent", "variables": { "order": 7 } });
    let answer =
        server.send(Method::POST, "/v1/jobs", &[], Some(email(json!({ "subject": null, "text": null, "template": missing })))).await;
    assert_eq!((answer.status, &answer.body["pointer"]), (422, &json!("/payload/template/variables/name")), "{}", answer.body);
}

/// lettre writes addresses without names onto one line, which servers refuse from some sixty on.
#[tokio::test]
async fn a_message_to_many_is_on_lines_that_servers_take() {
    let (server, mail) = (serve().await, MailServer::start("none").await);
    connect(&server, "mail", &mail, json!({})).await;
    let to: Vec<String> = (0..60).map(|n| format!("somebody.with.a.long.name.{n}@customers.example.com")).collect();
    let cc: Vec<Value> =
        (0..40).map(|n| json!({ "name": format!("Zweite, Ältere {n}"), "address": format!("cc{n}@example.com") })).collect();
    sent(&server, json!({ "to": to, "cc": cc, "subject": "To many", "text": "Hello" })).await;
    let messages = mail.messages().await;
    let [message] = messages.as_slice() else { panic!("one message: {messages:?}") };
    assert_sound(message);
    let expected: Vec<Value> = to.iter().map(|address| json!(["", address])).collect();
    assert_eq!(message["to"], json!(expected));
    let expected: Vec<Value> = cc.iter().map(|one| json!([one["name"], one["address"]])).collect();
    assert_eq!(message["cc"], json!(expected));
}
