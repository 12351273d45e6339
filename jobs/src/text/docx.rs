//! DOCX (ECMA-376): paragraphs and tables of the main document, sections by its headings, and its notes behind them. What is deleted, moved
//! away or only a code of a field is no text; headers, footers and comments are left out.
//!
//! A package is an archive and may claim anything: each part is unpacked up to its limit, none is written to a disk. Next: `docx/body.rs`.

mod body;
mod styles;

use std::io::{Cursor, Read as _};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use zip::{ZipArchive, read::Config, unstable::read::ZipIterable};

use self::styles::Styles;
use super::{Unread, clean, encoding, read::Extracted};

/// The most entries of a package: one for each picture, and some more.
const ENTRIES_MAX: usize = 10_000;
/// The largest part, unpacked: the text of a long book takes a fifth of it.
const PART_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What the type of a relation to the main document ends with.
const MAIN: &str = "/officeDocument";

/// What the types of relations to its notes end with.
const NOTES: [&str; 2] = ["/footnotes", "/endnotes"];

/// What a DOCX says.
pub(super) fn read(bytes: &[u8]) -> Result<Extracted, Unread> {
    let mut package = Package::open(bytes)?;
    let main = package.related("", MAIN)?.unwrap_or_else(|| "word/document.xml".into());
    let Some(document) = package.part(&main)? else {
        return Err(Unread::Unsupported("it is an archive, and no DOCX: it has no document".into()));
    };
    let styles = match package.related(&main, "/styles")? {
        Some(path) => package.part(&path)?.map(|part| Styles::read(&part)).transpose()?.unwrap_or_default(),
        None => Styles::default(),
    };
    let mut body = body::read(&document, &styles)?;
    drop(document);
    for kind in NOTES {
        if let Some(path) = package.related(&main, kind)?
            && let Some(notes) = package.part(&path)?
        {
            body.sections.extend(body::read(&notes, &styles)?.sections);
        }
    }
    let title = package.part("docProps/core.xml")?.and_then(|core| title(&core)).or(body.title);
    Ok(Extracted { title, sections: body.sections, ..Extracted::default() })
}

struct Package<'b>(ZipArchive<Cursor<&'b [u8]>>);

impl<'b> Package<'b> {
    fn open(bytes: &'b [u8]) -> Result<Self, Unread> {
        // This reader keeps no index, so that a directory of a million entries costs nothing.
        let counted = ZipIterable::try_new(Cursor::new(bytes), Config::default()).map_err(unreadable)?;
        if counted.len() > ENTRIES_MAX {
            return Err(Unread::TooLarge(format!("it has more than {ENTRIES_MAX} files in it")));
        }
        ZipArchive::new(Cursor::new(bytes)).map(Self).map_err(unreadable)
    }

    /// A part as text; none where it is not there.
    fn part(&mut self, path: &str) -> Result<Option<String>, Unread> {
        let entry = match self.0.by_name(path) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        entry.take(PART_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > PART_BYTES_MAX {
            return Err(Unread::TooLarge(format!("{path} in it unpacks to more than {PART_BYTES_MAX} bytes")));
        }
        encoding::decode(&bytes, Some("application/xml; charset=utf-8"), false).map(Some)
    }

    /// The part to which another (the package itself, without a path) has a relation whose type ends so.
    fn related(&mut self, from: &str, kind: &str) -> Result<Option<String>, Unread> {
        let (folder, name) = from.rsplit_once('/').unwrap_or(("", from));
        let at = if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") };
        let Some(relations) = self.part(&at)? else { return Ok(None) };
        let mut found = None;
        each(&relations, |event| {
            if let (Element::Begin(name, start), None) = (event, &found)
                && name == "Relationship"
                && attribute(start, "Type").is_some_and(|it| it.ends_with(kind))
            {
                found = attribute(start, "Target");
            }
        })?;
        Ok(found.map(|target| match target.strip_prefix('/') {
            Some(whole) => whole.to_owned(),
            None if folder.is_empty() => target,
            None => format!("{folder}/{target}"),
        }))
    }
}

/// What its properties call it.
fn title(core: &str) -> Option<String> {
    let (mut is_title, mut title) = (false, String::new());
    let read = each(core, |event| match event {
        Element::Begin(name, _) => is_title = name == "title",
        Element::Text(text) if is_title => title.push_str(text),
        Element::Text(_) => {}
        Element::End(_) => is_title = false,
    });
    read.ok().map(|()| clean::line(&title)).filter(|title| !title.is_empty())
}

/// What a part is made of. Names are without their prefixes: each name that is read here has one meaning.
enum Element<'e> {
    Begin(&'e str, &'e BytesStart<'e>),
    Text(&'e str),
    End(&'e str),
}

/// Tells each element of a part, one without content as one that begins and ends.
fn each(part: &str, mut tell: impl FnMut(Element<'_>)) -> Result<(), Unread> {
    let mut reader = Reader::from_str(part);
    loop {
        match reader.read_event().map_err(unreadable)? {
            Event::Start(start) => tell(Element::Begin(&local(start.local_name().into_inner())?, &start)),
            Event::Empty(start) => {
                let name = local(start.local_name().into_inner())?;
                tell(Element::Begin(&name, &start));
                tell(Element::End(&name));
            }
            Event::End(end) => tell(Element::End(&local(end.local_name().into_inner())?)),
            Event::Text(text) => tell(Element::Text(&text.decode().map_err(unreadable)?)),
            Event::CData(text) => tell(Element::Text(&text.decode().map_err(unreadable)?)),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(unreadable)? {
                Some(character) => tell(Element::Text(character.encode_utf8(&mut [0; 4]))),
                None => tell(Element::Text(match &*reference.decode().map_err(unreadable)? {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "apos" => "'",
                    "quot" => "\"",
                    _ => return Err(unreadable("it has an entity of its own")),
                })),
            },
            Event::DocType(_) => return Err(unreadable("it has a document type, as no DOCX has")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return Ok(()),
        }
    }
}

fn local(name: &[u8]) -> Result<String, Unread> {
    String::from_utf8(name.to_vec()).map_err(unreadable)
}

/// The value of an attribute, by its name without a prefix.
fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut all = start.attributes();
    let found = all.with_checks(false).flatten().find(|attribute| attribute.key.local_name().into_inner() == name.as_bytes())?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(Into::into)
}

fn unreadable(why: impl ToString) -> Unread {
    Unread::Unreadable(why.to_string())
}

#[cfg(test)]
mod tests;
