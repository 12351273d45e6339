//! Firebase Cloud Messaging by its HTTP v1 API.
//!
//! A [`Message`] says what and to whom, [`Client::send`] sends one, and [`SendError`] says what became of it where FCM said no.
//! The crate signs nothing and fetches no access token: whoever sends gives it one, good for the scope [`SCOPE`]. Whoever sends
//! also says how: a [`Transport`] is a `reqwest::Client` (feature `reqwest`), or anything else that can post.
//!
//! ```
//! let message = fcm::Message::to_topic("weather").with_notification("Storm", "Stay inside");
//! let body = fcm::SendRequest { message, validate_only: false };
//! let text = serde_json::to_string(&body).expect("a message has a JSON form");
//! assert_eq!(text, r#"{"message":{"topic":"weather","notification":{"title":"Storm","body":"Stay inside"}}}"#);
//! ```
//!
//! It follows the API's discovery document, revision 20261023: <https://fcm.googleapis.com/$discovery/rest?version=v1>. The crate of
//! this name on the registry (0.9.2) speaks only the endpoint before it, `/fcm/send` with a server key, which Google has shut down.
//! Next: `message.rs`, then `answer.rs` for what comes back.

mod answer;
mod client;
mod message;

pub use self::{
    answer::{ErrorCode, FieldViolation, Meaning, SendError, Sent, read},
    client::{Answer, Client, Post, Transport},
    message::*,
};

/// Where FCM is.
pub const BASE_URL: &str = "https://fcm.googleapis.com";
/// What an access token must be good for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
