//! Evaluates the expressions of a sync's mapping over records: typed values in, typed values out. Done in a process of its own (`pool.rs`).
//!
//! A record's field that is `null` counts as one that is not there, so that `default(…)` and `~` do what is meant; a field of something that
//! is not there is an error. Nothing but `record` and the functions of the language are known. Next: `sync/mapping.rs`.

use std::{collections::BTreeSet, time::Duration};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, value::ValueKind};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

use super::{fill, needs};
use crate::sync::typed;

/// What an expression calls the record.
pub const RECORD: &str = "record";
/// Instructions of one evaluation: an expression is a line, and has no loops.
const FUEL: u64 = 10_000;
/// What the values of one record may have together, in bytes of their texts and keys, and one for each element.
pub const ROW_BYTES_MAX: usize = 256 * 1024;
/// Once this much was made the rest is left for another question: an answer has a largest size.
const ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Once this long was computed the rest is left for another question: a question has a longest time.
const ANSWER_CPU: Duration = Duration::from_millis(500);
/// The most levels of a value.
const DEPTH_MAX: usize = 64;

/// Expressions, and the records that they are evaluated over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sheet {
    /// The expressions.
    pub expressions: Vec<String>,
    /// The records.
    pub records: Vec<Box<RawValue>>,
}

/// What came of an expression over a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// A value.
    Value(serde_json::Value),
    /// Nothing: what it asks for is not there.
    Absent,
    /// No value, and why.
    Failed(String),
}

/// What is wrong with each of these expressions, if anything.
pub fn read(expressions: &[String]) -> Vec<Option<String>> {
    expressions.iter().map(|expression| wrong(expression)).collect()
}

fn wrong(expression: &str) -> Option<String> {
    let environment = environment();
    let compiled = match environment.compile_expression(expression) {
        Ok(compiled) => compiled,
        Err(error) => return Some(told(&error)),
    };
    let known: BTreeSet<&str> = environment.globals().map(|(name, _)| name).chain([RECORD]).collect();
    let mut unknown: Vec<_> = compiled.undeclared_variables(false).into_iter().filter(|name| !known.contains(name.as_str())).collect();
    unknown.sort();
    if let Some(name) = unknown.first() {
        return Some(format!("{name} is not known: the source's record is called {RECORD}"));
    }
    // A filter or a test that is not there is only noticed where it is used, or by who looks at each.
    let message = needs::read("expression", &format!("{{{{ {expression} }}}}")).err()?;
    Some(message.trim_start_matches("line 1: ").to_owned())
}

/// What the expressions make of the records, of the first of them at least; the rest is to be asked for again.
pub fn evaluate(sheet: &Sheet) -> Vec<Vec<Cell>> {
    let environment = environment();
    let compiled: Vec<_> = sheet.expressions.iter().map(|expression| environment.compile_expression(expression)).collect();
    let (mut rows, mut bytes, begun) = (Vec::new(), 0, computed());
    for record in &sheet.records {
        let (mut left, mut row) = (ROW_BYTES_MAX, Vec::with_capacity(compiled.len()));
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(record.get());
        let values = parsed.map(|record| context! { record => Value::from_serialize(Given(&record)) });
        for expression in &compiled {
            row.push(match (expression, &values) {
                (Ok(expression), Ok(values)) => cell(expression.eval(values.clone()), &mut left),
                (Err(error), _) => Cell::Failed(told(error)),
                (_, Err(error)) => Cell::Failed(error.to_string()),
            });
        }
        rows.push(row);
        bytes += ROW_BYTES_MAX - left;
        if bytes >= ANSWER_BYTES || computed().saturating_sub(begun) >= ANSWER_CPU {
            break;
        }
    }
    rows
}

/// How long this process has computed.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn environment<'e>() -> Environment<'e> {
    let mut environment = fill::environment();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    // As `null` counts as not there, who asks for it means both.
    environment.add_test("none", |value: Value| value.is_none() || value.is_undefined());
    environment
}

/// An error of minijinja, for people: an expression has no lines worth naming.
fn told(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => "it takes too long".into(),
        ErrorKind::UndefinedError => "it asks for a field of something that is not there".into(),
        kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    }
}

fn cell(value: Result<Value, minijinja::Error>, left: &mut usize) -> Cell {
    match value {
        Err(error) => Cell::Failed(told(&error)),
        Ok(value) if value.is_undefined() || value.is_none() => Cell::Absent,
        Ok(value) => json(&value, left, 0).map_or_else(Cell::Failed, Cell::Value),
    }
}

/// A value as JSON, while there is room.
fn json(value: &Value, left: &mut usize, depth: usize) -> Result<serde_json::Value, String> {
    let text = value.as_str();
    take(left, 1 + text.map_or(0, str::len))?;
    if depth > DEPTH_MAX {
        return Err(format!("it has more than {DEPTH_MAX} levels"));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number if value.is_integer() => {
            let whole = i64::try_from(value.clone()).map(Into::into).or_else(|_| u64::try_from(value.clone()).map(Into::into));
            whole.map_err(|_| "it makes a whole number of more than 64 bits".into())
        }
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64);
            number.map(Into::into).ok_or_else(|| "it makes what is no number".into())
        }
        ValueKind::String => Ok(text.unwrap_or_default().into()),
        ValueKind::Seq | ValueKind::Iterable => {
            let elements = value.try_iter().map_err(|error| told(&error))?;
            elements.map(|element| json(&element, left, depth + 1)).collect()
        }
        ValueKind::Map => {
            let mut fields = serde_json::Map::new();
            for key in value.try_iter().map_err(|error| told(&error))? {
                let name = key.as_str().ok_or_else(|| format!("it makes an object with a key that is no text but {}", key.kind()))?;
                take(left, name.len())?;
                let field = value.get_item(&key).map_err(|error| told(&error))?;
                fields.insert(name.to_owned(), json(&field, left, depth + 1)?);
            }
            Ok(fields.into())
        }
        ValueKind::Invalid => Err(value.to_string()),
        kind => Err(format!("it makes no value but {kind}")),
    }
}

fn take(left: &mut usize, bytes: usize) -> Result<(), String> {
    *left = left.checked_sub(bytes).ok_or_else(|| format!("it makes more than the {ROW_BYTES_MAX} bytes that a record may have"))?;
    Ok(())
}

/// A record as expressions are given it.
struct Given<'r>(&'r serde_json::Value);

impl Serialize for Given<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            serde_json::Value::Object(fields) => {
                serializer.collect_map(fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, Given(value))))
            }
            serde_json::Value::Array(elements) => serializer.collect_seq(elements.iter().map(Given)),
            // It fails whoever uses it.
            serde_json::Value::Number(number) => match typed::imprecise(number) {
                Some(message) => Err(S::Error::custom(message)),
                None => number.serialize(serializer),
            },
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests;
