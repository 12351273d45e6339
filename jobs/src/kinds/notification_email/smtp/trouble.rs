//! What can go wrong with a server, and what becomes of a job then. Pure.

use std::fmt;

use lettre::transport::smtp::{self, response::Response};

use super::Server;
use crate::{connection::Hidden, handler::Outcome, job::JobError, kinds::notification_email::Refused, outbound};

/// How much of a server's words is told, in characters.
const WORDS_MAX: usize = 500;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its code, such as 550.
    pub code: u16,
    /// The code and its words, as one line.
    pub text: String,
}

impl Answer {
    /// As one line: whatever could be taken for something else is left out, and so are secrets.
    pub fn new(code: u16, words: &str, hidden: &Hidden) -> Self {
        Self { code, text: plain(&format!("{code} {words}"), hidden) }
    }

    pub(super) fn of(response: &Response, hidden: &Hidden) -> Self {
        Self::new(response.code().into(), &response.message().collect::<Vec<_>>().join(" "), hidden)
    }

    /// Whether it may say something else later.
    pub const fn is_passing(&self) -> bool {
        self.code < 500
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a message was not taken, or a connection did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error(transparent)]
    Unreached(#[from] outbound::Error),
    /// No TLS.
    #[error("no TLS with {host}: {why}")]
    Tls {
        /// The server.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// It does not let us in: it wants another password, or what we do not have.
    #[error("{host} does not let us in: {why}")]
    Unwelcome {
        /// The server.
        host: String,
        /// Its words, or ours.
        why: String,
    },
    /// It says no, to what.
    #[error("{host} answered {answer} to {to}")]
    Answered {
        /// The server.
        host: String,
        /// The command.
        to: &'static str,
        /// Its words.
        answer: Answer,
    },
    /// None of the recipients is taken.
    #[error("{host} takes it for none of the recipients: {}", words_of(.refused, .deferred))]
    Recipients {
        /// The server.
        host: String,
        /// For whom never.
        refused: Vec<Refused>,
        /// For whom not now.
        deferred: Vec<Refused>,
    },
    /// What came is no SMTP, or the connection ended early.
    #[error("the connection to {host} broke at {at}: {why}")]
    Broken {
        /// The server.
        host: String,
        /// The command.
        at: &'static str,
        /// What was wrong.
        why: String,
    },
    /// It was silent.
    #[error("{host} was not done within {waited_s} s")]
    Late {
        /// The server.
        host: String,
        /// The time it had.
        waited_s: u64,
    },
    /// An address is not ASCII, and the server takes only such.
    #[error("an address is not ASCII, and {host} takes only such (it has no SMTPUTF8)")]
    NotAscii {
        /// The server.
        host: String,
    },
}

impl Trouble {
    /// What a command came to that was not done.
    pub(super) fn of(server: &Server, at: &'static str, error: &smtp::Error) -> Self {
        let source = std::error::Error::source(error);
        let why = source.map_or_else(|| error.to_string(), ToString::to_string);
        let (host, hidden) = (server.host.clone(), &server.hidden);
        match error.status() {
            Some(code) => Self::Answered { host, to: at, answer: Answer::new(code.into(), &why, hidden) },
            None => Self::Broken { host, at, why: plain(&why, hidden) },
        }
    }

    /// Whether the server said it, so that it is known what became of the message.
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Recipients { .. } | Self::Unwelcome { .. })
    }

    /// Whether the conversation is over, whatever is tried.
    pub const fn ends_conversation(&self) -> bool {
        match self {
            Self::Answered { answer, .. } => answer.code == 421,
            Self::Recipients { .. } | Self::NotAscii { .. } => false,
            _ => true,
        }
    }

    /// Whether it may only say that the conversation ended while nobody spoke.
    pub fn is_of_an_old_conversation(&self) -> bool {
        match self {
            Self::Broken { at, .. } => *at == "MAIL",
            Self::Answered { to, answer, .. } => *to == "MAIL" && answer.code == 421,
            _ => false,
        }
    }

    /// Whether the connection is to blame, rather than the message.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Unwelcome { .. })
    }

    /// The same as a job's error.
    pub fn as_job_error(&self) -> JobError {
        let (code, retryable) = match self {
            Self::Unreached(error) => (error.code(), !error.is_final()),
            Self::Tls { .. } => ("unreachable", true),
            // The connection waits to be mended, and the job with it as long as it has attempts.
            Self::Unwelcome { .. } => ("connection_refused", true),
            // A server that will not talk to us at all says nothing of the message.
            Self::Answered { to: "the greeting" | "EHLO" | "STARTTLS", .. } => ("server_busy", true),
            Self::Answered { answer, .. } if answer.is_passing() => ("server_busy", true),
            Self::Answered { .. } => ("message_refused", false),
            Self::Recipients { deferred, .. } if deferred.is_empty() => ("recipients_refused", false),
            Self::Recipients { .. } => ("recipients_deferred", true),
            Self::Broken { .. } => ("connection_broken", true),
            Self::Late { .. } => ("answer_late", true),
            Self::NotAscii { .. } => ("smtputf8_missing", false),
        };
        JobError::new(code, self.to_string(), retryable)
    }

    /// How an attempt ends by it.
    pub fn outcome(&self) -> Outcome {
        let error = self.as_job_error();
        if error.retryable { Outcome::Retry { error, after: None } } else { Outcome::Bury(error) }
    }
}

/// Words of others as one line of bounded length. Secrets go first: half of one that is cut would not be known for one.
fn plain(words: &str, hidden: &Hidden) -> String {
    let words = hidden.cut_text(words);
    let plain: String = words.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    // What was broken into lines may be one now.
    let line = hidden.text(&plain.split_whitespace().collect::<Vec<_>>().join(" "));
    line.chars().take(WORDS_MAX).collect()
}

fn words_of(refused: &[Refused], deferred: &[Refused]) -> String {
    let words: Vec<String> = deferred.iter().chain(refused).map(|one| format!("{}: {}", one.address, one.answer)).collect();
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_decides_what_becomes_of_the_job() {
        let host = || "mail.example.com".to_owned();
        let refused = || vec![Refused { address: "ana@example.com".into(), answer: "words".into() }];
        let answered = |to, code| Trouble::Answered { host: host(), to, answer: Answer::new(code, "words", &Hidden::default()) };
        let cases = [
            (answered("MAIL", 451), "server_busy", true, false),
            (answered("MAIL", 421), "server_busy", true, true),
            (answered("MAIL", 550), "message_refused", false, false),
            (answered("the message", 552), "message_refused", false, false),
            (answered("the message", 452), "server_busy", true, false),
            (answered("the greeting", 554), "server_busy", true, false),
            (Trouble::Recipients { host: host(), refused: refused(), deferred: refused() }, "recipients_deferred", true, false),
            (Trouble::Recipients { host: host(), refused: refused(), deferred: Vec::new() }, "recipients_refused", false, false),
            (Trouble::Unwelcome { host: host(), why: String::new() }, "connection_refused", true, true),
            (Trouble::Late { host: host(), waited_s: 1 }, "answer_late", true, true),
        ];
        for (trouble, code, retryable, ends) in cases {
            let error = trouble.as_job_error();
            assert_eq!((error.code.as_str(), error.retryable, trouble.ends_conversation()), (code, retryable, ends), "{trouble}");
        }
    }

    #[test]
    fn a_servers_words_are_one_line_of_bounded_length() {
        let answer = |code, words: &str| Answer::new(code, words, &Hidden::default()).text;
        assert_eq!(answer(550, "5.1.1 no\r\nsuch\tuser\u{1b}[2J"), "550 5.1.1 no such user [2J");
        assert_eq!(answer(250, ""), "250");
        assert_eq!(answer(550, &"ü".repeat(2_000)).chars().count(), WORDS_MAX);
    }

    #[test]
    fn a_secret_is_taken_out_before_the_words_are_cut() {
        let hidden = Hidden::default().and_text("planted  secret/5c1d").and_text("cGxhbnRlZA");
        for before in 0..WORDS_MAX + 30 {
            for secret in ["planted  secret/5c1d", "cGxhbnRlZA"] {
                let told = Answer::new(535, &format!("{}{secret} and more", "x".repeat(before)), &hidden).text;
                assert!(!told.contains(&secret[..4]) && told.chars().count() <= WORDS_MAX, "{before}: {told}");
            }
        }
    }
}
