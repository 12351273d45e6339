//! `windrow doctor`: looks at everything that an installation stands on, names what is wrong, and says what to do.
//!
//! It changes nothing but for a probe object and a probe file, which it removes. Each check is by itself: one that fails keeps
//! none of the others from their answer.

mod finding;
mod folder;
mod keys;
mod ledger;
mod search;
mod secrets;
mod services;

use serde_json::json;
use windrow_jobs::settings::Effective;

pub use self::finding::{Finding, Verdict};
use crate::{
    cli::{Cli, Format},
    failure::Failure,
    output,
};

/// Checks everything. Fails where a check does.
pub async fn run(cli: &Cli, effective: &Effective) -> Result<(), Failure> {
    let settings = &effective.settings;
    let mut findings = secrets::combinations(settings);
    findings.extend(folder::check(settings));
    findings.extend(secrets::check(settings));
    findings.extend(ledger::check(settings).await);
    findings.extend(search::check(settings).await);
    findings.extend(search::qdrant(settings).await);
    findings.extend(keys::check(settings).await);
    findings.extend(services::redis(settings).await);
    findings.extend(services::objects(settings).await);
    findings.extend(services::api(cli, effective).await);
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let body = json!({ "ok": failed == 0, "checks": findings });
    output::answer(cli.output, &body.to_string(), || lines(&findings));
    match failed {
        0 => Ok(()),
        failed if cli.output == Format::Json => Err(Failure::Job(format!("{failed} checks failed"))),
        failed => Err(Failure::Job(format!("{failed} of {} checks failed", findings.len()))),
    }
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let row = |finding: &Finding| vec![finding.check.to_owned(), finding.verdict.word().to_owned(), finding.detail.clone()];
    let mut lines = output::table(&["CHECK", "RESULT", "FOUND"], &findings.iter().map(row).collect::<Vec<_>>());
    let advice = findings.iter().filter_map(|finding| Some(format!("{}: {}", finding.check, finding.advice.as_ref()?)));
    let advice: Vec<String> = advice.collect();
    if !advice.is_empty() {
        lines.push(String::new());
        lines.extend(advice);
    }
    lines
}
