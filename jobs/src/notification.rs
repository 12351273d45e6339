//! What notifications have in common: templates in many languages, what they need, and what became of what was sent.
//!
//! Each kind of notification has its folder in `kinds/` (`notification_email`, …). Here is what several of them share:
//! `wording.rs` what a template says in a language, `locale.rs` which language a reader gets, `find.rs` where they are, `compose.rs` how words become a message,
//! `admit.rs` what is wrong with a payload before it is a job, `delivery.rs` how a message that was sent fares on its way, `mailbox.rs` who
//! sends and receives mail, `approved.rs` WhatsApp's own templates, `phone.rs` what the senders to phones share.

pub mod admit;
pub mod approved;
#[cfg(feature = "wordings")]
pub mod compose;
pub mod delivery;
pub mod find;
pub mod locale;
pub mod mailbox;
pub mod phone;
pub mod wording;

#[cfg(feature = "wordings")]
pub use compose::compose;
