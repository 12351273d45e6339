//! Prints: answers on stdout, complaints on stderr. What a server says never reaches a terminal's controls.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::cli::Format;

/// Prints a line.
pub fn line(text: &str) {
    if writeln!(io::stdout(), "{}", printable(text)).is_err() {
        // Whoever read this has gone, as in `windrow list | head`: there is nobody left to tell.
        std::process::exit(0);
    }
}

/// Prints a line on stderr.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// Makes sure that all was written before the process ends.
pub fn flush() {
    let _ = io::stdout().flush();
}

/// The text with control characters made visible: a job's error message may hold escape sequences.
fn printable(text: &str) -> String {
    let visible = |character: char| {
        if character.is_control() && character != '\t' { character.escape_default().to_string() } else { character.into() }
    };
    text.split('\n').map(|line| line.chars().map(visible).collect()).collect::<Vec<String>>().join("\n")
}

/// Prints what the server answered, or the lines for people.
pub fn answer(format: Format, body: &str, lines: impl FnOnce() -> Vec<String>) {
    match format {
        Format::Json => line(body),
        Format::Text => lines().iter().for_each(|text| line(text)),
    }
}

/// A job for people: a field per line, those without a value left out.
pub fn job_lines(job: &Value) -> Vec<String> {
    let attempt = format!("{} of {}", job["attempt"], job["max_attempts"]);
    let mut lines = Vec::new();
    let mut field = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("{name:<9} {text}"));
        }
    };
    for name in ["id", "kind", "tenant", "queue", "state"] {
        field(name, text(&job[name]));
    }
    if job["cancel_requested"] == true {
        field("", "asked to stop".into());
    }
    field("reason", text(&job["reason"]));
    field("attempt", attempt);
    for (name, key) in [("created", "created_at"), ("run at", "run_at"), ("started", "started_at"), ("finished", "finished_at")] {
        field(name, text(&job[key]));
    }
    if let Some(progress) = job["progress"].as_object() {
        field("progress", format!("{} % {}", text(&progress["percent"]), text(&progress["message"])));
    }
    let tags: Vec<_> = job["tags"].as_array().into_iter().flatten().map(text).collect();
    field("tags", tags.join(", "));
    field("payload", compact(&job["payload"]));
    field("result", compact(&job["result"]));
    if let Some(error) = job["error"].as_object() {
        field("error", format!("{}: {}", text(&error["code"]), text(&error["message"])));
    }
    lines
}

/// A value as plain text; nothing for `null`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The longest JSON value shown to people, in characters; `--output json` shows all of it.
const COMPACT_MAX: usize = 500;

/// A value as JSON, cut where it is long.
pub fn compact(value: &Value) -> String {
    let json = if value.is_null() { String::new() } else { value.to_string() };
    match json.char_indices().nth(COMPACT_MAX) {
        Some((cut, _)) => format!("{}… ({} bytes)", &json[..cut], json.len()),
        None => json,
    }
}

/// Rows in columns that line up.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let aligned = |cells: Vec<&str>| {
        let padded: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heads = aligned(heads.to_vec());
    [heads].into_iter().chain(rows.iter().map(|row| aligned(row.iter().map(String::as_str).collect()))).collect()
}

/// A progress bar on a terminal, a line per change elsewhere. It goes to stderr: stdout is for the answer.
pub struct Bar {
    on_terminal: bool,
    shown: String,
}

/// The bar's length, in characters.
const BAR_LENGTH: usize = 30;

impl Bar {
    /// A bar that shows nothing yet.
    pub fn new() -> Self {
        Self { on_terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    /// Shows how far a job is.
    pub fn show(&mut self, percent: u64, what: &str) {
        let filled = usize::try_from(percent.min(100)).unwrap_or(0) * BAR_LENGTH / 100;
        let bar = format!("[{}{}] {percent:>3} % {}", "#".repeat(filled), "-".repeat(BAR_LENGTH - filled), printable(what));
        if bar == self.shown {
            return;
        }
        if self.on_terminal {
            // Carriage return, then erase to the end of the line, so that a shorter text leaves nothing behind.
            let _ = write!(io::stderr(), "\r{bar}\x1b[K");
            let _ = io::stderr().flush();
        } else {
            complain(&bar);
        }
        self.shown = bar;
    }

    /// Leaves the bar's line.
    pub fn end(&mut self) {
        if self.on_terminal && !self.shown.is_empty() {
            let _ = writeln!(io::stderr());
        }
        self.shown.clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_made_visible() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}\nc\td\r"), "a\\u{1b}[2Jb\\u{9b}\nc\td\\r");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "long cell".into()], vec!["bcd".into(), "x".into()]];
        assert_eq!(table(&["N", "VALUE"], &rows), ["N    VALUE", "a    long cell", "bcd  x"]);
    }
}
