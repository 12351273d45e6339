//! Fills in the placeholders of a build's file: what is escaped how, and what an error is called. How it is done, and within which limits,
//! says `crate::renderer`.

use minijinja::{AutoEscape, Value};
use serde::Serialize;

use super::error::BuildError;
use crate::renderer::fill::{Template, Unfilled, fill};

/// The code of a file that cannot be rendered.
pub const FAILED: &str = "render_failed";
/// The code of a variable that there is not.
pub const VARIABLE_MISSING: &str = "variable_missing";
/// Why a file is not rendered at all.
pub const NO_TEXT: &str = "only UTF-8 text has placeholders";

/// The largest rendered file.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The file at `path` of `bundle` with its placeholders filled in from `values`.
pub fn render(bundle: &str, path: &str, source: &[u8], values: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    let failed = |message: &str| BuildError::inputs(FAILED, format!("{path} of {bundle}: {message}"));
    let source = std::str::from_utf8(source).map_err(|_| failed(NO_TEXT))?;
    let template = Template { name: path, source, escape: escape(path), bytes_max: OUTPUT_BYTES_MAX };
    match fill(&template, &Value::from_serialize(values)) {
        Ok(text) => Ok(text.into_bytes()),
        Err(missing @ Unfilled::Missing(..)) => Err(BuildError::inputs(VARIABLE_MISSING, format!("{path} of {bundle}: {missing}"))),
        Err(Unfilled::Failed(message)) => Err(failed(&message)),
    }
}

/// What a value must not be able to leave, by the kind of file.
fn escape(path: &str) -> AutoEscape {
    match path.rsplit('.').next() {
        Some("html" | "htm" | "xml" | "svg") => AutoEscape::Html,
        Some("js" | "json" | "webmanifest") => AutoEscape::Json,
        _ => AutoEscape::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(path: &str, source: &str) -> Result<String, String> {
        let rendered =
            render("a 1.0.0", path, source.as_bytes(), &json!({ "app": { "name": "Fish & \"Chips\"</script>" }, "list": [1, 2] }));
        rendered.map(|bytes| String::from_utf8(bytes).expect("UTF-8")).map_err(|error| error.to_string())
    }

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(text("a.html", "<b>{{ app.name }}</b>\n").as_deref(), Ok("<b>Fish &amp; &quot;Chips&quot;&lt;&#x2f;script&gt;</b>\n"));
        assert_eq!(text("a.txt", "{{ app.name }}").as_deref(), Ok("Fish & \"Chips\"</script>"));
        assert_eq!(text("a.js", "x = {{ app.name }};").as_deref(), Ok("x = \"Fish & \\\"Chips\\\"</script>\";"));
        assert_eq!(text("a.txt", "{% for n in list %}{{ n }},{% endfor %}").as_deref(), Ok("1,2,"));
    }

    #[test]
    fn what_is_not_defined_is_an_error_with_its_place() {
        let error = text("a.html", "\n\n{{ app.nmae }}").expect_err("refused");
        assert_eq!(error, "a.html of a 1.0.0: line 3: app.nmae is not defined");
        let error = text("a.html", "{{ app.name }} {{ list[0] }}\n{% if nothing %}{% endif %}").expect_err("refused");
        assert_eq!(error, "a.html of a 1.0.0: line 2: nothing is not defined");
        let error = text("a.html", "{% for one in list %}\n{{ one.x }}\n{% endfor %}").expect_err("refused");
        assert_eq!(error, "a.html of a 1.0.0: line 2: something in \"{{ one.x }}\" is not defined");
        assert!(text("a.html", "{{ nothing }}").is_err());
        assert!(text("a.html", "{% include '/etc/passwd' %}").is_err());
        assert!(text("a.html", "{{ ").is_err());
    }

    #[test]
    fn endless_work_and_endless_output_end() {
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}";
        assert!(text("a.txt", endless).expect_err("refused").contains("too long"));
        let large = "{% for a in range(9999) %}".to_owned() + &"x".repeat(1_000) + "{% endfor %}";
        assert!(text("a.txt", &large).expect_err("refused").contains("larger than"));
    }
}
