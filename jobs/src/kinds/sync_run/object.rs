//! A destination that is one file of all records.
//!
//! Each batch is a part in the object store, which names the part before it; the ledger has the last one's name, written after it. So the
//! parts of whoever lost its lease in between are no link of the chain. At the end the parts become one file by one put: a reader sees the file
//! of before or this one. A key that two parts have is taken as it was read last. Next: `running.rs`.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
};

use futures::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{
    handler::stopped,
    report::{unkept, unwritten},
};
use crate::{
    handler::{Context, Outcome},
    kinds::notification_broadcast::{audience::path_of, handler::off_thread},
    objects::{self, Key, Meta},
    sync::{
        definition::{ObjectDestination, ObjectFormat},
        state::{Fence, Incoming},
    },
};

/// Parts that are removed at a time, and listed at once.
const REMOVED_AT_ONCE: usize = 8;
const LISTED: usize = 1_000;
/// Bits for each record by which it is noticed that a key came before; one of some 400 is taken for another.
const BITS_PER_RECORD: u64 = 16;

fn unavailable(error: objects::Error) -> Outcome {
    Outcome::retry("objects_unavailable", error.to_string())
}

/// Below this lie the parts of a sync's runs. No file of a sync is named so.
fn parts_of(fence: &Fence) -> String {
    format!("tenants/{}/syncs/{}/_runs/", fence.tenant, fence.sync)
}

fn part_key(fence: &Fence, name: &str) -> Result<Key, Outcome> {
    format!("{}{}/{name}", parts_of(fence), fence.number).parse().map_err(unavailable)
}

fn file_key(fence: &Fence, object: &ObjectDestination) -> Result<Key, Outcome> {
    format!("tenants/{}/syncs/{}/{}", fence.tenant, fence.sync, object.name).parse().map_err(unavailable)
}

/// Whether the file is there.
pub(super) async fn is_there(context: &Context, fence: &Fence, object: &ObjectDestination) -> Result<bool, Outcome> {
    Ok(context.objects.head(&file_key(fence, object)?).await.map_err(unavailable)?.is_some())
}

/// Keeps a part: a line with the name of the part before, then a line for each record, of its key, a tab, and what it says.
pub(super) async fn keep_part<'r>(
    context: &Context,
    fence: &Fence,
    name: &str,
    before: Option<&str>,
    records: impl Iterator<Item = &'r Incoming>,
) -> Result<(), Outcome> {
    if !context.lease.valid() {
        return Err(stopped());
    }
    let mut part = format!("{}\n", before.unwrap_or_default());
    for record in records.filter(|record| !record.is_deleted) {
        // Neither has a tab or a line break of its own: JSON writes them otherwise.
        part.push_str(&Value::from(&*record.key).to_string());
        part.push('\t');
        part.push_str(&record.data);
        part.push('\n');
    }
    context.objects.put(&part_key(fence, name)?, "text/plain", part.into_bytes().into()).await.map_err(unavailable)?;
    Ok(())
}

/// Makes one file of the parts, of which this is the last, and keeps it as the job's artifact. Where nothing changed the file of before is that.
pub(super) async fn assemble(
    context: &Context,
    fence: &Fence,
    object: &ObjectDestination,
    columns: Vec<String>,
    last: Option<&str>,
    records: u64,
    is_same: bool,
) -> Result<(), Outcome> {
    let key = file_key(fence, object)?;
    let meta = if is_same {
        context.objects.head(&key).await.map_err(unavailable)?.ok_or_else(|| unwritten("the file of before is gone"))?
    } else {
        let spool = gather(context, fence, last).await?;
        let format = object.format;
        let file = off_thread(move || put_together(spool, records, format, &columns).map_err(unwritten)).await?;
        put(context, &key, format, &file).await?
    };
    context.refer(&object.name, &key, meta).await.map(|_| ()).map_err(unkept)
}

async fn put(context: &Context, key: &Key, format: ObjectFormat, file: &File) -> Result<Meta, Outcome> {
    if context.cancel.is_cancelled() || !context.lease.valid() {
        return Err(stopped());
    }
    let media_type = match format {
        ObjectFormat::JsonLines => "application/jsonl",
        ObjectFormat::Csv => "text/csv; charset=utf-8",
    };
    context.objects.put(key, media_type, path_of(file).into()).await.map_err(unavailable)
}

/// Removes the parts of this run, and of those before it that nobody ended; never those of a later one, which may be under way.
pub(super) async fn remove_parts(context: &Context, fence: &Fence) -> Result<(), Outcome> {
    let prefix = parts_of(fence);
    let mut after: Option<Key> = None;
    loop {
        if context.cancel.is_cancelled() || !context.lease.valid() {
            return Err(stopped());
        }
        let keys = context.objects.list(&prefix, after.as_ref(), LISTED).await.map_err(unavailable)?;
        let Some(last) = keys.last().cloned() else { return Ok(()) };
        let own = keys.into_iter().filter(|key| run_of(&prefix, key.as_str()).is_some_and(|number| number <= fence.number));
        let remove = |key: Key| async move { context.objects.delete(&key).await };
        let mut removed = futures::stream::iter(own).map(remove).buffer_unordered(REMOVED_AT_ONCE);
        while let Some(one) = removed.next().await {
            one.map_err(unavailable)?;
        }
        after = Some(last);
    }
}

/// The number of the run whose part this is.
fn run_of(prefix: &str, key: &str) -> Option<u32> {
    key.strip_prefix(prefix)?.split('/').next()?.parse().ok()
}

/// The parts on this machine, the last first, and where each lies.
struct Spool {
    file: File,
    parts: Vec<(u64, u64)>,
}

/// Copies the parts to this machine, from the last one back.
async fn gather(context: &Context, fence: &Fence, last: Option<&str>) -> Result<Spool, Outcome> {
    let file = off_thread(|| tempfile::tempfile().map_err(unwritten)).await?;
    let mut file = tokio::fs::File::from_std(file);
    let (mut parts, mut end, mut next) = (Vec::new(), 0, last.map(str::to_owned));
    while let Some(name) = next.take() {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let part = context.objects.get(&part_key(fence, &name)?).await.map_err(unavailable)?;
        let part = part.ok_or_else(|| unwritten(format!("the part {name} is gone")))?;
        let mut content = tokio::io::BufReader::new(part.content);
        let mut before = String::new();
        let head = content.read_line(&mut before).await.map_err(unwritten)? as u64;
        let copied = tokio::io::copy_buf(&mut content, &mut file).await.map_err(unwritten)?;
        if head + copied != part.meta.bytes {
            return Err(unwritten(format!("{} of {} bytes of the part {name} arrived", head + copied, part.meta.bytes)));
        }
        parts.push((end, copied));
        end += copied;
        next = Some(before.trim_end().to_owned()).filter(|before| !before.is_empty());
    }
    file.flush().await.map_err(unwritten)?;
    file.rewind().await.map_err(unwritten)?;
    parts.reverse();
    Ok(Spool { file: file.into_std().await, parts })
}

/// What stands for a key.
type Mark = [u8; 16];

fn mark_of(line: &str) -> Mark {
    let key = line.split_once('\t').map_or(line, |(key, _)| key);
    Sha256::digest(key)[..16].try_into().expect("sixteen of thirty-two bytes")
}

/// Which keys came before, with some that did not: what is not among them came once.
struct Sieve(Vec<u64>);

impl Sieve {
    fn new(records: u64) -> Self {
        let words = (records.max(1) * BITS_PER_RECORD).div_ceil(64);
        Self(vec![0; usize::try_from(words).unwrap_or(1)])
    }

    /// Whether it may have come before.
    fn came(&mut self, mark: &Mark) -> bool {
        let bits = self.0.len() as u64 * 64;
        let mut came = true;
        for four in mark.chunks_exact(4) {
            let bit = u64::from(u32::from_le_bytes(four.try_into().expect("four bytes"))) % bits;
            let (word, bit) = (usize::try_from(bit / 64).expect("within the sieve"), 1 << (bit % 64));
            came &= self.0[word] & bit != 0;
            self.0[word] |= bit;
        }
        came
    }
}

impl Spool {
    /// Calls for each line, with its number, in the order in which they were read.
    fn each(&self, mut call: impl FnMut(u64, &str) -> std::io::Result<()>) -> std::io::Result<()> {
        let (mut line, mut number) = (String::new(), 0);
        for (start, length) in &self.parts {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(*start))?;
            let mut reader = BufReader::new(std::io::Read::take(file, *length));
            while reader.read_line(&mut line)? > 0 {
                call(number, line.trim_end_matches('\n'))?;
                line.clear();
                number += 1;
            }
        }
        Ok(())
    }
}

/// Makes the file.
fn put_together(spool: Spool, records: u64, format: ObjectFormat, columns: &[String]) -> std::io::Result<File> {
    let (mut sieve, mut suspects) = (Sieve::new(records), HashSet::new());
    spool.each(|_, line| {
        let mark = mark_of(line);
        if sieve.came(&mark) {
            suspects.insert(mark);
        }
        Ok(())
    })?;
    let mut last = HashMap::new();
    if !suspects.is_empty() {
        spool.each(|number, line| {
            let mark = mark_of(line);
            if suspects.contains(&mark) {
                last.insert(mark, number);
            }
            Ok(())
        })?;
    }
    let mut lines = Lines::new(BufWriter::new(tempfile::tempfile()?), format, columns)?;
    spool.each(|number, line| {
        if last.get(&mark_of(line)).is_none_or(|last| *last == number) {
            lines.write(line.split_once('\t').map_or("", |(_, data)| data))?;
        }
        Ok(())
    })?;
    let mut file = lines.finish()?;
    file.rewind()?;
    Ok(file)
}

/// A file that is being written.
enum Lines<'c> {
    Json(BufWriter<File>),
    Csv(Box<csv::Writer<BufWriter<File>>>, &'c [String]),
}

impl<'c> Lines<'c> {
    fn new(file: BufWriter<File>, format: ObjectFormat, columns: &'c [String]) -> std::io::Result<Self> {
        Ok(match format {
            ObjectFormat::JsonLines => Self::Json(file),
            ObjectFormat::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(columns)?;
                Self::Csv(Box::new(writer), columns)
            }
        })
    }

    fn write(&mut self, data: &str) -> std::io::Result<()> {
        match self {
            Self::Json(file) => writeln!(file, "{data}"),
            Self::Csv(writer, columns) => {
                let record: Value = serde_json::from_str(data)?;
                Ok(writer.write_record(columns.iter().map(|column| cell(&record, column)))?)
            }
        }
    }

    fn finish(self) -> std::io::Result<File> {
        let file = match self {
            Self::Json(file) => file,
            Self::Csv(writer, _) => writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?,
        };
        file.into_inner().map_err(std::io::IntoInnerError::into_error)
    }
}

/// What stands in a column of this name or pointer: a text as it is, nothing for `null`, all else as JSON.
fn cell(record: &Value, column: &str) -> String {
    let value = if column.starts_with('/') { record.pointer(column) } else { record.get(column) };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn spool(parts: &[&[(&str, &str)]]) -> Spool {
        let mut file = tempfile::tempfile().expect("a file");
        let (mut places, mut end) = (Vec::new(), 0);
        for part in parts {
            let text: String = part.iter().map(|(key, data)| format!("{}\t{data}\n", Value::from(*key))).collect();
            file.write_all(text.as_bytes()).expect("written");
            places.push((end, text.len() as u64));
            end += text.len() as u64;
        }
        Spool { file, parts: places }
    }

    fn text(spool: Spool, records: u64, format: ObjectFormat, columns: &[&str]) -> String {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let mut text = String::new();
        put_together(spool, records, format, &columns).expect("a file").read_to_string(&mut text).expect("a text");
        text
    }

    #[test]
    fn a_key_that_came_twice_is_there_once_as_it_was_read_last() {
        let parts: &[&[(&str, &str)]] = &[&[("a", "1"), ("b\tc\n", "1")], &[], &[("b\tc\n", "2"), ("d", "1")], &[("a", "3")]];
        // However narrow the sieve is.
        for records in [0, 1, 6, 1_000] {
            assert_eq!(text(spool(parts), records, ObjectFormat::JsonLines, &[]), "2\n1\n3\n", "{records}");
        }
        assert_eq!(text(spool(&[]), 0, ObjectFormat::JsonLines, &[]), "");
    }

    #[test]
    fn a_table_has_a_column_for_each_field() {
        let record = r#"{"address":{"city":"Köln"},"n":1.5,"name":"A, \"B\"\nC","none":null,"tags":["x"]}"#;
        let columns = ["name", "/address/city", "n", "none", "tags", "nothing"];
        let expected = "name,/address/city,n,none,tags,nothing\n\"A, \"\"B\"\"\nC\",Köln,1.5,,\"[\"\"x\"\"]\",\n";
        assert_eq!(text(spool(&[&[("a", record)]]), 1, ObjectFormat::Csv, &columns), expected);
    }

    #[test]
    fn the_parts_of_a_later_run_are_known() {
        let prefix = "tenants/acme/syncs/1/_runs/";
        for (key, run) in [("9/1-4", Some(9)), ("10/1-4", Some(10)), ("x/1", None), ("", None)] {
            assert_eq!(run_of(prefix, &format!("{prefix}{key}")), run, "{key}");
        }
        assert_eq!(run_of(prefix, "tenants/acme/syncs/2/_runs/1/1-1"), None);
    }

    #[test]
    fn a_sieve_lets_few_through_that_did_not_come() {
        let mut sieve = Sieve::new(10_000);
        let wrong = (0..10_000).filter(|number: &u32| sieve.came(&mark_of(&number.to_string()))).count();
        assert!(wrong < 50, "{wrong}");
        assert!((0..10_000).all(|number: u32| sieve.came(&mark_of(&number.to_string()))));
    }
}
