//! What becomes of words, in this process.

use serde_json::json;

use super::*;

fn asked(parts: serde_json::Value, variables: serde_json::Value) -> Asked {
    let part = |name: &str| parts[name].as_str().map(str::to_owned);
    Asked {
        locale: part("locale").unwrap_or_else(|| "en".into()).parse().expect("a locale"),
        subject: part("subject"),
        text: part("text"),
        html: part("html"),
        layout: part("layout"),
        variables: variables.as_object().cloned().unwrap_or_default(),
    }
}

#[test]
fn values_are_escaped_in_html_and_nowhere_else() {
    let parts =
        json!({ "subject": "{{ who }}", "text": "{{ who }}", "html": "<b>{{ who }}</b>", "layout": "<i>{{ content }}</i>{{ who }}" });
    let words = words(&asked(parts, json!({ "who": "<Ann & Bo>" }))).expect("words");
    assert_eq!(words.subject.as_deref(), Some("<Ann & Bo>"));
    assert_eq!(words.text.as_deref(), Some("<Ann & Bo>"));
    let html = words.html.expect("html");
    assert!(html.contains("<i><b>&lt;Ann &amp; Bo&gt;</b></i>&lt;Ann &amp; Bo&gt;"), "{html}");
}

#[test]
fn a_subject_is_one_line() {
    for who in ["a\nBcc: b@example.com", "a\r\nb", "a\u{0}", "a\u{85}b"] {
        let refused = words(&asked(json!({ "subject": "Hello {{ who }}" }), json!({ "who": who }))).expect_err("refused");
        assert!(matches!(&refused, Wordless::Failed(part, _) if part == "subject"), "{refused:?}");
    }
    let long = words(&asked(json!({ "subject": "{{ who }}" }), json!({ "who": "x".repeat(999) }))).expect_err("refused");
    assert!(long.to_string().contains("larger than 998"), "{long}");
}

#[test]
fn html_without_a_document_says_its_language_and_direction() {
    let html = words(&asked(json!({ "html": "<p>x</p>", "locale": "fa" }), json!({}))).expect("words").html.expect("html");
    assert!(html.contains("<html lang=\"fa\" dir=\"rtl\">"), "{html}");
    let parts = json!({ "html": "<p>x</p>", "locale": "ar-EG", "layout": "<!DOCTYPE html><html lang={{ locale.language }} dir={{ locale.direction }}><body>{{ content }}</body></html>" });
    let html = words(&asked(parts, json!({}))).expect("words").html.expect("html");
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\">"), "{html}");
}

#[test]
fn styles_come_into_the_elements_and_nothing_is_fetched() {
    let html = "<html><head><style>p { color: red } @media print { p { color: blue } }</style><link rel=\"stylesheet\" href=\"file:///etc/passwd\"></head><body><p>x</p></body></html>";
    let html = words(&asked(json!({ "html": html }), json!({}))).expect("words").html.expect("html");
    assert!(html.contains("<p style=\"color: red;\">") && html.contains("@media print"), "{html}");
}

#[test]
fn a_text_is_made_of_html() {
    let html = "<html><head><title>no</title><style>p { color: red }</style></head><body><table><tr><td><h1>Hello</h1><p>Dear <b>Ann</b>, see <a href=\"https://example.com/a?b=1\">this</a>.</p><ul><li>one</li><li>two</li></ul></td></tr></table></body></html>";
    let text = words(&asked(json!({ "html": html }), json!({}))).expect("words").text.expect("text");
    assert_eq!(text, "# Hello\n\nDear **Ann**, see [this][1].\n* one\n* two\n\n[1]: https://example.com/a?b=1\n");
}

#[test]
fn a_text_made_of_html_and_html_with_its_styles_inlined_are_bounded() {
    let quoted = format!("{}{}", "<blockquote>".repeat(300), "a<br>".repeat(5_000));
    let styled = format!("<style>p {{ color: {} }}</style>{}", "a".repeat(50_000), "<p>x</p>".repeat(100));
    for (html, says) in [(quoted, "1048576 bytes as text"), (styled, "2097152 bytes with its styles")] {
        let refused = words(&asked(json!({ "html": html }), json!({}))).expect_err("refused");
        assert!(matches!(&refused, Wordless::Failed(part, why) if part == "html" && why.contains(says)), "{refused:?}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_part_and_line() {
    let refused = words(&asked(json!({ "text": "\n{{ order.id }}" }), json!({ "order": {} }))).expect_err("refused");
    assert_eq!(refused, Wordless::VariableMissing("text".into(), "line 2: order.id is not defined".into()));
    let refused = words(&asked(json!({ "text": "{{ x | nope }}" }), json!({ "x": 1 }))).expect_err("refused");
    assert!(matches!(&refused, Wordless::Failed(part, _) if part == "text"), "{refused:?}");
}
