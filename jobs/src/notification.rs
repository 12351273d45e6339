//! What notifications have in common: templates in many languages, what they need, and what became of what was sent.
//!
//! Each kind of notification has its folder in `kinds/` (`notification_email`, …). Here is what several of them share:
//! `wording.rs` what a template says in a language, `delivery.rs` how a message that was sent fares on its way, `mailbox.rs` who sends
//! and receives mail.

pub mod delivery;
pub mod mailbox;
pub mod wording;
