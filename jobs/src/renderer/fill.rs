//! Fills in the placeholders of one template. Strictly: what is not defined is an error, and so is too much work or output. What memory
//! that takes has no limit here, so it is done in a process that has one.

use std::{fmt::Write as _, io};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

/// Instructions of one rendering: a loop over every feature of a large app takes a hundredth of it.
const FUEL: u64 = 1_000_000;

/// A template.
pub struct Template<'t> {
    /// Its name, for its errors.
    pub name: &'t str,
    /// What it says.
    pub source: &'t str,
    /// What a value must not be able to leave.
    pub escape: AutoEscape,
    /// The largest output.
    pub bytes_max: usize,
}

/// Why there is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// A variable is not defined; its name, as well as it is known, and the line.
    #[error("line {1}: {0} is not defined")]
    Missing(String, usize),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// The template with its placeholders filled in from `values`.
pub fn fill(template: &Template<'_>, values: &Value) -> Result<String, Unfilled> {
    let escape = template.escape;
    let mut environment = environment();
    environment.set_auto_escape_callback(move |_| escape);
    let mut output = Capped { bytes: Vec::new(), most: template.bytes_max };
    let parsed = environment.template_from_named_str(template.name, template.source).map_err(|error| Unfilled::Failed(told(&error)))?;
    match parsed.render_captured_to(values, &mut output).map(drop) {
        Ok(()) => Ok(String::from_utf8(output.bytes).expect("text rendered with text is text")),
        Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(Unfilled::Failed("its rendering takes too long".into())),
        Err(_) if output.bytes.len() >= output.most => Err(Unfilled::Failed(format!("it grows larger than {} bytes", output.most))),
        Err(error) if error.kind() == ErrorKind::UndefinedError => {
            let line = error.line().unwrap_or_default();
            let undefined = parsed.undeclared_variables(true).into_iter().filter(|name| !is_defined(values, name));
            Err(Unfilled::Missing(missing(template.source, line, undefined.collect()), line))
        }
        Err(error) => Err(Unfilled::Failed(told(&error))),
    }
}

/// What templates are read with.
pub fn environment<'t>() -> Environment<'t> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_keep_trailing_newline(true);
    environment
}

/// An error of minijinja, with its line and its causes.
pub fn told(error: &minijinja::Error) -> String {
    let mut told = format!("line {}: {error}", error.line().unwrap_or_default());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(told, ": {error}");
        cause = error.source();
    }
    told
}

/// Whether these values have what `a.b.c` names.
fn is_defined(values: &Value, name: &str) -> bool {
    let found = name.split('.').try_fold(values.clone(), |value, part| value.get_attr(part).ok().filter(|value| !value.is_undefined()));
    found.is_some()
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

struct Capped {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        if bytes.len() > room {
            self.bytes.resize(self.most, 0);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
