//! Decides every change of a connection: edits, what came of using it, the loss of its tenant's key. Pure.
//!
//! ```text
//!  made ─► pending ─ test passed, used well ─► active
//!            ▲  │                               │
//!            │  └──── refused ──► error ◄───────┘      an edit of any of them ─► pending
//!            └──── test passed ─► (active)             disabled by hand ─► disabled ─ enabled ─► pending
//! ```
//! A connection whose secrets went with its tenant's key is in `error` until it is given new ones, whatever else is edited.

use super::{Change, Connection, ConnectionState, Facts, Sealed, Used};
use crate::job::JobError;

/// The code of the error of a connection whose tenant's key was destroyed.
pub const SECRETS_UNREADABLE: &str = "secrets_unreadable";

/// The code of the error of a connection whose token endpoint gives no token.
pub const TOKEN_REFUSED: &str = "token_refused";

/// What somebody changes about a connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectionEdit {
    /// Another configuration.
    pub config: Option<serde_json::Value>,
    /// Other secrets: their names, and themselves where there are any.
    pub secrets: Option<(Vec<String>, Option<Sealed>)>,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
}

impl Facts {
    /// Those of a connection that is made.
    pub fn new(config: serde_json::Value, mut secret_names: Vec<String>, disabled: bool) -> Self {
        secret_names.sort();
        let state = if disabled { ConnectionState::Disabled } else { ConnectionState::Pending };
        Self { generation: 1, state, config, secret_names, error: None }
    }
}

impl Connection {
    /// Whether it had secrets, and the key that opened them was destroyed.
    pub const fn is_shredded(&self) -> bool {
        is_shredded(&self.facts, self.sealed.as_ref())
    }

    /// What an edit makes of it; none where it changes nothing.
    pub fn edited(&self, edit: ConnectionEdit) -> Option<Change> {
        let mut facts = self.facts.clone();
        let mut sealed = self.sealed.clone();
        if let Some(config) = edit.config {
            facts.config = config;
        }
        let resealed = edit.secrets.is_some();
        if let Some((mut names, secrets)) = edit.secrets {
            names.sort();
            (facts.secret_names, sealed) = (names, secrets);
        }
        let was_disabled = facts.state == ConnectionState::Disabled;
        let disabled = edit.disabled.unwrap_or(was_disabled);
        if facts == self.facts && !resealed && disabled == was_disabled {
            return None;
        }
        facts.error = None;
        facts.state = if disabled { ConnectionState::Disabled } else { ConnectionState::Pending };
        if is_shredded(&facts, sealed.as_ref()) {
            lose_secrets(&mut facts);
        }
        facts.generation += 1;
        Some(Change { facts, sealed, edited: true, tested: false, erred: false })
    }

    /// What came of using it, as it stood at this generation; none where that changes nothing.
    pub fn reported(&self, generation: u32, used: &Used) -> Option<Change> {
        let state = self.facts.state;
        if generation != self.facts.generation || state == ConnectionState::Disabled || self.is_shredded() {
            return None;
        }
        let mut facts = self.facts.clone();
        let (tested, erred) = match used {
            // A use that began before a refusal says nothing of what was found since.
            Used::Well if state != ConnectionState::Pending => return None,
            Used::Well => (false, false),
            Used::Tested => (true, false),
            Used::Refused(_) => (false, true),
        };
        (facts.state, facts.error) = match used {
            Used::Well | Used::Tested => (ConnectionState::Active, None),
            Used::Refused(error) => (ConnectionState::Error, Some(error.clone())),
        };
        Some(Change { facts, sealed: self.sealed.clone(), edited: false, tested, erred })
    }

    /// What other secrets make of it that the provider itself gave, to whoever saw it at this generation. Nobody edited it. Where
    /// somebody has since, they stand as well: whoever keeps them has seen that those before are still there.
    pub fn rotated(&self, generation: u32, sealed: Sealed) -> Option<Change> {
        self.sealed.as_ref()?;
        let mut facts = self.facts.clone();
        let refused = facts.error.as_ref().is_some_and(|error| error.code == TOKEN_REFUSED);
        if facts.state == ConnectionState::Error && refused && generation == facts.generation {
            // Another was refused, as it showed a token that was used up for this one: the provider lets it in.
            (facts.state, facts.error) = (ConnectionState::Active, None);
        }
        Some(Change { facts, sealed: Some(sealed), edited: false, tested: false, erred: false })
    }

    /// What the loss of its tenant's key makes of it; none where it has no secrets.
    pub fn shredded(&self) -> Option<Change> {
        self.sealed.as_ref()?;
        let mut facts = self.facts.clone();
        lose_secrets(&mut facts);
        // What was cached of it is of no use to anybody.
        facts.generation += 1;
        Some(Change { facts, sealed: None, edited: false, tested: false, erred: true })
    }
}

const fn is_shredded(facts: &Facts, sealed: Option<&Sealed>) -> bool {
    sealed.is_none() && !facts.secret_names.is_empty()
}

fn lose_secrets(facts: &mut Facts) {
    let message = "its secrets went with the tenant's key, which was destroyed: give it new ones";
    facts.error = Some(JobError::new(SECRETS_UNREADABLE, message, false));
    if facts.state != ConnectionState::Disabled {
        facts.state = ConnectionState::Error;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{clock::Timestamp, connection::ConnectionId};

    fn connection(state: ConnectionState) -> Connection {
        let facts = Facts { state, ..Facts::new(json!({"a": 1}), vec!["token".into()], false) };
        let now = Timestamp::from_ms(0);
        Connection {
            id: ConnectionId(Uuid::nil()),
            tenant: "a".parse().expect("a tenant"),
            name: "c".into(),
            provider: "http".into(),
            version: 1,
            facts,
            sealed: Some(Sealed { key: Uuid::nil(), bytes: vec![1] }),
            created_at: now,
            updated_at: now,
            tested_at: None,
            erred_at: None,
            last_used_at: None,
        }
    }

    fn refused() -> Used {
        Used::Refused(JobError::new("unauthorized", "no", false))
    }

    fn after(change: Option<Change>) -> Option<(ConnectionState, Option<String>, u32)> {
        change.map(|change| (change.facts.state, change.facts.error.map(|error| error.code), change.facts.generation))
    }

    #[test]
    fn what_came_of_using_it_moves_its_state() {
        use ConnectionState::{Active, Disabled, Error, Pending};
        let no = || Some("unauthorized".to_owned());
        let cases = [
            (Pending, Used::Well, Some((Active, None, 1))),
            (Pending, Used::Tested, Some((Active, None, 1))),
            (Pending, refused(), Some((Error, no(), 1))),
            (Active, Used::Well, None),
            (Active, Used::Tested, Some((Active, None, 1))),
            (Active, refused(), Some((Error, no(), 1))),
            (Error, Used::Well, None),
            (Error, Used::Tested, Some((Active, None, 1))),
            (Error, refused(), Some((Error, no(), 1))),
            (Disabled, Used::Well, None),
            (Disabled, Used::Tested, None),
            (Disabled, refused(), None),
        ];
        for (state, used, expected) in cases {
            assert_eq!(after(connection(state).reported(1, &used)), expected, "{state:?} {used:?}");
            assert_eq!(connection(state).reported(2, &used), None, "it was edited since");
        }
    }

    #[test]
    fn an_edit_asks_for_a_new_test_and_only_enabling_ends_disabled() {
        use ConnectionState::{Active, Disabled, Error, Pending};
        let other = || ConnectionEdit { config: Some(json!({"a": 2})), ..ConnectionEdit::default() };
        let set = |disabled| ConnectionEdit { disabled: Some(disabled), ..ConnectionEdit::default() };
        for state in [Pending, Active, Error] {
            assert_eq!(after(connection(state).edited(other())), Some((Pending, None, 2)), "{state:?}");
            assert_eq!(after(connection(state).edited(set(true))), Some((Disabled, None, 2)), "{state:?}");
            assert_eq!(connection(state).edited(set(false)), None);
            let same = ConnectionEdit { config: Some(json!({"a": 1})), ..ConnectionEdit::default() };
            assert_eq!(connection(state).edited(same), None);
        }
        assert_eq!(after(connection(Disabled).edited(other())), Some((Disabled, None, 2)));
        assert_eq!(after(connection(Disabled).edited(set(false))), Some((Pending, None, 2)));
        let secrets = ConnectionEdit { secrets: Some((vec!["token".into()], connection(Active).sealed)), ..ConnectionEdit::default() };
        assert_eq!(after(connection(Active).edited(secrets)), Some((Pending, None, 2)), "nobody can see that they are the same");
    }

    #[test]
    fn what_the_provider_gave_is_kept_past_edits_and_ends_the_refusal_of_what_it_replaced() {
        use ConnectionState::{Active, Error, Pending};
        let new = || Sealed { key: Uuid::nil(), bytes: vec![2] };
        let refused = |code: &str| {
            let mut refused = connection(Error);
            refused.facts.error = Some(JobError::new(code, "no", false));
            refused
        };
        assert_eq!(after(connection(Pending).rotated(1, new())), Some((Pending, None, 1)));
        let edited = Connection { facts: Facts { generation: 2, ..connection(Pending).facts }, ..connection(Pending) };
        let change = edited.rotated(1, new()).expect("it was edited, and the secret was not");
        assert_eq!((change.sealed, change.facts), (Some(new()), edited.facts));
        assert_eq!(after(refused(TOKEN_REFUSED).rotated(1, new())), Some((Active, None, 1)));
        assert_eq!(after(refused(TOKEN_REFUSED).rotated(2, new())), Some((Error, Some(TOKEN_REFUSED.into()), 1)), "another's refusal");
        assert_eq!(after(refused("unauthorized").rotated(1, new())), Some((Error, Some("unauthorized".into()), 1)));
        assert_eq!(Connection { sealed: None, ..connection(Active) }.rotated(1, new()), None);
    }

    #[test]
    fn lost_secrets_stay_lost_until_there_are_new_ones() {
        use ConnectionState::{Active, Disabled, Error, Pending};
        let lost = || Some(SECRETS_UNREADABLE.to_owned());
        let shred = |mut connection: Connection| {
            let change = connection.shredded().expect("it had secrets");
            assert_eq!(change.sealed, None);
            (connection.facts, connection.sealed) = (change.facts, change.sealed);
            connection
        };
        let shredded = shred(connection(Active));
        assert_eq!((shredded.facts.state, shredded.facts.generation), (Error, 2));
        assert_eq!(shredded.shredded(), None);
        assert_eq!(shredded.reported(2, &Used::Tested), None);
        let other = ConnectionEdit { config: Some(json!({})), ..ConnectionEdit::default() };
        assert_eq!(after(shredded.edited(other)), Some((Error, lost(), 3)));
        let given = ConnectionEdit { secrets: Some((vec!["token".into()], connection(Active).sealed)), ..ConnectionEdit::default() };
        assert_eq!(after(shredded.edited(given)), Some((Pending, None, 3)));
        let disabled = shred(connection(Disabled));
        assert_eq!((disabled.facts.state, disabled.facts.error.clone().map(|error| error.code)), (Disabled, lost()));
        let enabled = ConnectionEdit { disabled: Some(false), ..ConnectionEdit::default() };
        assert_eq!(after(disabled.edited(enabled)), Some((Error, lost(), 3)));
        let bare = Connection { sealed: None, facts: Facts::new(json!({}), vec![], false), ..connection(Active) };
        assert_eq!(bare.shredded(), None, "there was nothing to lose");
    }
}
