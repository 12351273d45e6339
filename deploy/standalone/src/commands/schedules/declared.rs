//! `schedules.toml`: reads what it declares, strictly, and says by file and line what is wrong. Talks to nobody.

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use windrow_jobs::schedule::Definition;

/// A file of schedules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    schedules: Vec<Spanned<toml::Table>>,
}

/// A schedule that the file declares.
#[derive(Debug)]
pub struct Entry {
    /// Where: the file and the line.
    pub place: String,
    /// What it says.
    pub definition: Definition,
}

/// Reads a file's text. Each message names the file and the line.
pub fn read(file: &str, text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let at = |offset: usize| format!("{file}:{}", 1 + text[..offset.min(text.len())].matches('\n').count());
    let declared: Declared = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(|| file.to_owned(), |span| at(span.start));
        vec![format!("{place}: {}", error.message())]
    })?;
    let (mut entries, mut wrong): (Vec<Entry>, Vec<String>) = (Vec::new(), Vec::new());
    for table in declared.schedules {
        let place = at(table.span().start);
        let table = table.into_inner();
        let name = table.get("name").and_then(toml::Value::as_str).unwrap_or("without a name").to_owned();
        match definition(table) {
            Ok(definition) => match entries.iter().find(|entry| entry.definition.name == name) {
                Some(first) => wrong.push(format!("{place}: schedule {name}: the same name stands at {}", first.place)),
                None => entries.push(Entry { place, definition }),
            },
            Err(message) => wrong.push(format!("{place}: schedule {name}: {message}")),
        }
    }
    if wrong.is_empty() { Ok(entries) } else { Err(wrong) }
}

fn definition(table: toml::Table) -> Result<Definition, String> {
    let json = json(toml::Value::Table(table))?.to_string();
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&json)).map_err(|error| {
        let (path, message) = (error.path().to_string(), error.inner().to_string());
        // The place in the JSON is no place in the file.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        if path == "." { message } else { format!("{path}: {message}") }
    })
}

/// The same as JSON. A date and time becomes its text.
fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).map(Value::Number).ok_or(format!("{number} is no number in JSON"))?
        }
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(instant) => instant.to_string().into(),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        toml::Value::Table(fields) => {
            let fields = fields.into_iter().map(|(name, field)| Ok((name, json(field)?)));
            Value::Object(fields.collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_says_what_the_api_takes() {
        let text = r#"
[[schedules]]
name = "nightly"
cron = "30 2 * * *"
starts_at = 2027-01-15T08:00:00+01:00
ends_at = "2028-01-15T08:00:00Z"
misfire = { catch_up = { max = 3, window_s = 3600 } }

[schedules.job]
kind = "echo"
tags = ["a"]
payload = { message = "{{ n }}", sleep_ms = 1, deep = [{ x = 0.5, at = 07:30:00 }] }
"#;
        let entries = read("schedules.toml", text).expect("a file");
        let definition = serde_json::to_value(&entries[0].definition).expect("JSON");
        assert_eq!(entries[0].place, "schedules.toml:2");
        assert_eq!(definition["starts_at"], "2027-01-15T07:00:00.000Z");
        assert_eq!(definition["misfire"], json!({ "catch_up": { "max": 3, "window_s": 3600 } }));
        let payload = json!({ "message": "{{ n }}", "sleep_ms": 1, "deep": [{ "x": 0.5, "at": "07:30:00" }] });
        assert_eq!((&definition["job"]["payload"], &definition["time_zone"]), (&payload, &json!("UTC")));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let good = "\n[[schedules]]\nname = \"a\"\ncron = \"@hourly\"\njob = { kind = \"echo\", payload = {} }\n";
        let cases = [
            (String::new(), vec!["f:1: missing field `schedules`"]),
            ("schedule = []".into(), vec!["f:1: unknown field `schedule`, expected `schedules`"]),
            ("\nschedules = [".into(), vec!["f:2: "]),
            (good.replace("cron", "color = 1\ncron"), vec!["f:2: schedule a: color: unknown field `color`"]),
            (good.replace("\"@hourly\"", "7"), vec!["f:2: schedule a: cron: invalid type: integer `7`, expected a string"]),
            (good.replace("payload = {}", "payload = nan"), vec!["f:2: schedule a: NaN is no number in JSON"]),
            (good.replace("name = \"a\"\n", ""), vec!["f:2: schedule without a name: missing field `name`"]),
            (good.replace("kind", "starts_at"), vec!["f:2: schedule a: job.starts_at: unknown field `starts_at`"]),
            (good.replace("job", "starts_at = 2027-01-15\njob"), vec!["f:2: schedule a: starts_at: not an RFC 3339 date and time"]),
            (good.repeat(2), vec!["f:7: schedule a: the same name stands at f:2"]),
        ];
        for (text, expected) in cases {
            let wrong = read("f", &text).expect_err(&text);
            let as_expected = wrong.len() == expected.len() && wrong.iter().zip(&expected).all(|(wrong, start)| wrong.starts_with(start));
            assert!(as_expected, "{wrong:?}, not {expected:?}, of {text}");
        }
    }
}
