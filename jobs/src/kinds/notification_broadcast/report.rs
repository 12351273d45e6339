//! How each recipient fared: a CSV file with a row for each row of the audience. It has no name, so it is gone with whoever writes it. What
//! others wrote is no formula to a program of spreadsheets.

use std::{borrow::Cow, collections::BTreeMap, fs::File};

use csv::Writer;

use super::{
    Totals,
    audience::Row,
    child::{self, Family},
};
use crate::{children::Child, job::State};

/// A report that is being written.
pub(super) struct Report {
    writer: Writer<File>,
    pub totals: Totals,
    /// Those whose job has not ended.
    pub open: u64,
}

impl Report {
    /// An empty one.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut writer = Writer::from_writer(tempfile::tempfile()?);
        writer.write_record(["row", "to", "status", "job", "error_code", "error"])?;
        Ok(Self { writer, totals: Totals::default(), open: 0 })
    }

    /// Adds rows, of whose children these are kept.
    pub(super) fn add(&mut self, family: &Family, rows: &[Row], children: Vec<Child>) -> Result<(), csv::Error> {
        let children: BTreeMap<_, _> = children.into_iter().map(|child| (child.id, child)).collect();
        for row in rows {
            self.totals.recipients += 1;
            let number = row.number.to_string();
            let id = match row.recipient.as_ref().map_err(Clone::clone).and_then(|recipient| {
                let id = family.id_of(&recipient.to);
                // Where there is no child, none may have been made.
                if children.contains_key(&id) { Ok(id) } else { family.child(row.number, recipient, 0).map(|job| job.id) }
            }) {
                Err(message) => {
                    self.totals.invalid += 1;
                    self.writer.write_record([&number, &*plain(&row.to), "invalid", "", "recipient_invalid", &*plain(&message)])?;
                    continue;
                }
                Ok(id) => id,
            };
            let (status, error) = match children.get(&id) {
                None => (count(&mut self.totals.forgotten, "forgotten"), None),
                Some(child) if child::row_of(&child.tags) != Some(row.number) => (count(&mut self.totals.duplicates, "duplicate"), None),
                Some(child) => {
                    let status = match child.state {
                        State::Completed => count(&mut self.totals.sent, "sent"),
                        State::Dead => count(&mut self.totals.dead, "dead"),
                        State::Cancelled => count(&mut self.totals.cancelled, "cancelled"),
                        _ => count(&mut self.open, "open"),
                    };
                    (status, child.error.as_ref().filter(|_| child.state != State::Completed))
                }
            };
            let (code, message) = error.map_or(("", ""), |error| (error.code.as_str(), error.message.as_str()));
            self.writer.write_record([&number, &*plain(&row.to), status, &id.to_string(), code, &*plain(message)])?;
        }
        Ok(())
    }

    /// The file, once it is whole.
    pub(super) fn finish(self) -> Result<(Totals, File), std::io::Error> {
        let file = self.writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok((self.totals, file))
    }
}

fn count(of: &mut u64, status: &'static str) -> &'static str {
    *of += 1;
    status
}

/// The text, with an apostrophe before it where a spreadsheet would compute it; a phone number is none.
pub(in crate::kinds) fn plain(text: &str) -> Cow<'_, str> {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let computed = match text.split_at_checked(1) {
        Some(("=" | "@" | "\t" | "\r" | "\n", _)) => true,
        Some(("+" | "-", rest)) => !is_number(rest),
        _ => false,
    };
    if computed { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_report_is_a_formula() {
        for text in ["=1+1", "@SUM(A1)", "\t=1", "\r=1", "+cmd|' /C calc'!A0", "-1+1", "+", "-", "+49 151"] {
            assert_eq!(plain(text), format!("'{text}"));
        }
        for text in ["", "+4915112345678", "-5", "ana@example.org", "token=1", "\u{e9}t\u{e9}"] {
            assert_eq!(plain(text), text);
        }
    }
}
