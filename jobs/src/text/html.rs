//! Pages: their main content as Markdown, by the crate `dom_smoothie` (Readability's rules), and the links that a crawl goes on with.
//! No script is run, nothing is fetched. What is in scripts, styles, navigation and attributes is no text.

use std::collections::HashSet;

use dom_query::{Document, NodeRef};
use dom_smoothie::{Config, Readability, TextMode};
use reqwest::Url;

use super::{LINK_BYTES_MAX, LINKS_MAX, Unread, clean, markdown, read::Extracted};

/// How deep elements may lie within each other: browsers flatten what lies deeper. What reads pages goes as deep by recursion, and takes
/// time by the square of it (5,000: 5.5 s; 20,000: no stack is left).
const DEPTH_MAX: usize = 512;
/// How many tags may be open that nobody closes before a page is not even made a tree of, which takes time by the square of it too
/// (20,000: 11 s). Much more than its depth may be, as people forget to close some, and the tree knows which of them it closes itself.
const OPEN_MAX: usize = 4_000;
/// How far back a closing tag is looked for what it closes.
const CLOSED_MAX: usize = 64;
/// Elements without content, and such as the next of them ends.
const CLOSED_BY_THEMSELVES: [&str; 29] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p", "li", "dt", "dd",
    "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "rt", "rp", "colgroup",
];
/// The most elements of a page: the longest that people write have 300,000.
const ELEMENTS_MAX: usize = 500_000;
/// What is never text.
const WORDLESS: &str = "script, style, noscript, template, iframe, object, embed, svg, canvas";
/// The same, by name.
const WORDLESS_TAGS: [&str; 11] = ["script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "head", "meta"];

/// What a page says that was read at `source`.
pub(super) fn read(html: &str, source: Option<&str>) -> Result<Extracted, Unread> {
    if is_deep(html) {
        return Err(too_deep());
    }
    let page = Document::from(html);
    measure(&page.root())?;
    let links = links(&page, source);
    let own_title = clean::line(&page.select("head > title").first().text());
    let config = Config { text_mode: TextMode::Markdown, ..Config::default() };
    let article = Readability::with_document(page, None, Some(config)).and_then(|mut readability| readability.parse());
    let (title, text) = match article {
        Ok(article) if has_words(&article.text_content) => (clean::line(&article.title), article.text_content.to_string()),
        // A page that is no article: a form, a list of links.
        _ => (own_title.clone(), whole(html)),
    };
    let title = Some(title).filter(|title| !title.is_empty()).or(Some(own_title)).filter(|title| !title.is_empty());
    if !has_words(&text) {
        return Err(Unread::Empty { why: "the page shows none; what scripts would show is not read".into(), links });
    }
    let sections = markdown::read(&text).sections;
    Ok(Extracted { title, sections, links, ..Extracted::default() })
}

/// The text of a piece of HTML; none of one that is too deep.
pub(super) fn text(html: &str) -> String {
    if is_deep(html) {
        return String::new();
    }
    let piece = Document::fragment(html);
    if measure(&piece.root()).is_err() {
        return String::new();
    }
    piece.select(WORDLESS).remove();
    piece.formatted_text().to_string()
}

/// All that the page shows, as Markdown.
fn whole(html: &str) -> String {
    let page = Document::from(html);
    page.body().map(|body| body.md(Some(&WORDLESS_TAGS)).to_string()).unwrap_or_default()
}

fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// Refuses what is too deep or has too many elements; without recursion itself.
fn measure(root: &NodeRef<'_>) -> Result<(), Unread> {
    let (mut elements, mut level, mut depth) = (0, vec![*root], 0);
    while !level.is_empty() {
        depth += 1;
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        level = level.iter().flat_map(|node| node.children_it(false)).filter(NodeRef::is_element).collect();
        elements += level.len();
        if elements > ELEMENTS_MAX {
            return Err(Unread::TooLarge(format!("it has more than {ELEMENTS_MAX} elements")));
        }
    }
    Ok(())
}

fn too_deep() -> Unread {
    Unread::TooLarge(format!("its elements lie deeper within each other than {DEPTH_MAX}"))
}

/// Whether very many tags are open at once, as far as that can be told without a tree.
fn is_deep(html: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let (is_end, tag) = rest.strip_prefix('/').map_or((false, rest), |tag| (true, tag));
        let name = &tag[..tag.find(|character: char| !character.is_ascii_alphanumeric() && character != '-').unwrap_or(tag.len())];
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        if name.is_empty() || CLOSED_BY_THEMSELVES.iter().any(is) {
            continue;
        }
        if is_end {
            let nearest = open.len().saturating_sub(CLOSED_MAX);
            if let Some(found) = open[nearest..].iter().rposition(is) {
                open.truncate(nearest + found);
            }
        } else if !["script", "style"].iter().any(is) {
            open.push(name);
        }
        if open.len() > OPEN_MAX {
            return true;
        }
    }
    false
}

/// Where its links lead, in their order.
fn links(page: &Document, source: Option<&str>) -> Vec<String> {
    let Some(source) = source.and_then(|source| Url::parse(source).ok()).filter(is_web) else { return Vec::new() };
    let base = page.select("base[href]").first().attr("href").and_then(|base| source.join(base.trim()).ok());
    let base = base.filter(is_web).unwrap_or(source);
    let (mut seen, mut links) = (HashSet::new(), Vec::new());
    for anchor in page.select("a[href], area[href]").iter() {
        let Some(mut link) = anchor.attr("href").and_then(|link| base.join(link.trim()).ok()).filter(is_web) else { continue };
        link.set_fragment(None);
        let link = String::from(link);
        if link.len() <= LINK_BYTES_MAX && seen.insert(link.clone()) {
            links.push(link);
        }
        if links.len() == LINKS_MAX {
            break;
        }
    }
    links
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("tests/page.html");

    fn told(extracted: &Extracted) -> String {
        extracted.sections.iter().map(|section| format!("[{}] {}\n", section.heading.join(" > "), section.text)).collect()
    }

    #[test]
    fn the_main_content_of_a_page_is_told_with_its_headings() {
        let page = read(PAGE, Some("https://x.example/animals/otter.html")).expect("a page");
        assert_eq!(page.title.as_deref(), Some("The sea otter"));
        let text = told(&page);
        assert!(text.contains("[Habitat] Sea otters live in coastal waters"), "{text}");
        assert!(text.contains("[Habitat > Kelp] "), "{text}");
        assert!(text.contains("| Region | Count |"), "{text}");
        for unread in ["Home", "cookies", "alert", "script", "onclick", "javascript", "tracking", "https://", "data:", "hidden words"] {
            assert!(!text.contains(unread), "{unread}: {text}");
        }
    }

    #[test]
    fn links_are_whole_urls_each_once() {
        let page = read(PAGE, Some("https://x.example/animals/otter.html")).expect("a page");
        let expected =
            ["https://x.example/", "https://x.example/animals/", "https://x.example/animals/kelp.html", "https://other.example/a?b=1"];
        assert_eq!(page.links, expected);
        assert!(read(PAGE, Some("animals/otter.html")).expect("a page").links.is_empty(), "an object's key is no base");
        let based = "<base href='https://b.example/d/'><p>words</p><a href=' e#f'>x</a><a href='mailto:a@b.example'>y</a>";
        assert_eq!(read(based, Some("https://x.example/")).expect("a page").links, ["https://b.example/d/e"]);
    }

    #[test]
    fn a_page_that_is_no_article_is_told_whole() {
        let page = read("<title>T</title><body><ul><li><a href=/a>One</a><li>Two</ul>", None).expect("a page");
        assert_eq!(page.title.as_deref(), Some("T"));
        let text = told(&page);
        assert!(text.contains("One") && text.contains("Two"), "{text}");
    }

    #[test]
    fn a_page_of_scripts_has_no_text_but_its_links() {
        let html = "<body><div id=app></div><a href='/next'></a><script>document.write('words')</script>";
        let unread = read(html, Some("https://x.example/")).expect_err("no text");
        let Unread::Empty { links, .. } = unread else { panic!("{unread:?}") };
        assert_eq!(links, ["https://x.example/next"]);
    }

    #[test]
    fn a_page_that_is_too_deep_or_has_too_many_elements_is_refused() {
        for (html, says) in [
            ("<div>".repeat(20_000) + "deep", "deeper within each other than 512"),
            ("<b>x</b>".repeat(ELEMENTS_MAX), "more than 500000 elements"),
        ] {
            let refused = read(&html, None).expect_err("refused");
            assert!(matches!(&refused, Unread::TooLarge(why) if why.contains(says)), "{refused:?}");
        }
        assert!(read(&("<div>".repeat(400) + "deep"), None).is_ok());
    }

    #[test]
    fn how_deep_a_page_is_is_told_without_a_tree() {
        for (html, is_deep) in [
            ("<div>".repeat(OPEN_MAX + 1), true),
            ("<DIV a='b'></x>".repeat(OPEN_MAX + 1), true),
            ("<div><b></div>".repeat(OPEN_MAX + 1), false),
            ("<p>a<br><li>b<td>c".repeat(OPEN_MAX + 1), false),
            ("<a><b></a></b><!-- - -->1 < 2".repeat(OPEN_MAX + 1), false),
            ("<script>if (a<b) {}</script>".repeat(9), false),
        ] {
            assert_eq!(super::is_deep(&html), is_deep, "{}", &html[..18]);
        }
    }
}
