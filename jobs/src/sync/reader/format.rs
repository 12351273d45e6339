//! Values out of a page's bytes, by what it is written in. Pure.
//!
//! Values in memory are larger than what they are written as: an object of one member costs some 700 bytes and is written in eight. So what a
//! page would cost is counted before it is read, and one that would cost more than eight times `limits.page_bytes_max` (of at least
//! [`COST_MIN`]) is refused. Next: `records.rs`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Wrong, xml};
use crate::{connection::Hidden, sync::definition::Format};

/// What the values of a page may cost at most, as a multiple of the bytes that it may have.
const COST_FACTOR: u64 = 8;
/// And at least: 64 MiB.
const COST_MIN: u64 = 64 * 1024 * 1024;
/// What an object costs: the first node of its tree, which has room for eleven members.
pub(super) const OBJECT_COST: u64 = 700;
/// What a member costs beyond that: its part of further nodes, and its name.
pub(super) const MEMBER_COST: u64 = 100;
/// What a list costs: room for four values.
pub(super) const LIST_COST: u64 = 128;
/// What a value of a list costs, as lists double their room.
pub(super) const VALUE_COST: u64 = 64;
/// The most columns of CSV: each costs something for each row, and before the first is read.
const COLUMNS_MAX: usize = 1_000;
/// How much of what cannot be read is told.
pub(super) const EXCERPT_CHARS: usize = 200;
/// What is looked through for secrets before it is cut to that: more than the longest secret has.
const LOOKED_THROUGH_BYTES: usize = 64 * 1024;

/// What the values of a page may cost.
pub(super) struct Budget {
    left: u64,
    max: u64,
}

impl Budget {
    /// For a page of at most so many bytes.
    pub(super) fn of(page_bytes_max: u64) -> Self {
        let max = page_bytes_max.saturating_mul(COST_FACTOR).max(COST_MIN);
        Self { left: max, max }
    }

    /// Takes so much of it.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), Wrong> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let message = format!("the page has so many values that they would cost more than {} bytes of memory", self.max);
            Wrong::always("page_too_large", message)
        })?;
        Ok(())
    }
}

/// The page as one value: the document, or a list of what its lines or rows are. A page of CSV must have these columns.
pub(super) fn read(format: Format, bytes: &[u8], columns: &[String], mut budget: Budget, hidden: &Hidden) -> Result<Value, Wrong> {
    let unreadable = |why: &str| unreadable(format, why, bytes, hidden);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if format != Format::Xml && is_html(bytes) {
        return Err(unreadable("it is HTML"));
    }
    match format {
        Format::Json => json(bytes, &mut budget, unreadable),
        Format::JsonLines => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let values = lines.map(|line| {
                budget.spend(VALUE_COST)?;
                json(line, &mut budget, unreadable)
            });
            values.collect::<Result<_, _>>().map(Value::Array)
        }
        Format::Csv => csv(bytes, columns, &mut budget, unreadable),
        Format::Xml => xml::read(bytes, &mut budget).map_err(|wrong| match wrong {
            xml::Failed::Wrong(wrong) => wrong,
            xml::Failed::Unreadable(why) => unreadable(&excerpt(why.as_bytes(), EXCERPT_CHARS, hidden)),
        }),
    }
}

fn json(bytes: &[u8], budget: &mut Budget, unreadable: impl Fn(&str) -> Wrong) -> Result<Value, Wrong> {
    budget.spend(cost_of_json(bytes))?;
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error.to_string()))
}

/// What the values of this JSON cost, by its signs. Texts cost what they have.
fn cost_of_json(bytes: &[u8]) -> u64 {
    let (mut cost, mut in_text, mut escaped) = (bytes.len() as u64, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' => cost += OBJECT_COST,
            b':' => cost += MEMBER_COST,
            b'[' => cost += LIST_COST,
            b',' => cost += VALUE_COST,
            _ => {}
        }
    }
    cost
}

fn csv(bytes: &[u8], columns: &[String], budget: &mut Budget, unreadable: impl Fn(&str) -> Wrong) -> Result<Value, Wrong> {
    if is_wide(bytes) {
        return Err(Wrong::always("page_too_large", format!("a row of the page has more than {COLUMNS_MAX} columns")));
    }
    let mut rows = csv::ReaderBuilder::new().from_reader(bytes);
    let bad = |error: csv::Error| unreadable(&error.to_string());
    let header: Vec<String> = rows.headers().map_err(bad)?.iter().map(str::to_owned).collect();
    if let Some(missing) = columns.iter().find(|column| !header.contains(column)) {
        return Err(unreadable(&format!("it has no column {missing:?}, in which the key is")));
    }
    let mut known = HashSet::new();
    if let Some(twice) = header.iter().position(|name| !known.insert(name.as_str())) {
        return Err(unreadable(&format!("its column {} has the name of one before", twice + 1)));
    }
    // Each row has the names anew.
    let names: usize = header.iter().map(String::len).sum();
    let row_cost = OBJECT_COST + VALUE_COST + MEMBER_COST * header.len() as u64 + names as u64;
    let values = rows.records().map(|row| {
        let row = row.map_err(bad)?;
        budget.spend(row_cost + row.as_slice().len() as u64)?;
        Ok(Value::Object(header.iter().cloned().zip(row.iter().map(Value::from)).collect::<Map<_, _>>()))
    });
    values.collect::<Result<_, _>>().map(Value::Array)
}

/// Whether a row has more columns than are read. A quote counts at a field's beginning only, and twice within one is itself (RFC 4180).
fn is_wide(bytes: &[u8]) -> bool {
    enum In {
        Begin,
        Plain,
        Quoted,
        Unquoted,
    }
    let (mut place, mut columns) = (In::Begin, 1);
    bytes.iter().any(|byte| {
        place = match (&place, byte) {
            (In::Quoted, b'"') => In::Unquoted,
            (In::Quoted, _) | (In::Begin | In::Unquoted, b'"') => In::Quoted,
            (_, b',') => {
                columns += 1;
                In::Begin
            }
            (_, b'\n' | b'\r') => {
                columns = 1;
                In::Begin
            }
            _ => In::Plain,
        };
        columns > COLUMNS_MAX
    })
}

/// Whether it begins as pages for people do.
fn is_html(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start();
    let begin = begin[..begin.len().min(14)].to_ascii_lowercase();
    begin.starts_with(b"<!doctype html") || begin.starts_with(b"<html")
}

fn unreadable(format: Format, why: &str, bytes: &[u8], hidden: &Hidden) -> Wrong {
    let name = match format {
        Format::Json => "JSON",
        Format::JsonLines => "JSON lines",
        Format::Csv => "CSV",
        Format::Xml => "XML",
    };
    let begin = excerpt(bytes, EXCERPT_CHARS, hidden);
    Wrong::now("page_unreadable", format!("the page is no {name} that can be read: {why}; it begins {begin:?}"))
}

/// The beginning of what a provider wrote, for a message. What is hidden goes first: of what was cut nobody would know it any more.
pub(super) fn excerpt(bytes: &[u8], chars: usize, hidden: &Hidden) -> String {
    let begin = &bytes[..bytes.len().min(LOOKED_THROUGH_BYTES)];
    let text = hidden.cut_text(&String::from_utf8_lossy(begin));
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_as(format: Format, text: &str) -> Result<Value, String> {
        read(format, text.as_bytes(), &["id".into()], Budget::of(1024), &Hidden::default())
            .map_err(|wrong| format!("{}: {}", wrong.0.code, wrong.0.message))
    }

    #[test]
    fn each_format_is_read() {
        assert_eq!(read_as(Format::Json, "\u{feff}{\"a\": [1]}"), Ok(json!({ "a": [1] })));
        assert_eq!(read_as(Format::JsonLines, "{\"a\":1}\r\n\n[2]\n"), Ok(json!([{ "a": 1 }, [2]])));
        assert_eq!(read_as(Format::JsonLines, ""), Ok(json!([])));
        let rows = "id,name\r\n1,\"Ann, \"\"A\"\"\r\nB\"\r\n2,\r\n";
        assert_eq!(read_as(Format::Csv, rows), Ok(json!([{ "id": "1", "name": "Ann, \"A\"\r\nB" }, { "id": "2", "name": "" }])));
        assert_eq!(read_as(Format::Csv, "id\n"), Ok(json!([])));
        assert_eq!(read_as(Format::Xml, "<a><b>1</b></a>"), Ok(json!({ "b": "1" })));
    }

    #[test]
    fn what_is_none_of_it_says_so() {
        let deep = "[".repeat(200_000);
        let cases = [
            (Format::Json, "", "EOF while parsing"),
            (Format::Json, "{\"a\": [1, 2", "EOF while parsing"),
            (Format::Json, "{} x", "trailing characters"),
            (Format::Json, " <!DOCTYPE HTML><title>Sign in</title>", "it is HTML"),
            (Format::Json, "<html>", "it is HTML"),
            (Format::Json, &deep, "recursion limit exceeded"),
            (Format::Json, "\"\\ud800\"", "hex escape"),
            (Format::JsonLines, "{\"a\":1}\n{\"a\"", "EOF while parsing"),
            (Format::Csv, "", "no column \"id\""),
            (Format::Csv, "{\"error\":\"busy\"}", "no column \"id\""),
            (Format::Csv, "<html><body>id</body></html>", "it is HTML"),
            (Format::Csv, "id,name\n1,a\n2", "found record with 1 fields"),
            (Format::Csv, "id,id\n1,2\n", "its column 2 has the name"),
            (Format::Xml, "{}", "XML"),
        ];
        for (format, text, why) in cases {
            let error = read_as(format, text).expect_err(why);
            assert!(error.starts_with("page_unreadable: ") && error.contains(why) && error.len() < 1_000, "{error}");
        }
        let wrong = read(Format::Csv, b"id\n\xff\n", &[], Budget::of(1024), &Hidden::default()).expect_err("no UTF-8").0;
        assert!(wrong.retryable && wrong.message.contains("UTF-8"), "{wrong:?}");
    }

    #[test]
    fn what_is_told_of_a_page_is_cut_after_its_secrets_are_gone() {
        let token = format!("ey{}", "J0".repeat(450));
        let hidden = Hidden::default().and_text(&token);
        for before in [0, 50, 150, 185, 190, 198, 60_000, 65_000] {
            let page = format!("{}{token} and more", "-".repeat(before));
            let told = read(Format::Json, page.as_bytes(), &[], Budget::of(1024), &hidden).expect_err("no JSON").0.message;
            assert!(!told.contains("eyJ0") && told.len() < 500, "{before}: {told}");
            assert_eq!(told.contains("(hidden)"), before <= 190, "{before}: {told}");
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_later_counts_and_digits_are_kept_up_to_64_bits() {
        assert_eq!(read_as(Format::Json, r#"{"a":1,"a":2}"#), Ok(json!({ "a": 2 })));
        assert_eq!(read_as(Format::Json, "18446744073709551615"), Ok(json!(18_446_744_073_709_551_615_u64)));
        assert_eq!(read_as(Format::Json, "18446744073709551616"), Ok(json!(1.844_674_407_370_955_2e19)));
    }

    #[test]
    fn columns_cost_what_each_row_makes_of_them() {
        let named = format!("id,{}\n{}", "x".repeat(1_000_000), "1,\n".repeat(70));
        let error = read_as(Format::Csv, &named).expect_err("its name in each row");
        assert!(error.starts_with("page_too_large: the page has so many values"), "{error}");
        let names =
            |columns: usize| ["id".to_owned()].into_iter().chain((1..columns).map(|column| format!(",{column}"))).collect::<String>();
        assert_eq!(read_as(Format::Csv, &names(1_000)), Ok(json!([])));
        let quoted = format!("id,a\n1,\"{}\"\n2,\"\"\"{}\"\r\n", ",".repeat(2_000), ",".repeat(2_000));
        assert_eq!(read_as(Format::Csv, &quoted).map(|rows| rows[1]["a"].as_str().map(str::len)), Ok(Some(2_001)));
        let many = format!("id{}", ",".repeat(8 * 1024 * 1024));
        for wide in [names(1_001), names(1_000_000), many, format!("id\n1\n{}", ",".repeat(1_000)), format!("a\"{}", ",".repeat(1_000))] {
            let error = read_as(Format::Csv, &wide).expect_err("too wide");
            assert_eq!(error, "page_too_large: a row of the page has more than 1000 columns");
        }
    }

    #[test]
    fn what_would_cost_too_much_is_refused_before_it_is_made() {
        for (format, text) in [
            (Format::Json, format!("[{}]", vec![r#"{"a":0}"#; 100_000].join(","))),
            (Format::Json, format!("[{}0]", "0,".repeat(1_100_000))),
            (Format::Json, format!("[{}[]]", "[],".repeat(400_000))),
            (Format::JsonLines, "{}\n".repeat(100_000)),
            (Format::Csv, format!("id,a,b\n{}", ",,\n".repeat(100_000))),
            (Format::Xml, format!("<r>{}</r>", "<a b=''/>".repeat(100_000))),
        ] {
            let error = read_as(format, &text).expect_err("too much");
            assert!(error.starts_with("page_too_large: the page has so many values"), "{error}");
        }
        // Signs within texts are no values.
        let text = format!("[\"{}\"]", r#"{[,:\""#.repeat(100_000));
        assert!(read_as(Format::Json, &text).is_ok());
    }
}
