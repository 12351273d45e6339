//! The documents say what the code says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use reqwest::StatusCode;
use serde_json::Value;
use windrow_tests::server::run;

/// A path within the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of the table under a heading, by their first cell, the other cells following.
pub fn table(document: &str, heading: &str) -> BTreeMap<String, Vec<String>> {
    let text = read(document);
    let (_, below) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{document} has no {heading:?}"));
    let lines = below.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let mut rows = BTreeMap::new();
    for line in lines {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        let name = cells.next().unwrap_or_default();
        assert!(rows.insert(name, cells.collect()).is_none(), "{document} has two rows like {line}");
    }
    rows
}

/// The string literals of a line.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The status of a line like `… => (S::NOT_FOUND, …`.
fn status(line: &str) -> Option<String> {
    let name: String =
        line.split_once("S::")?.1.chars().take_while(|character| character.is_ascii_uppercase() || *character == '_').collect();
    let reason = |status: StatusCode| status.canonical_reason().map(|reason| reason.to_uppercase().replace([' ', '-'], "_"));
    let number = (400..600).find(|number| StatusCode::from_u16(*number).ok().and_then(reason).as_deref() == Some(&name));
    Some(number.unwrap_or_else(|| panic!("no status is named {name}")).to_string())
}

/// Every problem code in the source of the api, with its status.
fn problems() -> BTreeMap<String, String> {
    let source = read("api/src/error/code.rs");
    let constants = source.split("const ").filter(|constant| constant.contains("Self::new(S::"));
    let row = |constant: &str| {
        let code = literals(constant).next().filter(|code| is_code(code)).unwrap_or_else(|| panic!("no code in {constant}"));
        (code.to_owned(), status(constant).unwrap_or_else(|| panic!("no status in {constant}")))
    };
    constants.map(row).collect()
}

#[test]
fn every_problem_is_documented_with_its_status() {
    let (problems, documented) = (problems(), table("docs/errors.md", "## Problem documents"));
    assert_eq!(problems.keys().collect::<BTreeSet<_>>(), documented.keys().collect::<BTreeSet<_>>(), "the code's, then the document's");
    for (code, status) in &problems {
        let told = &documented[code][0];
        assert!(told == status || (code == "request_invalid" && told == "4xx"), "the status of {code} is {status}, not {told}");
    }
    assert!(problems.len() > 20, "the source is read: {problems:?}");
    for (code, cells) in &documented {
        let again = cells.last().map(String::as_str).unwrap_or_default();
        assert!(["no", "later", "with care"].iter().any(|word| again.starts_with(word)), "{code} does not say whether to try again");
    }
}

#[test]
fn every_reason_is_documented() {
    let source = read("jobs/src/job.rs");
    let (_, below) = source.split_once("pub enum Reason {").expect("the reasons");
    let (reasons, _) = below.split_once('}').expect("the reasons' end");
    let names = reasons.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let snake = |name: &str| {
        let parts =
            name.trim_end_matches(',').chars().map(|c| if c.is_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.into() });
        parts.collect::<String>().trim_start_matches('_').to_owned()
    };
    let reasons: BTreeSet<_> = names.map(snake).collect();
    let documented: BTreeSet<_> = table("docs/errors.md", "## Why a job or an attempt ended").into_keys().collect();
    assert_eq!(reasons, documented);
}

#[test]
fn every_error_that_the_platform_gives_a_job_is_documented() {
    let mut codes = BTreeSet::new();
    for path in ["jobs/src/handler.rs", "jobs/src/lifecycle.rs", "worker/src/attempt.rs"] {
        let source = read(path);
        for call in ["JobError::new(", "Self::retry(", "Outcome::bury("] {
            codes.extend(
                source
                    .split(call)
                    .skip(1)
                    .filter_map(|after| after.trim_start().strip_prefix('"')?.split('"').next())
                    .map(ToOwned::to_owned),
            );
        }
    }
    let documented: BTreeSet<_> = table("docs/errors.md", "## What a job's `error` says").into_keys().collect();
    assert_eq!(codes, documented);
}

#[tokio::test]
async fn the_limits_are_those_that_the_command_line_prints() {
    let printed = run("windrow", &["config", "--defaults", "--output", "json"], &[]).await;
    let limits: Vec<Value> = serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {printed:?}"));
    let row = |limit: &Value| format!("| `{}` | {} | {} |\n", text(&limit["limit"]), grouped(&limit["value"]), text(&limit["meaning"]));
    let rows: String = limits.iter().map(row).collect();
    let expected = format!("| limit | value | meaning |\n|---|---:|---|\n{rows}");
    assert!(read("docs/limits.md").ends_with(&expected), "docs/limits.md does not end with this table:\n\n{expected}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A number with its thousands apart.
fn grouped(value: &Value) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Every document below a folder.
fn below(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(repository(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let entry = entry.expect("it is listed");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("it is there").is_dir() {
            // What was built there is nobody's document.
            if entry.file_name() != "target" {
                below(&path, found);
            }
        } else if path.ends_with(".md") {
            found.push(path);
        }
    }
}

#[test]
fn no_link_between_documents_is_broken() {
    let mut documents = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(str::to_owned).to_vec();
    below("docs", &mut documents);
    assert!(documents.len() > 30, "{documents:?}");
    for document in documents {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|after| after.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let from = repository(&document);
            let exists = path.is_empty() || path.contains("://") || from.parent().is_some_and(|folder| folder.join(path).exists());
            assert!(exists, "{document} links to {target}, which is not there");
        }
    }
}
