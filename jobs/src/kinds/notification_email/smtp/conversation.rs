//! A conversation with a server, in which messages are given over one after another.

use std::time::Duration;

use lettre::{
    Address,
    transport::smtp::{
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Noop, Quit, Rcpt, Rset},
        extension::{Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::{Instant, timeout};

use super::{
    greet::greeted,
    server::Server,
    trouble::{Answer, Trouble},
    wire::Ended,
};
use crate::{kinds::notification_email::Refused, outbound::Outbound};

/// A server that is asked whether it is still there, or told good-bye, has this long.
const COURTESY: Duration = Duration::from_secs(5);
/// The pieces in which a message is written.
const PIECE_BYTES: usize = 64 * 1024;

/// A message and for whom it is.
pub struct Letter {
    /// Who sends it.
    pub from: Address,
    /// Who receives it.
    pub to: Vec<Address>,
    /// The whole of it.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// Whether the server has to know SMTPUTF8 (RFC 6531): an address is not ASCII, or a header has one.
    fn needs_utf8(&self) -> bool {
        [&self.from].into_iter().chain(&self.to).any(|address| !AsRef::<str>::as_ref(address).is_ascii()) || !self.bytes.is_ascii()
    }
}

/// What a server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// For whom.
    pub accepted: Vec<String>,
    /// For whom never.
    pub refused: Vec<Refused>,
    /// For whom not now.
    pub deferred: Vec<Refused>,
    /// What it said of the message.
    pub answer: Answer,
}

/// A conversation.
pub struct Conversation {
    server: Server,
    connection: AsyncSmtpConnection,
    ended: Ended,
    since: Instant,
    messages: u32,
    over: bool,
}

impl Conversation {
    /// Connects, and is let in. The caller sets the time for it.
    pub async fn begin(outbound: &Outbound, server: &Server) -> Result<Self, Trouble> {
        let ended = Ended::default();
        let connection = greeted(outbound, server, &ended).await?;
        Ok(Self { server: server.clone(), connection, ended, since: Instant::now(), messages: 0, over: false })
    }

    /// When it began.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// How many messages were given over in it.
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    /// Whether nothing more can be said in it.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the end of the last message was handed over: if no answer came, nobody knows whether it was taken.
    pub fn is_out(&self) -> bool {
        self.ended.get()
    }

    /// Gives over a message. An error leaves the server as if nothing had been said, unless the conversation is over.
    pub async fn give(&mut self, letter: &Letter) -> Result<Taken, Trouble> {
        // Whoever stops waiting leaves it in the middle of something.
        self.over = true;
        self.ended.reset();
        self.messages += 1;
        let said = self.say(letter).await;
        if let Err(trouble) = &said {
            if trouble.is_answer() {
                // It has said what became of the message.
                self.ended.reset();
            }
            if trouble.ends_conversation() || !matches!(timeout(COURTESY, self.connection.command(Rset)).await, Ok(Ok(_))) {
                return said;
            }
        }
        self.over = false;
        said
    }

    async fn say(&mut self, letter: &Letter) -> Result<Taken, Trouble> {
        let mut parameters = Vec::new();
        if letter.needs_utf8() {
            let info = self.connection.server_info();
            if !info.supports_feature(Extension::SmtpUtfEight) || !info.supports_feature(Extension::EightBitMime) {
                return Err(Trouble::NotAscii { host: self.server.host.clone() });
            }
            parameters.extend([MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)]);
        }
        let sender = self.connection.command(Mail::new(Some(letter.from.clone()), parameters)).await;
        sender.map_err(|error| self.unwelcome(Trouble::of(&self.server, "MAIL", &error)))?;
        let (mut accepted, mut refused, mut deferred) = (Vec::new(), Vec::new(), Vec::new());
        for address in &letter.to {
            match self.connection.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => accepted.push(address.to_string()),
                Err(error) => match Trouble::of(&self.server, "RCPT", &error) {
                    Trouble::Answered { answer, .. } if answer.code != 421 => {
                        let list = if answer.is_passing() { &mut deferred } else { &mut refused };
                        list.push(Refused { address: address.to_string(), answer: answer.text });
                    }
                    trouble => return Err(trouble),
                },
            }
        }
        if accepted.is_empty() {
            return Err(Trouble::Recipients { host: self.server.host.clone(), refused, deferred });
        }
        self.connection.command(Data).await.map_err(|error| Trouble::of(&self.server, "DATA", &error))?;
        let response = self.connection.message_iter(letter.bytes.chunks(PIECE_BYTES)).await;
        let response = response.map_err(|error| Trouble::of(&self.server, "the message", &error))?;
        Ok(Taken { accepted, refused, deferred, answer: Answer::of(&response, &self.server.hidden) })
    }

    /// A server may ask for a password, or TLS, only when there is something to take (RFC 4954, section 6: 530).
    fn unwelcome(&self, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Answered { host, answer, .. } if matches!(answer.code, 530 | 534 | 535 | 538) => {
                Trouble::Unwelcome { host, why: answer.text }
            }
            trouble => trouble,
        }
    }

    /// Asks for nothing.
    pub async fn noop(&mut self) -> Result<Answer, Trouble> {
        let answer = timeout(COURTESY, self.connection.command(Noop)).await;
        let late = |_| Trouble::Late { host: self.server.host.clone(), waited_s: COURTESY.as_secs() };
        let answer = answer.map_err(late)?.map_err(|error| Trouble::of(&self.server, "NOOP", &error))?;
        Ok(Answer::of(&answer, &self.server.hidden))
    }

    /// Leaves.
    pub async fn quit(mut self) {
        let _ = timeout(COURTESY, self.connection.command(Quit)).await;
    }
}
