//! How a command fails: what is printed, and the exit code.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use windrow_jobs::settings::{self, Effective};

use crate::{cli::Format, output};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// Wrong configuration.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The server cannot be reached.
    #[error("{url} cannot be reached: {cause}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        cause: String,
    },
    /// The server refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The job that was waited for did not complete. It was printed already.
    #[error("{0}")]
    Job(String),
    /// Anything else.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<settings::Error>() {
            Ok(error) => Self::Settings(error),
            Err(error) => Self::Other(error),
        }
    }
}

impl Failure {
    /// The exit code, as `--help` documents it.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Job(_) | Self::Other(_) => 1,
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Unreachable { .. } => 3,
        }
    }

    /// The same failure with the origin of a setting that is at fault.
    pub fn with_origin(self, effective: &Effective) -> Self {
        match self {
            Self::Settings(error) if error.origin.is_none() => Self::Settings(effective.with_origin(error)),
            other => other,
        }
    }

    /// Says on stderr what went wrong, and returns the exit code.
    pub fn report(self, format: Format) -> ExitCode {
        output::flush();
        match (format, &self) {
            (Format::Json, Self::Refused(problem)) => output::complain(&problem.body),
            (Format::Json, other) => output::complain(&json!({ "error": other.to_string() }).to_string()),
            (Format::Text, Self::Refused(problem)) => problem.lines().iter().for_each(|line| output::complain(line)),
            (Format::Text, other) => output::complain(&format!("error: {other}")),
        }
        ExitCode::from(self.exit_code())
    }
}

/// A problem document (RFC 9457), or whatever a server between us and Windrow says instead.
#[derive(Debug, Deserialize)]
pub struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    code: String,
    pointer: Option<String>,
    /// What is wrong with the items of a batch that was refused as a whole.
    #[serde(default)]
    problems: Vec<ItemProblem>,
    #[serde(default)]
    request_id: String,
    #[serde(skip)]
    body: String,
}

/// What is wrong with one item of a batch.
#[derive(Debug, Deserialize)]
struct ItemProblem {
    code: String,
    detail: String,
    pointer: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl Problem {
    /// Reads an error answer.
    pub fn of(status: u16, body: &str) -> Self {
        let read: Result<Self, _> = serde_json::from_str(body);
        match read {
            Ok(problem) if !problem.code.is_empty() => Self { body: body.to_owned(), ..problem },
            _ => Self {
                title: format!("Status {status}"),
                detail: "whatever answered is no Windrow API; is the URL right?".into(),
                code: String::new(),
                pointer: None,
                problems: Vec::new(),
                request_id: String::new(),
                body: json!({ "error": format!("status {status} without a problem document"), "status": status }).to_string(),
            },
        }
    }

    /// The class of problems.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Where in the body the trouble is.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {self}")];
        let rest = [("at", self.pointer.as_deref()), ("code", Some(self.code.as_str())), ("request", Some(self.request_id.as_str()))];
        for (name, text) in rest {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                lines.push(format!("  {name:<8} {text}"));
            }
        }
        lines.extend(self.problems.iter().map(|item| format!("  {:<8} {}: {}", item.pointer, item.code, item.detail)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_place_and_request() {
        let body = r#"{"title":"A field is invalid","detail":"7 is no text","status":422,"code":"field_invalid","pointer":"/a","request_id":"r-1"}"#;
        let lines = Problem::of(422, body).lines();
        assert_eq!(lines, ["error: A field is invalid: 7 is no text", "  at       /a", "  code     field_invalid", "  request  r-1"]);
        let foreign = Problem::of(502, "<html>");
        assert_eq!(foreign.lines(), ["error: Status 502: whatever answered is no Windrow API; is the URL right?"]);
    }
}
