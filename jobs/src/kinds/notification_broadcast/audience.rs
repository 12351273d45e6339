//! Reads an audience, recipient by recipient: from the payload, or from a CSV file that was copied out of the object store. A file is never in
//! memory as a whole, nor is a record that is too long; the copy has no name, so it is gone with whoever reads it, however that ends.
//! All but [`Audience::filed`] waits for the disk: it is called off the runtime's threads.

use std::{collections::HashSet, fs::File, io, os::fd::AsRawFd as _, path::PathBuf, sync::Arc};

use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;

use super::{
    AUDIENCE_BYTES_MAX, COLUMNS_MAX, FromArtifact, RECIPIENT_BYTES_MAX, ROWS_MAX, Recipient, TO_CHARS_MAX, bounded::Bounded,
    handler::off_thread,
};
use crate::{
    artifact::Artifact,
    handler::{Context, Outcome},
    job::JobId,
    objects,
};

/// What begins a file that some programs write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The rows that are in memory at once have so many bytes, or are one.
const READ_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A row of an audience.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// From 1, the header not counted.
    pub number: u64,
    /// Who it is, or what is wrong with the row.
    pub recipient: Result<Recipient, String>,
    /// What stands in the column `to`, cut at [`TO_CHARS_MAX`].
    pub to: String,
}

/// Recipients, in order.
pub(super) enum Audience {
    Listed { recipients: Vec<Recipient>, next: usize },
    Filed { file: Arc<File>, reader: Reader<Bounded>, columns: Columns, next: u64 },
}

/// What the columns of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    to: usize,
    locale: Option<usize>,
    variables: Vec<(usize, String)>,
    count: usize,
}

fn invalid(message: impl Into<String>) -> Outcome {
    Outcome::bury("audience_invalid", message)
}

fn unavailable(error: impl std::fmt::Display) -> Outcome {
    Outcome::retry("objects_unavailable", format!("the audience: {error}"))
}

/// A job's artifact of this name.
async fn find(context: &Context, job: JobId, name: &str) -> Result<Option<Artifact>, Outcome> {
    let files = context.ledger.files(&context.tenant, job).await;
    let files = files.map_err(|error| Outcome::retry("ledger_unavailable", error.to_string()))?;
    Ok(files.into_iter().find(|artifact| artifact.name == name))
}

/// A copy of an artifact on this machine.
async fn copied(context: &Context, artifact: &Artifact) -> Result<Arc<File>, Outcome> {
    if artifact.bytes > AUDIENCE_BYTES_MAX {
        return Err(invalid(format!("the file has {} bytes of the {AUDIENCE_BYTES_MAX} allowed", artifact.bytes)));
    }
    let unknown = || Outcome::bury("audience_unknown", format!("the file {:?} is no longer kept", artifact.name));
    let key = artifact.key.parse().map_err(|error: objects::Error| invalid(error.to_string()))?;
    let object = context.objects.get(&key).await.map_err(unavailable)?.ok_or_else(unknown)?;
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await.map_err(unavailable)?.map_err(unavailable)?;
    let (mut content, mut file) = (object.content, tokio::fs::File::from_std(file));
    let copied = tokio::io::copy(&mut content, &mut file).await.map_err(unavailable)?;
    file.flush().await.map_err(unavailable)?;
    if copied != artifact.bytes {
        return Err(unavailable(format!("{copied} of {} bytes arrived", artifact.bytes)));
    }
    Ok(Arc::new(file.into_std().await))
}

/// The one name of a file without a name, under which it is opened anew, from its beginning, as long as it is held here.
pub(in crate::kinds) fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Why a record could not be read.
fn misread(error: &csv::Error) -> Outcome {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => too_long(),
        csv::ErrorKind::Io(error) => unavailable(error),
        _ => invalid(error.to_string()),
    }
}

fn too_long() -> Outcome {
    invalid(format!("a row, or the header, has more than {RECIPIENT_BYTES_MAX} bytes; perhaps a quote is not closed"))
}

/// Reads the next record, of which no more than what is allowed comes into memory. Returns whether there is one.
fn next_record(reader: &mut Reader<Bounded>, record: &mut ByteRecord) -> Result<bool, Outcome> {
    let before = reader.position().byte();
    reader.get_mut().allow(RECIPIENT_BYTES_MAX);
    let is_there = reader.read_byte_record(record).map_err(|error| misread(&error))?;
    if is_there && reader.position().byte() - before > RECIPIENT_BYTES_MAX as u64 { Err(too_long()) } else { Ok(is_there) }
}

impl Audience {
    /// One that is listed.
    pub(super) const fn listed(recipients: Vec<Recipient>) -> Self {
        Self::Listed { recipients, next: 0 }
    }

    /// One in a file, which is copied to this machine.
    pub(super) async fn filed(context: &Context, from: &FromArtifact) -> Result<Self, Outcome> {
        let unknown = || Outcome::bury("audience_unknown", format!("the job {} has no artifact {:?}", from.job, from.name));
        let artifact = find(context, from.job, &from.name).await?.ok_or_else(unknown)?;
        let file = copied(context, &artifact).await?;
        off_thread(move || Self::open(file)).await
    }

    fn open(file: Arc<File>) -> Result<Self, Outcome> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(Bounded::new(file.clone()));
        reader.get_mut().allow(RECIPIENT_BYTES_MAX);
        let columns = Columns::of(reader.byte_headers().map_err(|error| misread(&error))?).map_err(invalid)?;
        Ok(Self::Filed { file, reader, columns, next: 1 })
    }

    /// How many rows there are; reading begins anew.
    pub(super) fn count(self) -> Result<(u64, Self), Outcome> {
        match self {
            Self::Listed { recipients, .. } => Ok((recipients.len() as u64, Self::listed(recipients))),
            Self::Filed { file, mut reader, .. } => {
                let (mut record, mut rows) = (ByteRecord::new(), 0);
                while next_record(&mut reader, &mut record)? {
                    rows += 1;
                    if rows > ROWS_MAX {
                        return Err(invalid(format!("the file has more than {ROWS_MAX} rows")));
                    }
                }
                Ok((rows, Self::open(file)?))
            }
        }
    }

    /// Where reading is, to go on there.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Listed { next, .. } => Place { row: *next as u64 + 1, byte: 0, line: 0 },
            Self::Filed { reader, next, .. } => {
                let position = reader.position();
                Place { row: *next, byte: position.byte(), line: position.line() }
            }
        }
    }

    /// Goes on where reading was.
    pub(super) fn seek(&mut self, place: Place) -> Result<(), Outcome> {
        match self {
            Self::Listed { next, .. } => *next = usize::try_from(place.row.saturating_sub(1)).unwrap_or(usize::MAX),
            Self::Filed { reader, next, .. } => {
                let mut position = Position::new();
                position.set_byte(place.byte).set_line(place.line).set_record(place.row);
                reader.seek(position).map_err(unavailable)?;
                *next = place.row;
            }
        }
        Ok(())
    }

    /// Begins anew.
    pub(super) fn seek_start(&mut self) -> Result<(), Outcome> {
        match self {
            Self::Listed { next, .. } => *next = 0,
            Self::Filed { file, .. } => *self = Self::open(file.clone())?,
        }
        Ok(())
    }

    /// The next row; none at the end.
    pub(super) fn row(&mut self) -> Result<Option<Row>, Outcome> {
        match self {
            Self::Listed { recipients, next } => {
                let Some(recipient) = recipients.get(*next).cloned() else { return Ok(None) };
                *next += 1;
                Ok(Some(Row { number: *next as u64, to: cut(&recipient.to), recipient: Ok(recipient) }))
            }
            Self::Filed { reader, columns, next, .. } => {
                let mut record = ByteRecord::new();
                if !next_record(reader, &mut record)? {
                    return Ok(None);
                }
                *next += 1;
                Ok(Some(columns.row(*next - 1, &record)))
            }
        }
    }

    /// At most so many of the next rows; none at the end.
    pub(super) fn read(&mut self, limit: usize) -> Result<Vec<Row>, Outcome> {
        let (mut rows, began) = (Vec::new(), self.place().byte);
        while rows.len() < limit && self.place().byte.saturating_sub(began) < READ_BYTES_MAX {
            let Some(row) = self.row()? else { break };
            rows.push(row);
        }
        Ok(rows)
    }
}

fn cut(to: &str) -> String {
    to.chars().take(TO_CHARS_MAX).collect()
}

/// Where reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    /// The row that comes next, from 1.
    pub row: u64,
    /// Where it begins in the file.
    pub byte: u64,
    /// The line, which tells people where.
    pub line: u64,
}

impl Place {
    /// The first row.
    pub(super) const START: Self = Self { row: 1, byte: 0, line: 0 };
}

impl Columns {
    fn of(header: &ByteRecord) -> Result<Self, String> {
        if header.len() > COLUMNS_MAX {
            return Err(format!("the file has {} columns of the {COLUMNS_MAX} allowed", header.len()));
        }
        let mut taken = HashSet::new();
        let mut columns = Self { to: usize::MAX, locale: None, variables: Vec::new(), count: header.len() };
        for (index, name) in header.iter().enumerate() {
            let name = if index == 0 { name.strip_prefix(BYTE_ORDER_MARK).unwrap_or(name) } else { name };
            let name = std::str::from_utf8(name).map_err(|_| "the header is not UTF-8".to_owned())?.trim();
            match name {
                "to" => columns.to = index,
                "locale" => columns.locale = Some(index),
                name => {
                    let plain = |text: &str| text.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
                    if name.is_empty() || !plain(name) || name.starts_with(|first: char| first.is_ascii_digit()) {
                        return Err(format!("the column {name:?} has no name that a variable can have"));
                    }
                    columns.variables.push((index, name.to_owned()));
                }
            }
            if !taken.insert(name) {
                return Err(format!("two columns are named {name:?}"));
            }
        }
        if columns.to == usize::MAX {
            return Err("the file has no column `to`".into());
        }
        Ok(columns)
    }

    fn row(&self, number: u64, record: &ByteRecord) -> Row {
        let to = cut(&String::from_utf8_lossy(record.get(self.to).unwrap_or_default()));
        Row { number, recipient: self.recipient(record), to }
    }

    fn recipient(&self, record: &ByteRecord) -> Result<Recipient, String> {
        if record.len() != self.count {
            return Err(format!("the row has {} fields, the header {}", record.len(), self.count));
        }
        let text = |index: usize| std::str::from_utf8(&record[index]).map_err(|_| "the row is not UTF-8".to_owned());
        let to = text(self.to)?.trim().to_owned();
        if to.is_empty() {
            return Err("`to` is empty".into());
        }
        let locale = match self.locale {
            Some(index) => Some(text(index)?.trim()).filter(|locale| !locale.is_empty()).map(str::to_owned),
            None => None,
        };
        let mut variables = Map::new();
        for (index, name) in &self.variables {
            variables.insert(name.clone(), Value::from(text(*index)?));
        }
        Ok(Recipient { to, locale, variables })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn of(text: &[u8]) -> Result<Audience, Outcome> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        Audience::open(Arc::new(file))
    }

    fn rows(audience: &mut Audience) -> Vec<Row> {
        audience.read(usize::MAX).expect("readable")
    }

    #[test]
    fn a_file_is_read_by_its_header() {
        let text = b"\xef\xbb\xbfname,to,locale\r\nA,a@x.org,de\r\n\"B, \"\"b\"\"\nC\",b@x.org,\nno\n,,\n\xff,c@x.org,en\n";
        let (count, mut audience) = of(text).expect("open").count().expect("countable");
        assert_eq!(count, 5);
        let rows = rows(&mut audience);
        let first = rows[0].recipient.as_ref().expect("a recipient");
        assert_eq!((first.to.as_str(), first.locale.as_deref(), first.variables["name"].as_str()), ("a@x.org", Some("de"), Some("A")));
        let second = rows[1].recipient.as_ref().expect("a recipient");
        assert_eq!((second.locale.as_deref(), second.variables["name"].as_str()), (None, Some("B, \"b\"\nC")));
        let wrong: Vec<_> = rows[2..].iter().map(|row| (row.number, row.recipient.as_ref().expect_err("wrong").as_str())).collect();
        assert_eq!(wrong, [(3, "the row has 1 fields, the header 3"), (4, "`to` is empty"), (5, "the row is not UTF-8")]);
    }

    #[test]
    fn reading_goes_on_where_it_was() {
        let mut text = b"to,n\n".to_vec();
        (0..1_000).for_each(|n| text.extend(format!("p{n}@x.org,\"line\n{n}\"\n").bytes()));
        let whole = rows(&mut of(&text).expect("open"));
        for chunk in [1, 7, 500, 999, 1_000, 2_000] {
            let mut place = Place::START;
            let mut pieces = Vec::new();
            loop {
                // Each chunk by a reader of its own, as after a crash.
                let mut audience = of(&text).expect("open");
                if place != Place::START {
                    audience.seek(place).expect("seekable");
                }
                let some = audience.read(chunk).expect("readable");
                if some.is_empty() {
                    break;
                }
                pieces.extend(some);
                place = audience.place();
                // The others of the file only now and then, or this takes long.
                if chunk == 1 && pieces.len() == 50 {
                    break;
                }
            }
            assert_eq!(pieces[..], whole[..pieces.len()], "chunks of {chunk}");
            assert!(chunk == 1 || pieces.len() == whole.len());
        }
    }

    #[test]
    fn a_header_that_cannot_be_meant_is_refused() {
        for (text, said) in [
            ("", "no column `to`"),
            ("name\na\n", "no column `to`"),
            ("to,to\n", "two columns are named \"to\""),
            ("to,a,a\n", "two columns are named \"a\""),
            ("to,first name\n", "\"first name\""),
            ("to,\n", "\"\""),
            ("to,1st\n", "\"1st\""),
        ] {
            match of(text.as_bytes()) {
                Err(Outcome::Bury(error)) => {
                    assert!(error.code == "audience_invalid" && error.message.contains(said), "{text:?}: {error:?}")
                }
                _ => panic!("{text:?} was taken"),
            }
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_refused_before_it_is_in_memory() {
        let row = |bytes: usize| format!("to,n\na,{}\nb,\n", "x".repeat(bytes - 3));
        let (count, mut audience) = of(row(RECIPIENT_BYTES_MAX).as_bytes()).expect("open").count().expect("countable");
        assert_eq!((count, rows(&mut audience).len()), (2, 2));
        // After a header and a row that fill nearly all that is allowed of each.
        let full = format!("to{},n\n{}", " ".repeat(RECIPIENT_BYTES_MAX - 5), row(RECIPIENT_BYTES_MAX).trim_start_matches("to,n\n"));
        let (count, mut audience) = of(full.as_bytes()).expect("open").count().expect("countable");
        audience.seek_start().expect("seekable");
        assert_eq!((count, rows(&mut audience).len()), (2, 2));
        let unclosed = format!("to\n\"{}", "a\n".repeat(8 * 1024 * 1024));
        for text in
            [row(RECIPIENT_BYTES_MAX + 1), row(RECIPIENT_BYTES_MAX + 10_000), unclosed, format!("to,\"{}", "x".repeat(RECIPIENT_BYTES_MAX))]
        {
            match of(text.as_bytes()).and_then(Audience::count) {
                Err(Outcome::Bury(error)) => assert!(error.code == "audience_invalid" && error.message.contains("65536"), "{error:?}"),
                _ => panic!("{} was taken", &text[..20]),
            }
        }
        // What the reader takes from the file of a record without an end is what is allowed.
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![b'x'; 1024 * 1024]).expect("written");
        let mut reader = Bounded::new(Arc::new(file));
        reader.allow(1_000);
        let mut taken = Vec::new();
        assert_eq!(io::Read::read_to_end(&mut reader, &mut taken).expect_err("too long").kind(), io::ErrorKind::InvalidData);
        assert_eq!(taken.len(), 1_000);
    }

    #[test]
    fn columns_and_what_is_told_of_a_row_are_bounded() {
        let header = |count: usize| (1..count).fold("to".to_owned(), |header, index| format!("{header},v{index}")) + "\n";
        assert!(of(header(COLUMNS_MAX).as_bytes()).is_ok());
        assert!(of(header(COLUMNS_MAX + 1).as_bytes()).is_err());
        let text = format!("to\n{}\n", "\u{e9}".repeat(TO_CHARS_MAX + 1));
        assert_eq!(rows(&mut of(text.as_bytes()).expect("open"))[0].to.chars().count(), TO_CHARS_MAX);
    }
}
