//! A value out of XML 1.0: what `Format::Xml` says. Pure.
//!
//! No document type, so no entity but the five that XML itself has: there is nothing to expand, to fetch or to read from a disk. The value is
//! the root element's: its attributes as `@name`, its text as `#text` (or itself, where there is nothing else), its children by local name;
//! of several children of one name there is a list.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

use super::{
    Wrong,
    format::{Budget, LIST_COST, MEMBER_COST, OBJECT_COST, VALUE_COST},
};

/// How deep elements may lie within each other: as JSON may.
const DEPTH_MAX: usize = 128;

/// Why there is no value.
pub(super) enum Failed {
    /// It costs too much.
    Wrong(Wrong),
    /// It is no XML that is read here.
    Unreadable(String),
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Unreadable(error.to_string())
    }
}

fn unreadable<T>(why: &str) -> Result<T, Failed> {
    Err(Failed::Unreadable(why.to_owned()))
}

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

impl Open {
    fn of(start: &BytesStart<'_>, budget: &mut Budget) -> Result<Self, Failed> {
        budget.spend(OBJECT_COST + MEMBER_COST + VALUE_COST)?;
        let name = std::str::from_utf8(start.local_name().into_inner())?.to_owned();
        let mut members = Map::new();
        // That of two attributes of one name the first counts spares comparing each with all before, of which there may be many.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute?;
            // Names of name spaces say nothing of the element.
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
            budget.spend(MEMBER_COST + value.len() as u64)?;
            let name = std::str::from_utf8(attribute.key.local_name().into_inner())?;
            members.entry(format!("@{name}")).or_insert_with(|| value.into());
        }
        Ok(Self { name, members, text: String::new() })
    }

    fn close(self) -> (String, Value) {
        let Self { name, mut members, text } = self;
        let text = text.trim();
        if members.is_empty() {
            return (name, text.into());
        }
        if !text.is_empty() {
            members.insert("#text".into(), text.into());
        }
        (name, Value::Object(members))
    }

    fn adopt(&mut self, name: String, child: Value, budget: &mut Budget) -> Result<(), Failed> {
        match self.members.get_mut(&name) {
            // A child is a text or an object, so that a list is of children.
            Some(Value::Array(children)) => children.push(child),
            Some(first) => {
                budget.spend(LIST_COST)?;
                *first = Value::Array(vec![first.take(), child]);
            }
            None => {
                self.members.insert(name, child);
            }
        }
        Ok(())
    }
}

/// The root element's value.
pub(super) fn read(bytes: &[u8], budget: &mut Budget) -> Result<Value, Failed> {
    let text = std::str::from_utf8(bytes)?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event()? {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return unreadable("its elements lie deeper within each other than 128");
                }
                if root.is_some() {
                    return unreadable("it has two root elements");
                }
                open.push(Open::of(&start, budget)?);
            }
            Event::Empty(start) => {
                if root.is_some() {
                    return unreadable("it has two root elements");
                }
                let closed = Open::of(&start, budget)?.close();
                placed(&mut open, &mut root, closed, budget)?;
            }
            // Whether names match is looked at by the crate.
            Event::End(_) => match open.pop() {
                Some(element) => placed(&mut open, &mut root, element.close(), budget)?,
                None => return unreadable("an element ends that did not begin"),
            },
            Event::Text(text) => add(&mut open, &text.decode()?, budget)?,
            Event::CData(text) => add(&mut open, &text.decode()?, budget)?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref()? {
                    Some(character) => character.to_string(),
                    None => match &*reference.decode()? {
                        "lt" => "<".into(),
                        "gt" => ">".into(),
                        "amp" => "&".into(),
                        "apos" => "'".into(),
                        "quot" => "\"".into(),
                        _ => return unreadable("it has an entity of its own, which is not read here"),
                    },
                };
                add(&mut open, &resolved, budget)?;
            }
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().transpose()?;
                if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"utf-8") && !encoding.eq_ignore_ascii_case(b"us-ascii"))
                {
                    return unreadable("it is in another encoding than UTF-8");
                }
            }
            Event::DocType(_) => return unreadable("it has a document type, which is not read here"),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => unreadable("it is XML that breaks off"),
    }
}

fn placed(open: &mut [Open], root: &mut Option<Value>, (name, value): (String, Value), budget: &mut Budget) -> Result<(), Failed> {
    match open.last_mut() {
        Some(parent) => parent.adopt(name, value, budget),
        None => {
            *root = Some(value);
            Ok(())
        }
    }
}

fn add(open: &mut [Open], text: &str, budget: &mut Budget) -> Result<(), Failed> {
    match open.last_mut() {
        Some(element) => {
            budget.spend(text.len() as u64)?;
            element.text.push_str(text);
            Ok(())
        }
        None if text.trim().is_empty() => Ok(()),
        None => unreadable("it has text outside of its root element, as XML has not"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        read(text.as_bytes(), &mut Budget::of(1024)).map_err(|failed| match failed {
            Failed::Wrong(wrong) => wrong.0.code,
            Failed::Unreadable(why) => why,
        })
    }

    /// As Mobilithek's parking data looks (DATEX II 3, profile "Parkraummanagement"): prefixes, `xsi:type`, lists of one.
    #[test]
    fn elements_become_objects_by_local_name() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <d2:messageContainer xmlns:d2="http://datex2.eu" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" modelBaseVersion="3">
              <!-- one table --><d2:payload xsi:type="par:ParkingTablePublication" lang="de">
                <par:parkingTable id="t&amp;1"><par:parkingRecord id="a"><par:name>Markt &lt;1&gt; &#228;<![CDATA[<&>]]></par:name><par:empty/></par:parkingRecord>
                <par:parkingRecord id="b">text</par:parkingRecord><par:parkingRecord/></par:parkingTable>
              </d2:payload>
            </d2:messageContainer>"#;
        let expected = json!({ "@modelBaseVersion": "3", "payload": { "@type": "par:ParkingTablePublication", "@lang": "de", "parkingTable": {
            "@id": "t&1", "parkingRecord": [{ "@id": "a", "name": "Markt <1> ä<&>", "empty": "" }, { "@id": "b", "#text": "text" }, ""] } } });
        assert_eq!(value(text), Ok(expected));
    }

    #[test]
    fn what_would_be_expanded_or_is_none_is_refused() {
        let laughs = r#"<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><lolz>&lol2;</lolz>"#;
        let outside = r#"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"#;
        let deep = "<a>".repeat(200);
        for (text, why) in [
            (laughs, "document type"),
            (outside, "document type"),
            ("<a>&x;</a>", "entity of its own"),
            ("<a b='&x;'/>", "entity"),
            ("<a>&#xD800;</a>", ""),
            (deep.as_str(), "deeper"),
            ("<a><b></a>", "</b>"),
            ("<a>", "breaks off"),
            ("", "breaks off"),
            ("<a/><b/>", "two root elements"),
            ("<a/>x", "outside of its root"),
            ("<?xml version='1.0' encoding='iso-8859-1'?><a/>", "another encoding"),
            ("{\"a\": 1}", "outside of its root"),
        ] {
            let error = value(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
