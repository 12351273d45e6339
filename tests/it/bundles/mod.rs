//! Templates and features over HTTP: what is published comes back, what is hostile is refused by name and harms nobody, and the page
//! about bundles works as printed. What goes together is judged where it is decided (`windrow_jobs::bundle::resolve`).

mod lifecycle;

use std::{fs, process::Command};

use serde_json::Value;
use windrow_tests::server::Server;

use crate::{documents::repository, printed};

/// The most memory that a server may ever have had, in KiB: what two archives at once may take, and a debug build.
const PEAK_KIB_MAX: u64 = 600 * 1024;

#[tokio::test]
async fn archives_by_others_are_read_or_refused_by_name() {
    let server = Server::start().await;
    let script = repository("tests/it/bundles/archives.py").canonicalize().expect("the script");
    let made = Command::new("python3").arg(script).current_dir(server.home()).output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let cases: Vec<Value> =
        String::from_utf8(made.stdout).expect("text").lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    assert!(cases.len() > 80, "{}", cases.len());
    for (number, case) in cases.iter().enumerate() {
        let text = |field: &str| case[field].as_str().expect("text");
        let archive = fs::read(server.home().join(text("file"))).expect("the archive");
        let path = format!("/v1/features/subject/1.0.{number}");
        // Every tar also as a packed one, of the same fate.
        let packed = (text("media_type") == "application/x-tar" && text("file").ends_with(".tar") && archive.len() > 1_000)
            .then(|| (zstd::encode_all(archive.as_slice(), 1).expect("packed"), "application/zstd", format!("{path}-packed")));
        for (archive, media_type, path) in [Some((archive, text("media_type"), path)), packed].into_iter().flatten() {
            let answer = server.put(&path, media_type, archive).await;
            check(case, &answer.body, answer.status);
            if answer.status == 201 {
                let found: Vec<_> = answer.body["manifest"]["files"].as_array().expect("files").iter().map(|file| &file["path"]).collect();
                assert_eq!(found, case["files"].as_array().expect("files").iter().collect::<Vec<_>>(), "{case}");
            } else {
                assert_eq!(server.send(reqwest::Method::GET, &path, &[], None).await.status, 404, "{case}");
            }
        }
    }
    let peak = peak_kib(server.pid());
    assert!(peak < PEAK_KIB_MAX, "the server once had {peak} KiB");
    server.submit(serde_json::json!({ "kind": "echo", "payload": {} })).await;
}

fn check(case: &Value, problem: &Value, status: u16) {
    assert_eq!(status, case["status"], "{case}: {problem}");
    let says = case["says"].as_str().expect("text");
    let said = problem["detail"].as_str().unwrap_or_default().contains(says) || problem["pointer"] == says;
    assert!(said && (status == 201 || problem["code"] == "bundle_invalid"), "{case}: {problem}");
}

#[tokio::test]
async fn a_bomb_of_zstd_is_not_unpacked() {
    let server = Server::start().await;
    let whole = || tar_of_zeros(8 << 30);
    let bomb = zstd::encode_all(whole(), 3).expect("packed");
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    let answer = server.put("/v1/templates/bomb/1.0.0", "application/zstd", bomb).await;
    assert_eq!((answer.status, &answer.body["code"]), (422, &"bundle_invalid".into()), "{}", answer.body);
    assert!(answer.body["detail"].as_str().expect("text").contains("larger than the 16777216 bytes"), "{}", answer.body);
    let large = server.put("/v1/templates/bomb/1.0.0", "application/zip", vec![0; (32 << 20) + 1]).await;
    assert_eq!((large.status, &large.body["code"]), (413, &"body_too_large".into()), "{}", large.body);
    let peak = peak_kib(server.pid());
    assert!(peak < PEAK_KIB_MAX, "the server once had {peak} KiB");
}

/// A tar of one file of so many zeros, as a stream.
fn tar_of_zeros(bytes: u64) -> impl std::io::Read {
    use std::io::Read;

    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").expect("a path");
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    std::io::Cursor::new(header.as_bytes().to_vec()).chain(std::io::repeat(0).take(bytes + 1_024))
}

/// The most memory that a process ever had.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn the_page_about_bundles_works_as_printed() {
    let server = Server::start().await;
    let steps = printed::steps("docs/bundles.md", "Write, pack, publish");
    assert!(steps.len() >= 8, "there are {} steps", steps.len());
    printed::run(&server, &steps).await;
}
