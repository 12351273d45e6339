//! What a connection's configuration says of its server.

use std::time::Duration;

use serde_json::Value;

use super::domain_of;
use crate::{
    connection::{
        ConnectionId, Hidden, Opened,
        catalog::smtp::{CONNECTIONS, PASSWORD, SEND_TIMEOUT_S},
    },
    notification::mailbox::Mailbox,
};

/// How what is said is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// From the beginning.
    Implicit,
    /// By the command STARTTLS.
    StartTls,
    /// Not at all.
    None,
}

/// A server that takes mail.
#[derive(Clone)]
pub struct Server {
    /// The connection it is configured by.
    pub id: ConnectionId,
    /// Counts its edits.
    pub generation: u32,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How what is said is encrypted.
    pub security: Security,
    /// Who we are, if it asks.
    pub login: Option<(String, String)>,
    /// What it may repeat and nobody is told.
    pub hidden: Hidden,
    /// The certificates that alone are trusted, as PEM.
    pub ca_pem: Option<String>,
    /// How we introduce ourselves.
    pub hello_name: String,
    /// The most connections of this process.
    pub connections_max: usize,
    /// How long giving over a message may take.
    pub send_timeout: Duration,
}

impl Server {
    /// As configured; what the catalogue has checked is not checked again.
    pub fn of(opened: &Opened) -> Self {
        let text = |name: &str| opened.config.get(name).and_then(Value::as_str);
        let number = |name: &str, default: u32| {
            opened.config.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
        };
        let (security, port) = match text("tls") {
            Some("starttls") => (Security::StartTls, 587),
            Some("none") => (Security::None, 25),
            _ => (Security::Implicit, 465),
        };
        let login = text("user").zip(opened.secrets.get(PASSWORD)).map(|(user, password)| (user.to_owned(), password.to_owned()));
        let sender = text("from").map(|text| domain_of(&Mailbox::from(text).address)).unwrap_or_default();
        Self {
            id: opened.id,
            generation: opened.generation,
            host: text("host").unwrap_or_default().to_owned(),
            port: u16::try_from(number("port", port)).unwrap_or_default(),
            security,
            login,
            hidden: opened.secrets.hidden(),
            ca_pem: text("ca_pem").map(str::to_owned),
            hello_name: text("hello_name").map_or(sender, str::to_owned),
            connections_max: number("connections_max", CONNECTIONS).max(1) as usize,
            send_timeout: Duration::from_secs(number("send_timeout_s", SEND_TIMEOUT_S).into()),
        }
    }
}
