use std::{
    fs,
    io::{Cursor, Write as _},
};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/../tests/fixtures/texts/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a fixture")
}

/// A package with this document, and nothing else.
fn package(body: &str) -> Vec<u8> {
    parts(&[("word/document.xml", body)])
}

fn parts(all: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, part) in all {
        zip.start_file(*path, SimpleFileOptions::default()).expect("an entry");
        zip.write_all(part.as_bytes()).expect("written");
    }
    zip.finish().expect("a package").into_inner()
}

fn told(body: &str) -> Result<Vec<(String, String)>, Unread> {
    let document =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"x\" xmlns:mc=\"y\"><w:body>{body}</w:body></w:document>");
    let sections = read(&package(&document))?.sections;
    Ok(sections.into_iter().map(|section| (section.heading.join(" > "), section.text)).collect())
}

fn one(body: &str) -> String {
    told(body).expect("text").pop().map(|(_, text)| text).unwrap_or_default()
}

#[test]
fn a_document_of_python_docx_is_told_by_its_headings() {
    let read = read(&fixture("otters.docx")).expect("a document");
    assert_eq!(read.title.as_deref(), Some("Otters & friends"));
    let told: Vec<_> = read.sections.iter().map(|section| (section.heading.join(" > "), section.text.as_str())).collect();
    let expected = [
        ("The sea otter", "What is above the first heading."),
        ("The sea otter > Habitat", "Sea otters live in coastal waters, 15 to 23 metres deep — “rocky”, Größe & œuvre. Inserted words."),
        ("The sea otter > Habitat > Kelp", "- Forests of kelp\n- Barrier reefs\n\nA paragraph behind the list."),
        ("The sea otter > Numbers", "| Region | Count |\n| Alaska | 73000 |\n| California | 2962 |"),
        ("The sea otter", "Nothing below"),
    ];
    assert_eq!(told, expected.map(|(heading, text)| (heading.to_owned(), text)));
}

#[test]
fn only_what_is_shown_is_told_and_each_once() {
    for (body, text) in [
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t xml:space='preserve'>b </w:t><w:br/><w:t>c&#233;&amp;</w:t></w:r></w:p>", "a b\ncé&"),
        ("<w:p><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom><w:r><w:t>here</w:t></w:r></w:p>", "here"),
        ("<w:p><w:r><w:instrText>PAGE</w:instrText><w:delText>x</w:delText><w:t>y</w:t></w:r></w:p>", "y"),
        (
            "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></mc:Choice>\
             <mc:Fallback><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>\
             <w:r><w:t>around</w:t></w:r></w:p>",
            "box\n\naround",
        ),
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>1</w:t></w:r></w:p><w:p><w:r><w:t>2</w:t></w:r></w:p></w:tc><w:tc><w:tbl><w:tr><w:tc><w:p>\
             <w:r><w:t>in</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>",
            "| 1 2 |  in |",
        ),
        ("<w:p><w:pPr><w:numPr><w:numId w:val='3'/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>", "- item"),
    ] {
        assert_eq!(one(body), text, "{body}");
    }
    let levels = "<w:p><w:pPr><w:outlineLvl w:val='0'/></w:pPr><w:r><w:t>A</w:t></w:r></w:p><w:p><w:pPr><w:outlineLvl w:val='9'/></w:pPr><w:r><w:t>b</w:t></w:r></w:p>";
    assert_eq!(told(levels), Ok(vec![("A".into(), "b".into())]));
}

#[test]
fn notes_come_behind_the_document_and_parts_lie_where_their_relations_say() {
    let paragraph = |text: &str| format!("<w:document><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>");
    let relation = |kind: &str, target: &str| {
        format!("<Relationships><Relationship Id='r' Type='http://schemas.example/{kind}' Target='{target}'/></Relationships>")
    };
    let package = parts(&[
        ("_rels/.rels", &relation("officeDocument", "/other/main.xml")),
        ("other/main.xml", &paragraph("the document")),
        ("other/_rels/main.xml.rels", &relation("footnotes", "notes.xml")),
        ("other/notes.xml", &paragraph("a note")),
    ]);
    let told: Vec<_> = read(&package).expect("a document").sections.into_iter().map(|section| section.text).collect();
    assert_eq!(told, ["the document", "a note"]);
}

#[test]
fn a_bomb_is_unpacked_to_its_limit_only() {
    let refused = read(&fixture("bomb.docx")).expect_err("too large");
    assert_eq!(refused, Unread::TooLarge("word/document.xml in it unpacks to more than 67108864 bytes".into()));
}

#[test]
fn what_is_broken_or_something_else_is_said() {
    let whole = fixture("otters.docx");
    let mut other = ZipWriter::new(Cursor::new(Vec::new()));
    other.start_file("a.txt", SimpleFileOptions::default()).expect("an entry");
    let other = other.finish().expect("an archive").into_inner();
    for (what, bytes, code) in [
        ("cut off", &whole[..whole.len() / 2], "document_unreadable"),
        ("an archive", &other, "document_unsupported"),
        ("no XML", &package("<w:p><w:r></w:p>"), "document_unreadable"),
        ("a document type", &package("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"), "document_unreadable"),
        ("an entity", &package("<x><w:p>&a;</w:p></x>"), "document_unreadable"),
    ] {
        assert_eq!(read(bytes).expect_err(what).code(), Some(code), "{what}");
    }
}

#[test]
fn a_package_with_very_many_files_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..=ENTRIES_MAX {
        zip.start_file(format!("{n}"), SimpleFileOptions::default()).expect("an entry");
    }
    let bytes = zip.finish().expect("a package").into_inner();
    assert_eq!(read(&bytes).expect_err("too many"), Unread::TooLarge("it has more than 10000 files in it".into()));
}
