//! Documents whose commands a test runs as they are printed, and compares with what the document shows that they print.

use std::{env, process::Stdio, time::Duration};

use tokio::process::Command;
use windrow_tests::server::{Server, binary};

use crate::documents::read;

/// Where the documents say that the server listens.
const PRINTED_URL: &str = "http://127.0.0.1:8080";
/// What stands in a document for whatever differs from run to run.
const ELLIPSIS: char = '…';
/// Reading takes minutes, running takes seconds.
const RUN_MAX: Duration = Duration::from_secs(60);
/// Ends what a block prints.
const MARK: &str = "\u{1e}";

/// A block of commands, and what the document shows that it prints.
pub struct Step {
    /// The commands.
    pub commands: String,
    prints: Option<String>,
}

/// The steps of a section, in the order in which they are read.
pub fn steps(document: &str, section: &str) -> Vec<Step> {
    let text = read(document);
    let (_, below) = text.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("{document} has no section {section:?}"));
    let section = below.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    // Of the parts between fences every second one is a block, its language in its first line.
    for block in section.split("```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap_or_default();
        match (language, steps.last_mut()) {
            ("sh", _) => steps.push(Step { commands: body.to_owned(), prints: None }),
            ("json" | "text", Some(step)) => step.prints = Some(body.trim_end().to_owned()),
            _ => {}
        }
    }
    steps
}

/// Whether `text` is `shown`, in which an ellipsis stands for anything.
fn is_as_shown(text: &str, shown: &str) -> bool {
    let mut parts = shown.split(ELLIPSIS);
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |last| text.ends_with(last))
}

/// Runs the steps one after the other, as a reader of the document does beside the server.
pub async fn run(server: &Server, steps: &[Step]) {
    let script: String =
        steps.iter().map(|step| format!("{}\nprintf '{MARK}'\n", step.commands.replace(PRINTED_URL, server.url()))).collect();

    // The reader stands where `windrow-data` lies and has the built binary; so do we.
    let windrow = binary("windrow");
    let binaries = windrow.parent().expect("a binary lies in a folder").display();
    let path = format!("{binaries}:{}", env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(server.home()).stdin(Stdio::null()).kill_on_drop(true);
    bash.env("PATH", path).env("WINDROW_LISTEN", server.url().trim_start_matches("http://"));
    let output = tokio::time::timeout(RUN_MAX, bash.output()).await.expect("the commands come to their end").expect("bash runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    let printed: Vec<_> = stdout.split(MARK).collect();
    for (index, step) in steps.iter().enumerate() {
        let printed = printed.get(index).unwrap_or_else(|| panic!("not reached:\n{}\n{stdout}\n{stderr}", step.commands)).trim();
        // A block behind which nothing is shown prints nothing.
        let shown = step.prints.as_deref().unwrap_or_default();
        assert!(is_as_shown(printed, shown), "{}prints\n{printed}\nand the document shows\n{shown}\n{stderr}", step.commands);
    }
    assert!(output.status.success(), "{}: {stderr}", output.status);
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    let cases = [
        ("ab", "ab", true),
        ("abc", "ab", false),
        ("a-1-b-2-c", "a…b…c", true),
        ("a-1-b-2-", "a…b…c", false),
        ("a-1-c-2-b", "a…b…c", false),
        ("xa", "a", false),
        ("abcab", "…ab", true),
        ("", "", true),
    ];
    for (text, shown, expected) in cases {
        assert_eq!(is_as_shown(text, shown), expected, "{text:?} shown as {shown:?}");
    }
}
