//! What an app brings itself: fetched, checked, laid last, and made into icons.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use windrow_tests::server::Server;

use super::{build, built, files, lines, of, publish};

/// A PNG of 64 × 64 pixels, of one colour, as zlib of Python packs it.
const PNG: &[u8] = include_bytes!("square.png");

/// Serves files by name until the test ends.
async fn serve(files: Vec<(&'static str, Vec<u8>)>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, asked) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4_096];
            let length = socket.read(&mut request).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..length]).into_owned();
            let asked = head.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/');
            let (status, body) = match files.iter().find(|(name, _)| *name == asked) {
                Some((_, body)) => ("200 OK", body.clone()),
                None => ("404 Not Found", Vec::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
        }
    });
    (format!("http://{address}"), asked)
}

fn with_assets(template: &str, assets: Value) -> Value {
    let mut submission = of(template);
    submission["payload"]["app"]["assets"] = assets;
    submission
}

fn asset(base: &str, name: &str, content: &[u8]) -> Value {
    let sha256: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "url": format!("{base}/{name}"), "sha256": sha256 })
}

const ICONS: &str = "[[icons]]\npath = \"icons/16.png\"\nsize = 16\n[[icons]]\npath = \"icons/64.png\"\nsize = 64\n";

#[tokio::test]
async fn assets_are_fetched_checked_and_laid_over_the_template_and_the_icon_is_made_in_its_sizes() {
    let (base, asked) = serve(vec![("icon.png", PNG.to_vec()), ("logo.svg", b"<svg/>".to_vec())]).await;
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    publish(&server, "shop", ICONS, &[("logo.svg", "a placeholder"), ("index.html", "x")]).await;
    let assets = json!({ "icon": asset(&format!("{base}/icon.png?token=planted-secret#"), "", PNG), "logo.svg": asset(&base, "logo.svg", b"<svg/>") });
    let job = built(&server, with_assets("shop", assets)).await;
    let files = files(&server, &job).await;
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["bundles.lock.json", "config.js", "config.json", "icons/16.png", "icons/64.png", "index.html", "logo.svg"]);
    assert_eq!(files["logo.svg"], b"<svg/>");
    // Width and height stand big-endian at byte 16 of a PNG (ISO/IEC 15948, 11.2.2).
    assert_eq!(
        (&files["icons/16.png"][16..24], &files["icons/64.png"][16..24]),
        ([0, 0, 0, 16, 0, 0, 0, 16].as_slice(), [0, 0, 0, 64, 0, 0, 0, 64].as_slice())
    );
    let lock: Value = serde_json::from_slice(&files["bundles.lock.json"]).expect("JSON");
    assert_eq!((&lock["assets"]["logo.svg"], lock["bundles"][0]["name"].as_str()), (&asset("", "", b"<svg/>")["sha256"], Some("shop")));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let everything = format!("{:?}{:?}", super::artifacts(&server, &job).await, lines(&server, &job).await);
    assert!(!everything.contains("planted-secret"));
    // By its hash it is the same build, wherever it lies.
    let moved = json!({ "icon": asset(&base, "elsewhere.png", PNG), "logo.svg": asset(&base, "elsewhere.svg", b"<svg/>") });
    assert_eq!(built(&server, with_assets("shop", moved)).await["result"]["cached"], true);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "and nobody was asked");
}

#[tokio::test]
async fn what_is_not_as_said_or_lies_inside_ends_the_job_with_the_reason() {
    let torn = PNG[..PNG.len() / 2].to_vec();
    let (base, asked) = serve(vec![("a", b"a".to_vec()), ("icon", torn.clone())]).await;
    let open = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let guarded = Server::start().await;
    for server in [&open, &guarded] {
        publish(server, "shop", ICONS, &[("index.html", "x"), ("d/e", "x")]).await;
    }
    let hash = asset("", "", b"a")["sha256"].clone();
    let inside = |url: &str| json!({ "a": { "url": url, "sha256": hash } });
    let cases = [
        (&open, json!({ "a": asset(&base, "a", b"b") }), "asset_changed", "app.assets.a: its SHA-256 is"),
        (&open, json!({ "a": asset(&base, "gone", b"a") }), "asset_refused", "404"),
        (&open, json!({ "../a": asset(&base, "a", b"a") }), "asset_invalid", "../a"),
        (&open, json!({ "d": asset(&base, "a", b"a") }), "file_conflict", "d and d/e"),
        (&open, json!({ "icon": asset(&base, "icon", &torn) }), "icon_invalid", "app.assets.icon"),
        (&open, json!({ "icon": asset(&base, "a", b"a") }), "icon_invalid", "neither PNG nor JPEG"),
        (&guarded, inside(&format!("{base}/a")), "asset_refused", "127.0.0.1"),
        (&guarded, inside("https://169.254.169.254/latest/meta-data/"), "asset_refused", "169.254.169.254"),
        (&guarded, inside("https://[::1]/a"), "asset_refused", "::1"),
        (&guarded, inside("https://localhost/a"), "asset_refused", "localhost"),
        (&guarded, inside("file:///etc/passwd"), "asset_refused", "no URL of a host"),
    ];
    let before = asked.load(Ordering::SeqCst);
    for (server, assets, code, message) in cases {
        let job = build(server, with_assets("shop", assets)).await;
        assert_eq!((&job["state"], &job["error"]["code"], &job["attempt"]), (&json!("dead"), &json!(code), &json!(1)), "{job}");
        assert!(job["error"]["message"].as_str().is_some_and(|said| said.contains(message)), "{job}");
    }
    assert_eq!(asked.load(Ordering::SeqCst) - before, 5, "nobody inside was asked by the guarded one");
}
