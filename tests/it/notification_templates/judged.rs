//! What templates make, judged by others: a browser says how it is laid out and coloured, Python's parser which words it has.

use std::fs;

use serde_json::{Value, json};
use windrow_tests::{browser, python, server::Server};

use super::{preview, welcome, write_welcome};
use crate::documents::repository;

/// Tells where things are and what they look like once every style sheet is gone.
const MEASURE: &str = r#"<script>
document.querySelectorAll("style").forEach((style) => style.remove());
const left = (id) => document.getElementById(id).getBoundingClientRect().left;
const style = (id, name) => getComputedStyle(document.getElementById(id))[name];
const told = {
  direction: getComputedStyle(document.body).direction,
  lang: document.documentElement.lang,
  first: left("first"), last: left("last"), mark: left("mark"), width: document.documentElement.clientWidth,
  button: style("button", "backgroundColor"), hello: style("hello", "color"), list: getComputedStyle(document.querySelector("ul")).paddingRight,
};
const result = document.createElement("pre");
result.id = "result";
result.textContent = JSON.stringify(told);
document.body.append(result);
</script>"#;

#[tokio::test]
async fn ten_languages_are_laid_out_as_they_are_written() {
    let server = Server::start().await;
    write_welcome(&server).await;
    for (locale, content) in welcome() {
        let made = preview(&server, "welcome", &locale, json!({})).await;
        assert_eq!(made.status, 200, "{locale}: {}", made.body);
        let (name, rtl) = (content["sample"]["name"].as_str().expect("a name"), matches!(locale.as_str(), "ar" | "fa"));
        assert_eq!(
            made.body["subject"].as_str(),
            Some(content["subject"].as_str().expect("a subject").replace("{{ name }}", name).as_str())
        );
        assert_eq!((&made.body["locale"], &made.body["direction"]), (&json!(locale), &json!(if rtl { "rtl" } else { "ltr" })));
        let html = made.body["html"].as_str().expect("html");
        let told = measured(&server, &locale, html).await;
        assert_eq!((&told["direction"], &told["lang"]), (&made.body["direction"], &json!(locale)), "{told}");
        // The styles are in the elements.
        assert_eq!((&told["button"], &told["hello"]), (&json!("rgb(0, 100, 0)"), &json!("rgb(0, 0, 128)")), "{told}");
        let at = |name: &str| told[name].as_f64().expect("a place");
        if rtl {
            assert!(at("first") > at("mark") && at("mark") > at("last") && at("first") > at("width") / 2.0, "{locale}: {told}");
            assert_eq!(told["list"], "40px", "bullets are on the right: {told}");
        } else {
            assert!(at("first") < at("mark") && at("mark") < at("last") && at("first") < at("width") / 2.0, "{locale}: {told}");
        }
        let text = made.body["text"].as_str().expect("a text");
        check_words(&server, &locale, html, text).await;
        if rtl || locale == "de" {
            check_pixels(&server, &locale, html, rtl).await;
        }
    }
}

async fn measured(server: &Server, locale: &str, html: &str) -> Value {
    let file = server.home().join(format!("{locale}.html"));
    fs::write(&file, html.replace("</body>", &format!("{MEASURE}</body>"))).expect("written");
    let page = browser::load(&format!("file://{}", file.display())).await;
    let (_, told) = page.dom.split_once("<pre id=\"result\">").unwrap_or_else(|| panic!("{locale}: {page:?}"));
    serde_json::from_str(told.split("</pre>").next().unwrap_or_default()).expect("JSON")
}

/// The text has every word of the HTML, in its order.
async fn check_words(server: &Server, locale: &str, html: &str, text: &str) {
    let file = server.home().join("words.html");
    fs::write(&file, html).expect("written");
    let script = repository("tests/it/notification_templates/words.py").canonicalize().expect("the script");
    let arguments = [script.to_str().expect("UTF-8"), file.to_str().expect("UTF-8")];
    let run = python::run("python3", &["-X", "utf8", arguments[0], arguments[1]], &[], server.home()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let words: Vec<&str> = run.stdout.lines().collect();
    assert!(words.len() > 10, "{words:?}");
    let mut rest = text;
    for word in words {
        let (_, after) = rest.split_once(word).unwrap_or_else(|| panic!("{locale}: {word:?} is not in its place in {text:?}"));
        rest = after;
    }
    assert!(text.contains("https://example.com/orders/A-7") && !text.contains('<') && !text.contains("font-family"), "{text}");
}

/// The mark is red, and on the side where the language begins.
async fn check_pixels(server: &Server, locale: &str, html: &str, rtl: bool) {
    let file = server.home().join("picture.html");
    fs::write(&file, html).expect("written");
    let png = browser::screenshot(&format!("file://{}", file.display())).await;
    let picture = image::load_from_memory(&png).expect("a PNG").to_rgb8();
    let middle = picture.width() / 2;
    let red = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == [255, 0, 0]);
    let (right, left): (Vec<_>, Vec<_>) = red.map(|(x, _, _)| x).partition(|x| *x >= middle);
    println!("{locale}: {} red pixels on the left, {} on the right", left.len(), right.len());
    let (there, elsewhere) = if rtl { (right, left) } else { (left, right) };
    assert!(there.len() >= 1_500 && elsewhere.is_empty(), "{locale}: {} and {}", there.len(), elsewhere.len());
}
