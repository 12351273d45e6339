//! Renders the files of a build in a process of its own (`crate::renderer`), which is told the build's values first, then the files.
//! What rendering is, says `render.rs`.

use std::{
    io::{self, BufRead, Write},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{error::BuildError, render};
use crate::renderer::{Ended, Process, Work, write_line};

/// How long one file may take on a machine that has much else to do.
const FILE_WALL: Duration = Duration::from_secs(120);

/// A file to render.
#[derive(Serialize, Deserialize)]
struct Asked {
    bundle: String,
    path: String,
    source: String,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
enum Answer {
    Text(String),
    VariableMissing(String),
    Failed(String),
}

/// Renders what comes in: the values of a build, then its files.
pub(crate) fn answer(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let values: Value = serde_json::from_str(&line)?;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Asked { bundle, path, source } = serde_json::from_str(&line)?;
        let answer = match render::render(&bundle, &path, source.as_bytes(), &values) {
            Ok(text) => Answer::Text(String::from_utf8(text).expect("text rendered with text is text")),
            Err(BuildError::Inputs { code: render::VARIABLE_MISSING, message }) => Answer::VariableMissing(message),
            Err(error) => Answer::Failed(error.to_string()),
        };
        write_line(&mut output, &answer)?;
    }
}

/// Renders the files of one build. Dropping it ends its process.
pub struct Renderer<'b> {
    program: &'b Path,
    values: Value,
    cancel: &'b CancellationToken,
    running: Option<Process>,
}

impl<'b> Renderer<'b> {
    /// One that fills in these values; its process starts with the first file.
    pub fn new(program: &'b Path, values: Value, cancel: &'b CancellationToken) -> Self {
        Self { program, values, cancel, running: None }
    }

    /// The file at `path` of `bundle` with its placeholders filled in.
    pub async fn render(&mut self, bundle: &str, path: &str, source: Vec<u8>) -> Result<Vec<u8>, BuildError> {
        let failed = |message: &str| BuildError::inputs(render::FAILED, format!("{path} of {bundle}: {message}"));
        let source = String::from_utf8(source).map_err(|_| failed(render::NO_TEXT))?;
        // None but a test's: it has no binary that could be started again.
        #[cfg(test)]
        if self.program.as_os_str().is_empty() {
            return render::render(bundle, path, source.as_bytes(), &self.values);
        }
        let asked = Asked { bundle: bundle.to_owned(), path: path.to_owned(), source };
        let answered = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(BuildError::Stopped),
            answered = tokio::time::timeout(FILE_WALL, self.ask(&asked)) => answered,
        };
        match answered {
            Ok(Ok(Some(Answer::Text(text)))) => Ok(text.into_bytes()),
            Ok(Ok(Some(Answer::VariableMissing(message)))) => Err(BuildError::inputs(render::VARIABLE_MISSING, message)),
            Ok(Ok(Some(Answer::Failed(message)))) => Err(BuildError::inputs(render::FAILED, message)),
            Ok(Ok(None)) => Err(self.ended(failed).await),
            Ok(Err(error)) => Err(BuildError::Workspace(format!("starting the renderer: {error}"))),
            Err(_) => Err(failed(&format!("its rendering took longer than {} s", FILE_WALL.as_secs()))),
        }
    }

    /// The answer; none where the process has ended.
    async fn ask(&mut self, asked: &Asked) -> io::Result<Option<Answer>> {
        let running = match &mut self.running {
            Some(running) => running,
            None => {
                let running = self.running.insert(Process::start(self.program, Work::Files)?);
                running.tell(&self.values.take())?;
                running
            }
        };
        running.ask(asked).await
    }

    /// Why it ended in the middle of a file.
    async fn ended(&mut self, failed: impl Fn(&str) -> BuildError) -> BuildError {
        let Some(running) = self.running.take() else { return BuildError::Workspace("the renderer is not running".into()) };
        match running.ended().await {
            Ended::Time(message) | Ended::Limit(message) => failed(&message),
            Ended::Broken(message) => BuildError::Workspace(message),
        }
    }
}
