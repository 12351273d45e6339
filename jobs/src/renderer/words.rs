//! Makes a message of a template's words: fills them in, puts the layout around the HTML, inlines its styles, and makes a text of it where
//! there is none. Nothing is fetched: neither style sheets nor files. Done in a process of its own (`pool.rs`).

use std::{
    collections::BTreeSet,
    io::{self, BufRead, Write},
};

use css_inline::CSSInliner;
use minijinja::{AutoEscape, Value, context};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{
    CPU_S_MAX,
    expressions::{self, Sheet},
    fill::{Template, Unfilled, fill},
    needs, write_line,
};
use crate::notification::{
    locale::{Direction, Locale},
    wording::SUBJECT_BYTES_MAX,
};

/// The largest text and the largest HTML of a message, in bytes; with its styles inlined HTML may be twice as large.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// How long one message may compute, at the most; at the least it is a second less, as the kernel counts whole ones. An ordinary message
/// takes some milliseconds.
pub const MESSAGE_CPU_S_MAX: u64 = 2;
/// Columns of a text that is made of HTML (RFC 3676 §4.2).
const TEXT_COLUMNS: usize = 78;
/// The variable that every template is given: `tag`, `language` and `direction` of its words.
pub const LOCALE: &str = "locale";
/// The variable that stands for what a layout goes around.
pub const CONTENT: &str = "content";

/// What a process is asked.
#[derive(Serialize, Deserialize)]
pub(super) enum Question {
    /// To fill words in.
    Fill(Asked),
    /// To read a template.
    Read(Parts),
    /// To say what is wrong with expressions.
    ReadExpressions(Vec<String>),
    /// To evaluate expressions.
    Evaluate(Sheet),
}

/// A template as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// The subject.
    pub subject: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
}

/// A template, read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What it needs, as paths (`order.items[].name`), beside what every template is given.
    pub needs: Vec<String>,
    /// Whether its HTML goes around another's.
    pub is_layout: bool,
}

/// Words to be filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The language of the words.
    pub locale: Locale,
    /// The subject.
    pub subject: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
    /// What goes around the HTML.
    pub layout: Option<String>,
    /// What they are filled in with.
    pub variables: Map<String, serde_json::Value>,
}

/// Words, filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The subject: one line.
    pub subject: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML.
    pub html: Option<String>,
}

/// Why there are no words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Wordless {
    /// A variable is not there: the part of the template, and what is missing where.
    #[error("{0}: {1}")]
    VariableMissing(String, String),
    /// The part cannot be rendered, and why.
    #[error("{0}: {1}")]
    Failed(String, String),
}

impl Wordless {
    fn of(part: &str, unfilled: Unfilled) -> Self {
        match unfilled {
            Unfilled::Missing(..) => Self::VariableMissing(part.to_owned(), unfilled.to_string()),
            Unfilled::Failed(message) => Self::Failed(part.to_owned(), message),
        }
    }

    fn failed(part: &str, message: impl Into<String>) -> Self {
        Self::Failed(part.to_owned(), message.into())
    }
}

/// Makes messages of what comes in. Ends by itself once little of its time is left.
pub(super) fn answer(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 || limit_next()? == Left::Little {
            return Ok(());
        }
        match serde_json::from_str(&line)? {
            Question::Fill(asked) => write_line(&mut output, &words(&asked))?,
            Question::Read(parts) => write_line(&mut output, &read(&parts))?,
            Question::ReadExpressions(all) => write_line(&mut output, &Ok::<_, Wordless>(expressions::read(&all)))?,
            Question::Evaluate(sheet) => write_line(&mut output, &Ok::<_, Wordless>(expressions::evaluate(&sheet)))?,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Left {
    Enough,
    Little,
}

/// Gives the next message its time.
fn limit_next() -> io::Result<Left> {
    let until_s = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs() + MESSAGE_CPU_S_MAX;
    if until_s > CPU_S_MAX {
        return Ok(Left::Little);
    }
    setrlimit(Resource::Cpu, Rlimit { current: Some(until_s), ..getrlimit(Resource::Cpu) })?;
    Ok(Left::Enough)
}

/// What there is to know of a template.
pub fn read(parts: &Parts) -> Result<Reading, Wordless> {
    let all = [("subject", &parts.subject), ("text", &parts.text), ("html", &parts.html)];
    let (mut needs, mut is_layout) = (BTreeSet::new(), false);
    for (part, source) in all {
        let Some(source) = source else { continue };
        let read = needs::read(part, source).map_err(|message| Wordless::failed(part, message))?;
        let is_given = |need: &String| need.split(['.', '[']).next() == Some(LOCALE);
        is_layout |= part == "html" && read.needs.contains(CONTENT);
        needs.extend(read.needs.into_iter().filter(|need| !is_given(need)));
    }
    Ok(Reading { needs: needs.into_iter().collect(), is_layout })
}

/// The message.
pub fn words(asked: &Asked) -> Result<Words, Wordless> {
    let locale = context! {
        tag => asked.locale.as_str(),
        language => asked.locale.language(),
        direction => asked.locale.direction(),
    };
    let values = context! { locale, ..Value::from_serialize(&asked.variables) };
    let filled = |part: &str, source: &str, escape, bytes_max, values: &Value| {
        fill(&Template { name: part, source, escape, bytes_max }, values).map_err(|unfilled| Wordless::of(part, unfilled))
    };
    let subject = match &asked.subject {
        Some(source) => Some(one_line(filled("subject", source, AutoEscape::None, SUBJECT_BYTES_MAX, &values)?)?),
        None => None,
    };
    let text = match &asked.text {
        Some(source) => Some(filled("text", source, AutoEscape::None, OUTPUT_BYTES_MAX, &values)?),
        None => None,
    };
    let Some(source) = &asked.html else { return Ok(Words { subject, text, html: None }) };
    let mut html = filled("html", source, AutoEscape::Html, OUTPUT_BYTES_MAX, &values)?;
    if let Some(layout) = &asked.layout {
        let values = context! { content => Value::from_safe_string(html), ..values };
        html = filled("layout", layout, AutoEscape::Html, OUTPUT_BYTES_MAX, &values)?;
    }
    let html = whole(html, &asked.locale);
    let text = match text {
        Some(text) => text,
        None => plain(&html)?,
    };
    Ok(Words { subject, text: Some(text), html: Some(inlined(&html)?) })
}

/// A subject is a header: a line break would begin another.
fn one_line(subject: String) -> Result<String, Wordless> {
    if subject.chars().any(char::is_control) {
        return Err(Wordless::failed("subject", "it has a line break, or another control character, once it is filled in"));
    }
    Ok(subject)
}

/// HTML as a document, which says its language and its direction where its author left that out.
fn whole(html: String, locale: &Locale) -> String {
    if html.to_ascii_lowercase().contains("<html") {
        return html;
    }
    let direction = match locale.direction() {
        Direction::Ltr => "ltr",
        Direction::Rtl => "rtl",
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"{locale}\" dir=\"{direction}\">\n<head><meta charset=\"utf-8\"></head>\n<body>\n{html}\n</body>\n</html>\n"
    )
}

/// The styles of its style sheets in the elements that they are for, as many mail programs read no others. What has no place in an element
/// (`@media`) stays.
fn inlined(html: &str) -> Result<String, Wordless> {
    let inliner = CSSInliner::options().load_remote_stylesheets(false).keep_at_rules(true).build();
    let inlined = inliner.inline(html).map_err(|error| Wordless::failed("html", format!("its styles: {error}")))?;
    if inlined.len() > 2 * OUTPUT_BYTES_MAX {
        return Err(Wordless::failed("html", format!("it grows larger than {} bytes with its styles inlined", 2 * OUTPUT_BYTES_MAX)));
    }
    Ok(inlined)
}

/// The HTML as text, which may be much larger: a quote within a thousand has a thousand marks in each line.
fn plain(html: &str) -> Result<String, Wordless> {
    let text = html2text::config::plain().raw_mode(true).allow_width_overflow().string_from_read(html.as_bytes(), TEXT_COLUMNS);
    let text = text.map_err(|error| Wordless::failed("html", format!("as text: {error}")))?;
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(Wordless::failed("html", format!("it grows larger than {OUTPUT_BYTES_MAX} bytes as text")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
