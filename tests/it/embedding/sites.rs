//! Pages and files of a site: one page, a crawl that keeps to `robots.txt`, and what means no good.

use std::{fs, path::Path};

use super::{
    ingest::{Stage, submit},
    *,
};

/// A site, and what was asked of it.
pub(super) struct Site {
    pub peer: Peer,
    folder: tempfile::TempDir,
}

impl Site {
    pub async fn start(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            fs::write(path, bytes).expect("written");
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/embedding/site.py");
        let root = folder.path().to_str().expect("a name").to_owned();
        let peer = Peer::start(&tool("python"), "site", &["-u", script, &root], &[], folder.path()).await;
        Self { peer, folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.peer.port)
    }

    /// Lets go of `/held/NAME`.
    pub fn release(&self, name: &str) {
        fs::write(self.folder.path().join(format!("{name}.go")), "").expect("written");
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/texts").join(name)).expect("a fixture")
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

#[tokio::test]
async fn a_site_becomes_one_document_whose_hits_name_their_pages() {
    let page = |title: &str, text: &str, links: &str| {
        format!("<title>{title}</title><script>var stolen = 'planted-script';</script><main><h1>{title}</h1><p>{text}</p>{links}</main>")
    };
    let start = page(
        "Harbour",
        "Ships rest in the harbour at night.",
        "<a href='tides.html'>tides</a> <a href='/private/vault.html'>vault</a> <a href='gone.html'>gone</a> <a href='http://192.0.2.7/'>elsewhere</a>",
    );
    let tides = page("Tides", "The tide turns twice a day.", "<a href='/deep.html'>deeper</a>");
    let deep = page("Depths", "Soundings are taken by lead.", "");
    let site = Site::start(&[
        ("robots.txt", b"User-agent: *\nDisallow: /private/\n"),
        ("index.html", start.as_bytes()),
        ("tides.html", tides.as_bytes()),
        ("deep.html", deep.as_bytes()),
        ("private/vault.html", b"<h1>Vault</h1><p>Gold lies in the vault.</p>"),
    ])
    .await;
    let stage = Stage::new(&[], json!({})).await;
    let crawl = |depth: u8| json!({ "index": "docs", "document_id": "site", "url": site.url("/"), "crawl": { "depth": depth } });
    let near = stage.done("embedding.ingest", crawl(1)).await;
    assert_eq!((&near["pages"]["read"], &near["pages"]["is_cut"]), (&json!(2), &json!(false)), "{near}");
    let mut left: Vec<&str> = near["pages"]["told"].as_array().expect("a list").iter().filter_map(|page| page["code"].as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["robots_forbidden", "source_missing"], "{near}");
    let tide = stage.found("tide turns").await;
    assert_eq!((tide[0].source.as_deref(), tide[0].heading.clone()), (Some(site.url("/tides.html").as_str()), vec!["Tides".to_owned()]));
    assert!(stage.found("soundings").await.iter().all(|hit| !hit.text.contains("Soundings")), "that is two links away");

    let far = stage.done("embedding.ingest", crawl(2)).await;
    assert_eq!((&far["pages"]["read"], &far["kept"], &far["added"]), (&json!(3), &json!(2), &json!(1)), "{far}");
    assert_eq!(stage.found("soundings by lead").await[0].source.as_deref(), Some(site.url("/deep.html").as_str()));
    for hit in stage.found("gold vault stolen planted script").await {
        assert!(!hit.text.contains("planted") && !hit.text.contains("Gold"), "{hit:?}");
    }
    assert!(site.peer.seen("/private/vault.html").is_empty());
    let agents = site.peer.seen("/tides.html");
    assert!(agents.iter().all(|line| line["agent"].as_str().is_some_and(|agent| agent.starts_with("windrow/"))), "{agents:?}");
}

#[tokio::test]
async fn what_means_no_good_ends_in_a_clear_error_and_changes_nothing() {
    let site = Site::start(&[("bomb.docx", &fixture("bomb.docx")), ("otters.docx", &fixture("otters.docx"))]).await;
    let stage = Stage::new(&[], json!({})).await;
    let brought = |id: &str, path: &str| json!({ "index": "docs", "document_id": id, "url": site.url(path) });
    stage.done("embedding.ingest", json!({ "index": "docs", "document_id": "victim", "text": "It was there before." })).await;
    let mut typed = brought("victim", "/bomb.docx");
    typed["media_type"] = DOCX.into();
    let mut elsewhere = brought("victim", "/");
    elsewhere["url"] = "http://10.11.12.13/".into();
    for (payload, code) in [
        (typed, "document_too_large"),
        (brought("victim", "/huge"), "document_too_large"),
        (brought("victim", "/away"), "address_forbidden"),
        (brought("victim", "/local"), "url_invalid"),
        (brought("victim", "/nothing"), "source_missing"),
        (elsewhere, "address_forbidden"),
    ] {
        let job = stage.came_of("embedding.ingest", payload.clone()).await;
        assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!(code)), "{payload}: {job}");
        assert!(stage.found("there before").await.iter().any(|hit| hit.text == "It was there before."), "{payload}");
    }

    let latin = stage.done("embedding.ingest", brought("latin", "/latin")).await;
    assert_eq!(latin["chunks"], 1, "{latin}");
    assert!(stage.found("Bären Äpfel").await[0].text.contains("schöne Äpfel über der Straße"), "the lie is seen through");
    let mut otters = brought("otters", "/otters.docx");
    otters["media_type"] = DOCX.into();
    stage.done("embedding.ingest", otters).await;

    let looping = json!({ "index": "docs", "document_id": "loop", "url": site.url("/loop/0"), "crawl": { "depth": 10, "pages_max": 5 } });
    let cut = stage.done("embedding.ingest", looping).await;
    assert_eq!((&cut["pages"]["read"], &cut["pages"]["is_cut"]), (&json!(5), &json!(true)), "{cut}");
    assert!(site.peer.seen("/loop/5").is_empty());
}

#[tokio::test]
async fn of_two_jobs_for_a_document_the_later_wins_whichever_ends_last() {
    let site = Site::start(&[]).await;
    let stage = Stage::new(&[], json!({})).await;
    let held = |name: &str| json!({ "index": "docs", "document_id": "one", "url": site.url(&format!("/held/{name}")) });
    let older = submit(&stage.server, "embedding.ingest", held("old")).await;
    site.peer.until_seen("/held/old", 1).await;
    let newer = stage.done("embedding.ingest", json!({ "index": "docs", "document_id": "one", "text": "The newer words." })).await;
    assert_eq!(newer["superseded"], Value::Null);
    site.release("old");
    let older = stage.server.wait(&older).await;
    assert_eq!((&older["state"], &older["result"]["superseded"]), (&json!("completed"), &json!(true)), "{older}");
    assert!(stage.found("held newer words").await.iter().all(|hit| hit.text == "The newer words."));

    // Deleted by a later job while it was read: it does not come back.
    let late = submit(&stage.server, "embedding.ingest", held("late")).await;
    site.peer.until_seen("/held/late", 1).await;
    assert_eq!(stage.done("embedding.delete", json!({ "index": "docs", "document_ids": ["one"] })).await["deleted"], 1);
    site.release("late");
    assert_eq!(stage.server.wait(&late).await["result"]["superseded"], true);
    assert!(stage.found("held newer words").await.is_empty());
}
