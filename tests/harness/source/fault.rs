//! What a provider does to a request instead of answering it well.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::wire::{Answer, gzip};

/// What a provider does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers 429 with these headers.
    Throttle(Vec<(String, String)>),
    /// Answers with this status, these headers and this body.
    Status(u16, Vec<(String, String)>, String),
    /// Answers 200, of this media type, with this body: a lie.
    Lie(String, String),
    /// Answers well, with these headers as well.
    Headers(Vec<(String, String)>),
    /// Says the whole length, sends half the body and goes away.
    Truncate,
    /// Sends half the body and says that it is all.
    Half,
    /// Sends the body byte by byte, with this pause between two.
    Drip(Duration),
    /// Sends half the body, and then nothing.
    Stall,
    /// Never answers.
    Silent,
    /// Goes away without an answer.
    Drop,
    /// Sends on to there, with this status.
    Redirect(u16, String),
    /// Sends records without an end.
    Endless,
    /// Sends so many zeros, packed.
    Bomb(usize),
}

/// Sends an answer, or what goes wrong with it. Whether the connection is good for another.
pub(super) async fn send(stream: &mut TcpStream, answer: Answer, fault: Option<Fault>) -> std::io::Result<bool> {
    let Some(fault) = fault else {
        answer.send(stream).await?;
        return Ok(true);
    };
    let half = answer.body.len() / 2;
    match fault {
        Fault::Throttle(headers) => with(Answer::error(429, "too many requests"), headers).send(stream).await?,
        Fault::Status(status, headers, body) => {
            with(Answer { status, ..Answer::of("application/json", body) }, headers).send(stream).await?;
        }
        Fault::Lie(media_type, body) => Answer::of(&media_type, body).send(stream).await?,
        Fault::Headers(headers) => with(answer, headers).send(stream).await?,
        Fault::Half => Answer { body: answer.body[..half].to_vec(), ..answer }.send(stream).await?,
        Fault::Redirect(status, to) => {
            Answer { status, ..Answer::of("text/plain", "elsewhere") }.with("location", to).send(stream).await?;
        }
        Fault::Bomb(zeros) => {
            let bomb = Answer::of("application/json", gzip(&vec![b'0'; zeros])).with("content-encoding", "gzip");
            bomb.send(stream).await?;
        }
        Fault::Truncate => {
            stream.write_all(answer.head(Some(answer.body.len())).as_bytes()).await?;
            stream.write_all(&answer.body[..half]).await?;
            return Ok(false);
        }
        Fault::Drip(pause) => {
            stream.write_all(answer.head(Some(answer.body.len())).as_bytes()).await?;
            for byte in &answer.body {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(pause).await;
            }
        }
        Fault::Stall => {
            stream.write_all(answer.head(Some(answer.body.len())).as_bytes()).await?;
            stream.write_all(&answer.body[..half]).await?;
            std::future::pending::<()>().await;
        }
        Fault::Silent => std::future::pending::<()>().await,
        Fault::Drop => return Ok(false),
        Fault::Endless => {
            stream.write_all(answer.head(None).as_bytes()).await?;
            stream.write_all(b"a\r\n{\"items\":[\r\n").await?;
            let record = r#"{"id":1},"#.repeat(1_000);
            loop {
                stream.write_all(format!("{:x}\r\n{record}\r\n", record.len()).as_bytes()).await?;
            }
        }
    }
    Ok(true)
}

fn with(answer: Answer, headers: Vec<(String, String)>) -> Answer {
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(&name, value))
}
