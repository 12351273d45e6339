//! Over real sockets: what a site says, what becomes of it, and what hostile ones can do to us.

mod crawls;
mod server;
mod single;

use std::sync::Arc;

use self::server::Server;
use super::*;
use crate::{
    clock::VirtualClock,
    objects::{folder::FolderObjects, link::Signer},
    outbound::Url,
};

const PATIENT: Duration = Duration::from_millis(20);

fn bounds() -> Bounds {
    Bounds {
        document_bytes_max: 1_000_000,
        crawl_bytes_max: 4_000_000,
        file_ms: 3_000,
        silence_ms: 400,
        between_tries: Duration::from_millis(1),
        wait_max: Duration::from_secs(2),
        between_pages: Duration::ZERO,
        crawl_delay_max: PATIENT,
        ..Bounds::default()
    }
}

/// What may call these servers, with an object store of its own.
fn reach(servers: &[&Server]) -> (Reach, tempfile::TempDir) {
    let hosts: Vec<String> = servers.iter().map(|server| server.address.to_string()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let objects = FolderObjects::open(folder.path(), Signer::new(b"a key of tests"), "http://127.0.0.1".into()).expect("a store");
    let reach = Reach {
        outbound: Outbound::new(hosts.join(",").parse().expect("hosts")).expect("a client"),
        objects: Arc::new(objects),
        tenant: "acme".parse().expect("a tenant"),
        clock: Arc::new(VirtualClock::starting_at(crate::clock::Timestamp::from_ms(784_111_777_000))),
    };
    (reach, folder)
}

/// A part as it came: where it was, what it is said to be, and what it has.
type Came = (Option<String>, Option<String>, Vec<u8>);

/// All parts, whose links are told as they are found.
async fn all(reading: &mut Reading) -> Result<Vec<Came>, Outcome> {
    let mut came = Vec::new();
    while let Some(part) = reading.next().await? {
        let bytes = std::fs::read(part.path()).expect("the part's file");
        assert_eq!(bytes.len() as u64, part.bytes);
        let links = links(part.source.as_deref(), &String::from_utf8_lossy(&bytes));
        reading.found(links.iter().map(String::as_str));
        came.push((part.source.clone(), part.media_type.clone(), bytes));
    }
    Ok(came)
}

fn links(source: Option<&str>, page: &str) -> Vec<String> {
    let Some(base) = source.and_then(|source| source.parse::<Url>().ok()) else { return Vec::new() };
    let hrefs = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    hrefs.filter_map(|href| base.join(href).ok()).map(String::from).collect()
}

async fn read(reach: &Reach, named: Named) -> Result<Vec<Came>, Outcome> {
    all(&mut Reading::of(reach.clone(), named, bounds())?).await
}

/// How it ended: the error's code, whether the job comes back, and when.
fn ending<T: std::fmt::Debug>(ended: Result<T, Outcome>) -> (String, bool, Option<Duration>) {
    match ended.expect_err("an ending") {
        Outcome::Retry { error, after } => (error.code, true, after),
        Outcome::Bury(error) => (error.code, false, None),
        other => panic!("{other:?}"),
    }
}
