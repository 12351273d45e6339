//! What is made of each record of a page: pointers, constants and expressions become fields, fields get their types, and the whole is written
//! as JSON with sorted keys, by whose hash a record is known to be unchanged.
//!
//! A page is mapped at once, in its order. Expressions are evaluated in a renderer's process, whose memory and time are bounded. What cannot
//! be mapped is an error of its record, never of the page. Next: `read.rs`, `typed.rs`, `renderer/expressions.rs`.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{
    Definition, RECORD_BYTES_MAX, Source,
    definition::{Absent, FieldType},
    pointer,
    read::{self, UPDATED_AT, Unread},
    state::{Incoming, RowError},
    store::{canonical, hash_of},
    typed,
};
use crate::renderer::{
    expressions::{Cell, Sheet},
    pool::{self, Renderers},
};

/// The most records of a question to the renderer.
const ASKED_RECORDS_MAX: usize = 500;
/// The most bytes of records in a question to the renderer, unless one alone has more.
const ASKED_BYTES_MAX: usize = 1024 * 1024;
/// The largest record that expressions are evaluated over, in bytes of JSON.
pub const EVALUATED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records of a page whose expressions end the renderer's process, each after a second or two: more fail the run.
pub const COSTLY_MAX: usize = 5;
/// How long the expressions of a page may compute, whatever each of its records takes: they have only a few processes. It is 6 ms for each of
/// 10,000 records; an expression of a line takes some microseconds.
pub const PAGE_CPU_MAX: Duration = Duration::from_secs(60);
/// Records that are mapped before others get their turn on this thread.
const RECORDS_AT_ONCE: usize = 100;

/// What is made of the records of a sync.
#[derive(Debug, Clone)]
pub struct Mapping {
    source: Source,
    fields: Vec<Prepared>,
    expressions: Vec<String>,
}

/// A field, ready to be made.
#[derive(Debug, Clone)]
struct Prepared {
    to: Vec<String>,
    from: From,
    r#type: Option<FieldType>,
    default: Option<Value>,
    required: bool,
    absent: Absent,
}

#[derive(Debug, Clone)]
enum From {
    Pointer(String),
    Constant(Value),
    Expression(usize),
}

/// Why nothing was made of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// Its key, where it has one.
    pub key: Option<String>,
    /// Its place in the page, from 0.
    pub index: u32,
    /// What is wrong, for programs.
    pub code: &'static str,
    /// What is wrong, for people: never the whole record.
    pub message: String,
    /// Where: in the source's record for its key and `updated_at`, else in what is made of it (`to`).
    pub pointer: Option<String>,
}

impl Unmapped {
    /// The error of a row in this page, from 1.
    pub fn on_page(self, page: u64) -> RowError {
        RowError { key: self.key, page, index: self.index, code: self.code.to_owned(), message: self.message, pointer: self.pointer }
    }
}

/// Why nothing was made of a whole page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// The mapping's expressions take more time or memory than they may, record after record: the run fails (`mapping_too_costly`).
    #[error("the mapping: {0}")]
    Costly(String),
    /// For the renderer, or the machine: it may go well another time.
    #[error("the renderer: {0}")]
    Unavailable(String),
}

/// What the expressions made of a record, or why its process ended over it.
type Row = Result<Vec<Cell>, String>;

impl Mapping {
    /// That of this definition, which was checked.
    pub fn new(definition: &Definition) -> Self {
        let (mut fields, mut expressions) = (Vec::new(), Vec::new());
        for field in &definition.mapping {
            let from = match (&field.expression, &field.from, &field.value) {
                (Some(expression), ..) => {
                    expressions.push(expression.clone());
                    From::Expression(expressions.len() - 1)
                }
                (None, Some(pointer), _) => From::Pointer(pointer.clone()),
                (None, None, value) => From::Constant(value.clone().unwrap_or_default()),
            };
            let made = |default: &Value| field.r#type.and_then(|r#type| typed::made(default.clone(), r#type).ok());
            let default = field.default.as_ref().map(|default| made(default).unwrap_or_else(|| default.clone()));
            let (to, required, absent) = (pointer::to_place(&field.to), field.required, field.absent);
            fields.push(Prepared { to, from, r#type: field.r#type, default, required, absent });
        }
        Self { source: definition.source.clone(), fields, expressions }
    }

    /// The records of a page, in their order, as `reader.rs` gives them.
    pub async fn map(&self, renderers: &Renderers, records: Vec<Value>) -> Result<Vec<Result<Incoming, Unmapped>>, Unmade> {
        let rows = if self.expressions.is_empty() { Vec::new() } else { self.evaluate(renderers, &records).await? };
        let (mut rows, mut mapped) = (rows.into_iter(), Vec::with_capacity(records.len()));
        for (index, record) in records.into_iter().enumerate() {
            let row = rows.next().unwrap_or_else(|| Ok(Vec::new()));
            mapped.push(self.one(record, row).map_err(|(key, unread)| Unmapped {
                key,
                index: u32::try_from(index).unwrap_or(u32::MAX),
                code: unread.code,
                message: unread.message,
                pointer: Some(unread.pointer),
            }));
            if index % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(mapped)
    }

    /// What the expressions make of each record. Whoever ends the process that works for others is found by asking for each alone.
    async fn evaluate(&self, renderers: &Renderers, records: &[Value]) -> Result<Vec<Row>, Unmade> {
        let mut rows: Vec<Row> = Vec::with_capacity(records.len());
        let (mut alone_until, mut costly, mut computed) = (0, 0, Duration::ZERO);
        while rows.len() < records.len() {
            let most = if rows.len() < alone_until { 1 } else { ASKED_RECORDS_MAX };
            let asked = self.next(&records[rows.len()..], most);
            if asked.is_empty() {
                rows.push(Err(format!("expressions are not evaluated over a record of more than {EVALUATED_BYTES_MAX} bytes")));
                continue;
            }
            let many = asked.len();
            match renderers.evaluate(Sheet { expressions: self.expressions.clone(), records: asked }).await {
                Ok((answer, took)) if (1..=many).contains(&answer.len()) => {
                    rows.extend(answer.into_iter().map(Ok));
                    computed = charged(computed, took)?;
                }
                Ok((answer, _)) => return Err(Unmade::Unavailable(format!("{} answers to {many} records", answer.len()))),
                Err(pool::Unmade::Unavailable(message)) => return Err(Unmade::Unavailable(message)),
                Err(pool::Unmade::Wordless(_)) if many > 1 => alone_until = rows.len() + many,
                Err(pool::Unmade::Wordless(wordless)) => {
                    costly += 1;
                    if costly > COSTLY_MAX {
                        return Err(Unmade::Costly(format!("more than {COSTLY_MAX} records of a page are too much for its expressions")));
                    }
                    rows.push(Err(wordless.to_string()));
                }
            }
        }
        Ok(rows)
    }

    /// The first of these records, as far as they go into one question; none where the first is too large for any.
    fn next(&self, records: &[Value], most: usize) -> Vec<Box<RawValue>> {
        let (mut asked, mut bytes) = (Vec::new(), 0);
        for record in records.iter().take(most) {
            let raw = self.shown(record);
            bytes += raw.get().len();
            let is_too_large = raw.get().len() > EVALUATED_BYTES_MAX;
            if is_too_large || !asked.is_empty() && bytes > ASKED_BYTES_MAX {
                break;
            }
            asked.push(raw);
        }
        asked
    }

    /// A record as expressions see it: with its key, but, as what only touches a record is no change, without when it was written.
    fn shown(&self, record: &Value) -> Box<RawValue> {
        let raw = match record {
            Value::Object(members) if self.source.records.is_some() => {
                to_raw_value(&members.iter().filter(|(name, _)| *name != UPDATED_AT).collect::<BTreeMap<_, _>>())
            }
            record => to_raw_value(record),
        };
        raw.expect("a value can be written")
    }

    /// One record, with what its expressions made; or what is wrong with it, and its key as far as that is known.
    fn one(&self, record: Value, row: Row) -> Result<Incoming, (Option<String>, Unread)> {
        let key = read::key(&self.source, &record).map_err(|unread| (None, unread))?;
        let is_deleted = read::deleted(&self.source, &record);
        let updated_at = read::updated_at(&self.source, &record);
        let made = updated_at.and_then(|updated_at| Ok((self.data(record, row)?, updated_at)));
        let (data, updated_at) = match made {
            Ok(made) => made,
            // Of what is deleted little more may be there than the key, and no more is needed.
            Err(_) if is_deleted => ("{}".to_owned(), None),
            Err(unread) => return Err((Some(key), unread)),
        };
        Ok(Incoming { key, hash: hash_of(&data), data, updated_at, is_deleted })
    }

    /// What is made of a record, as JSON with sorted keys.
    fn data(&self, record: Value, row: Row) -> Result<String, Unread> {
        let made = if self.fields.is_empty() {
            if !record.is_object() {
                return Err(unread("record_invalid", "", format!("a record is an object, and this is {}", typed::kind(&record))));
            }
            let record = read::content(&self.source, record);
            check_digits(&record, "")?;
            record
        } else {
            let mut made = Map::new();
            let mut cells = row.map_err(|message| unread("expression_too_costly", "", message))?;
            for field in &self.fields {
                if let Some(value) = field.value(&self.source, &record, &mut cells)? {
                    pointer::place(&mut made, &field.to, value);
                }
            }
            Value::Object(made)
        };
        let data = canonical(&made);
        if data.len() as u64 > RECORD_BYTES_MAX {
            let message = format!("the record has {} bytes of the {RECORD_BYTES_MAX} allowed", data.len());
            return Err(unread("record_too_large", "", message));
        }
        Ok(data)
    }
}

impl Prepared {
    /// What it is of this record; none where nothing is there and the field is left out then.
    fn value(&self, source: &Source, record: &Value, cells: &mut [Cell]) -> Result<Option<Value>, Unread> {
        let at = || pointer::of(&self.to);
        let found = match &self.from {
            From::Pointer(pointer) if pointer.is_empty() => Some(read::content(source, record.clone())),
            From::Pointer(pointer) => record.pointer(pointer).cloned(),
            From::Constant(value) => Some(value.clone()),
            From::Expression(index) => match cells.get_mut(*index).map(|cell| std::mem::replace(cell, Cell::Absent)) {
                Some(Cell::Value(value)) => Some(value),
                Some(Cell::Failed(message)) => return Err(unread("expression_failed", &at(), message)),
                Some(Cell::Absent) | None => None,
            },
        };
        let Some(value) = found.filter(|value| !typed::is_nothing(value, self.r#type)) else {
            return match &self.default {
                Some(default) => Ok(Some(default.clone())),
                None if self.required => Err(unread("field_missing", &at(), self.missing())),
                None => Ok((self.absent == Absent::Null).then_some(Value::Null)),
            };
        };
        let value = match self.r#type {
            Some(r#type) => typed::made(value, r#type).map_err(|message| unread("type_invalid", &at(), message))?,
            None => value,
        };
        if self.r#type != Some(FieldType::Number) {
            check_digits(&value, &at())?;
        }
        Ok(Some(value))
    }

    fn missing(&self) -> String {
        match &self.from {
            From::Pointer(pointer) => format!("it is required, and nothing is at {pointer:?} of the source's record"),
            From::Constant(_) | From::Expression(_) => "it is required, and comes to nothing".into(),
        }
    }
}

/// What a page's expressions have computed, with what its last question took.
fn charged(computed: Duration, took: Duration) -> Result<Duration, Unmade> {
    let computed = computed + took;
    if computed > PAGE_CPU_MAX {
        return Err(Unmade::Costly(format!("its expressions computed for more than {} s over a page", PAGE_CPU_MAX.as_secs())));
    }
    Ok(computed)
}

fn unread(code: &'static str, pointer: &str, message: impl Into<String>) -> Unread {
    Unread { code, message: message.into(), pointer: pointer.to_owned() }
}

/// Refuses numbers whose digits are lost.
fn check_digits(value: &Value, at: &str) -> Result<(), Unread> {
    match value {
        Value::Number(number) => typed::imprecise(number).map_or(Ok(()), |message| Err(unread("number_imprecise", at, message))),
        Value::Array(elements) => elements.iter().enumerate().try_for_each(|(index, element)| match element {
            Value::Number(_) | Value::Array(_) | Value::Object(_) => check_digits(element, &format!("{at}/{index}")),
            _ => Ok(()),
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| match field {
            Value::Number(_) | Value::Array(_) | Value::Object(_) => check_digits(field, &format!("{at}/{}", pointer::escaped(name))),
            _ => Ok(()),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
