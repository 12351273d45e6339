//! Fills in the placeholders of a file. Strictly: what is not defined is an error, and so is too much work or output. What memory
//! that takes has no limit here, so builds do it in a process that has one (`renderer.rs`).

use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use super::error::BuildError;

/// The code of a file that cannot be rendered.
pub const FAILED: &str = "render_failed";
/// The code of a variable that there is not.
pub const VARIABLE_MISSING: &str = "variable_missing";
/// Why a file is not rendered at all.
pub const NO_TEXT: &str = "only UTF-8 text has placeholders";

/// Instructions of one file's rendering: a loop over every feature of a large app takes a hundredth of it.
const FUEL: u64 = 1_000_000;
/// The largest rendered file.
const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The file at `path` of `bundle` with its placeholders filled in from `values`.
pub fn render(bundle: &str, path: &str, source: &[u8], values: &impl Serialize) -> Result<Vec<u8>, BuildError> {
    let failed = |message: String| BuildError::inputs(FAILED, format!("{path} of {bundle}: {message}"));
    let source = std::str::from_utf8(source).map_err(|_| failed(NO_TEXT.into()))?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(escape);
    environment.set_keep_trailing_newline(true);
    let mut output = Capped(Vec::new());
    let template = environment.template_from_named_str(path, source).map_err(|error| failed(told(&error)))?;
    let rendered = template.render_captured_to(values, &mut output).map(drop);
    match rendered {
        Ok(()) => Ok(output.0),
        Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(failed("its rendering takes too long".into())),
        Err(_) if output.0.len() >= OUTPUT_BYTES_MAX => Err(failed(format!("it grows larger than {OUTPUT_BYTES_MAX} bytes"))),
        Err(error) if error.kind() == ErrorKind::UndefinedError => {
            let values = serde_json::to_value(values).unwrap_or_default();
            let line = error.line().unwrap_or_default();
            let undefined = template.undeclared_variables(true).into_iter().filter(|name| !is_defined(&values, name));
            let named = missing(source, line, undefined.collect());
            Err(BuildError::inputs(VARIABLE_MISSING, format!("{path} of {bundle}: line {line}: {named} is not defined")))
        }
        Err(error) => Err(failed(told(&error))),
    }
}

fn told(error: &minijinja::Error) -> String {
    format!("line {}: {error}", error.line().unwrap_or_default())
}

/// Whether these values have what `a.b.c` names.
fn is_defined(values: &serde_json::Value, name: &str) -> bool {
    values.pointer(&format!("/{}", name.replace('.', "/"))).is_some()
}

/// Which of the undefined variables it is on this line, or all that it may be.
fn missing(source: &str, line: usize, mut undefined: Vec<String>) -> String {
    undefined.sort();
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let here = undefined.iter().find(|name| text.contains(name.as_str()));
    match here {
        Some(name) => name.clone(),
        None if undefined.is_empty() => format!("something in {:?}", text.trim()),
        None => undefined.join(" or "),
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

struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = OUTPUT_BYTES_MAX - self.0.len();
        if bytes.len() > room {
            self.0.resize(OUTPUT_BYTES_MAX, 0);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
