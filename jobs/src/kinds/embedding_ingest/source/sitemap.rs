//! What a sitemap lists: pages, or in an index further sitemaps (<https://www.sitemaps.org/protocol.html>), as XML or one URL a line. Pure.
//!
//! No document type, so there is nothing to expand; of more than is taken the rest is as if it were not there.

use quick_xml::{Reader, events::Event};

/// The longest URL of a sitemap, by its protocol.
const LOCATION_BYTES_MAX: usize = 2_048;
/// How deep elements may lie within each other: a sitemap's are three, and extensions have some more.
const DEPTH_MAX: usize = 16;

/// A sitemap.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sitemap {
    /// What it lists are sitemaps.
    pub is_index: bool,
    /// What it lists, in its order.
    pub locations: Vec<String>,
}

/// Reads a sitemap; of its entries at most `locations_max`. The error says what is wrong with it.
pub(super) fn read(bytes: &[u8], locations_max: usize) -> Result<Sitemap, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('<') {
        return xml(text, locations_max);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let locations: Vec<String> = lines.take(locations_max).map(str::to_owned).collect();
    if locations.is_empty() || locations.iter().any(|line| !is_location(line)) {
        return Err("it is neither XML nor a list of URLs".into());
    }
    Ok(Sitemap { is_index: false, locations })
}

fn is_location(text: &str) -> bool {
    text.len() <= LOCATION_BYTES_MAX && (text.starts_with("https://") || text.starts_with("http://"))
}

/// Of each `url` or `sitemap` of the root element the `loc`: extensions have some of their own, of pictures.
fn xml(text: &str, locations_max: usize) -> Result<Sitemap, String> {
    let wrong = |error: &dyn std::error::Error| format!("it is no XML that is read here: {error}");
    let mut reader = Reader::from_str(text);
    let (mut open, mut found, mut location) = (Vec::new(), Sitemap::default(), String::new());
    let mut has_root = false;
    loop {
        match reader.read_event().map_err(|error| wrong(&error))? {
            Event::Start(start) => {
                let name = start.local_name().into_inner().to_vec();
                if open.is_empty() {
                    (found.is_index, has_root) = (is_index(&name)?, true);
                }
                open.push(name);
                if open.len() > DEPTH_MAX {
                    return Err(format!("its elements lie deeper within each other than {DEPTH_MAX}"));
                }
                location.clear();
            }
            Event::Empty(start) if open.is_empty() => {
                (found.is_index, has_root) = (is_index(start.local_name().into_inner())?, true);
            }
            Event::End(_) => {
                if is_at(&open) && is_location(location.trim()) {
                    found.locations.push(location.trim().to_owned());
                    if found.locations.len() >= locations_max {
                        return Ok(found);
                    }
                }
                location.clear();
                open.pop();
            }
            Event::Text(text) if is_at(&open) => location.push_str(&text.decode().map_err(|error| wrong(&error))?),
            Event::CData(text) if is_at(&open) => location.push_str(&text.decode().map_err(|error| wrong(&error))?),
            Event::GeneralRef(reference) if is_at(&open) => {
                let character = reference.resolve_char_ref().map_err(|error| wrong(&error))?;
                location.push(match (character, &*reference.decode().map_err(|error| wrong(&error))?) {
                    (Some(character), _) => character,
                    (None, "amp") => '&',
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "apos") => '\'',
                    (None, "quot") => '"',
                    _ => return Err("it has an entity of its own, which is not read here".into()),
                });
            }
            Event::DocType(_) => return Err("it has a document type, which is not read here".into()),
            Event::Eof if open.is_empty() && has_root => return Ok(found),
            Event::Eof => return Err("it breaks off".into()),
            _ => {}
        }
    }
}

fn is_index(root: &[u8]) -> Result<bool, String> {
    match root {
        b"sitemapindex" => Ok(true),
        b"urlset" => Ok(false),
        _ => Err("its root element is neither urlset nor sitemapindex".into()),
    }
}

fn is_at(open: &[Vec<u8>]) -> bool {
    matches!(open, [_, entry, location] if matches!(entry.as_slice(), b"url" | b"sitemap") && location == b"loc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locations(text: &str) -> Result<(bool, Vec<String>), String> {
        read(text.as_bytes(), 3).map(|sitemap| (sitemap.is_index, sitemap.locations))
    }

    /// The first two as sitemaps.org has them (read there 2026-11-22), the third with Google's extension for pictures.
    #[test]
    fn what_it_lists_is_found() {
        let pages = r#"<?xml version="1.0" encoding="UTF-8"?>
            <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
               <url><loc>http://www.example.com/catalog?item=12&amp;desc=vacation_hawaii</loc><changefreq>weekly</changefreq></url>
               <url><loc> http://www.example.com/a </loc><lastmod>2004-12-23T18:00:15+00:00</lastmod><priority>0.3</priority></url>
            </urlset>"#;
        let first = "http://www.example.com/catalog?item=12&desc=vacation_hawaii".to_owned();
        assert_eq!(locations(pages), Ok((false, vec![first, "http://www.example.com/a".into()])));
        let index = r#"<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap>
            <loc>http://www.example.com/sitemap1.xml.gz</loc></sitemap></sitemapindex>"#;
        assert_eq!(locations(index), Ok((true, vec!["http://www.example.com/sitemap1.xml.gz".into()])));
        let pictures = r#"<s:urlset xmlns:s="s" xmlns:image="i"><s:url><s:loc><![CDATA[https://a.example/]]></s:loc>
            <image:image><image:loc>https://a.example/b.png</image:loc></image:image></s:url></s:urlset>"#;
        assert_eq!(locations(pictures), Ok((false, vec!["https://a.example/".into()])));
        assert_eq!(locations("\u{feff}https://a.example/b\r\n\r\nhttps://a.example/c\n").map(|found| found.1.len()), Ok(2));
        assert_eq!(locations(&"https://a.example/\n".repeat(9)).map(|found| found.1.len()), Ok(3), "no more than are taken");
        assert_eq!(locations("<urlset/>"), Ok((false, vec![])));
    }

    #[test]
    fn what_is_none_is_refused() {
        let laughs = r#"<!DOCTYPE lolz [<!ENTITY lol "lol">]><urlset><url><loc>https://a.example/&lol;</loc></url></urlset>"#;
        let entity = "<urlset><url><loc>https://a.example/&lol;</loc></url></urlset>";
        let deep = format!("<urlset>{}", "<a>".repeat(100_000));
        for (text, why) in [
            (laughs, "document type"),
            (entity, "entity"),
            (&deep, "deeper"),
            ("<urlset><url>", "breaks off"),
            ("<html></html>", "root element"),
            ("<urlset></url>", "no XML"),
            ("", "neither"),
            ("a page\nthat is lost", "neither"),
        ] {
            let error = locations(text).expect_err(why);
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
