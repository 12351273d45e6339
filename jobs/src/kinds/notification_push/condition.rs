//! Conditions on topics, as FCM reads them: `'a' in topics && ('b' in topics || !('c' in topics))`. Pure.
//!
//! `&&`, `||`, `!` and parentheses, at most five topics: so <https://firebase.google.com/docs/cloud-messaging/send-topic-messages> is quoted
//! in public code ("You can include up to five topics in your conditional expression", found 2026-11-22); of the page itself we had the
//! beginning alone.

use super::CONDITION_TOPICS_MAX;

/// How deep parentheses may go: five topics need no more.
const DEPTH_MAX: usize = 16;

/// What is wrong with a condition.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut reader = Reader { rest: text, topics: 0 };
    reader.either(0)?;
    reader.blank();
    if !reader.rest.is_empty() {
        return Err(reader.wanted("&&, || or the end"));
    }
    if reader.topics > CONDITION_TOPICS_MAX {
        return Err(format!("has {} topics of the {CONDITION_TOPICS_MAX} allowed", reader.topics));
    }
    Ok(())
}

struct Reader<'t> {
    rest: &'t str,
    topics: usize,
}

impl Reader<'_> {
    /// Terms between `&&` and `||`. Which binds closer does not matter to whether it can be read.
    fn either(&mut self, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("has too many parentheses".into());
        }
        loop {
            self.term(depth)?;
            if !self.takes("&&") && !self.takes("||") {
                return Ok(());
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<(), String> {
        while self.takes("!") {}
        if self.takes("(") {
            self.either(depth + 1)?;
            return if self.takes(")") { Ok(()) } else { Err(self.wanted(")")) };
        }
        self.topic()
    }

    fn topic(&mut self) -> Result<(), String> {
        if !self.takes("'") {
            return Err(self.wanted("a topic in single quotes, or ("));
        }
        let end = self.rest.find('\'').ok_or("has a quote that does not end")?;
        let (name, rest) = self.rest.split_at(end);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!("{name:?} is no name of a topic"));
        }
        self.rest = &rest[1..];
        self.topics += 1;
        if self.takes("in") && self.takes("topics") { Ok(()) } else { Err(self.wanted("\"in topics\"")) }
    }

    fn takes(&mut self, word: &str) -> bool {
        self.blank();
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        self.rest = rest;
        true
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn wanted(&self, what: &str) -> String {
        match self.rest.chars().take(20).collect::<String>() {
            rest if rest.is_empty() => format!("ends where {what} should be"),
            rest => format!("has {rest:?} where {what} should be"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn conditions_are_read_as_fcm_reads_them() {
        for good in [
            "'TopicA' in topics && ('TopicB' in topics || 'TopicC' in topics)",
            "!('TopicA' in topics)",
            "'a-b_c.d~e%20' in topics",
            "'a' in topics||'b' in topics&&'c' in topics || 'd' in topics && 'e' in topics",
            "((('a' in topics)))",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "ends where a topic"),
            ("a in topics", "a topic in single quotes"),
            ("'a' in topic", "in topics"),
            ("'a'", "in topics"),
            ("'a b' in topics", "no name"),
            ("'' in topics", "no name"),
            ("'a in topics", "does not end"),
            ("'a' in topics &&", "ends where"),
            ("'a' in topics & 'b' in topics", "&&"),
            ("('a' in topics", ")"),
            ("'a' in topics)", "the end"),
            ("'1' in topics||'2' in topics||'3' in topics||'4' in topics||'5' in topics||'6' in topics", "6 topics of the 5"),
        ] {
            let found = check(bad).expect_err(bad);
            assert!(found.contains(why), "{bad}: {found}");
        }
        assert!(check(&"(".repeat(100_000)).is_err(), "no stack is deep enough for everything");
    }
}
