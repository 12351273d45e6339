//! Languages as templates have them: tags of BCP 47 in their usual spelling, and which of them a reader is given. Pure.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The languages that templates are written in, as their subtags of BCP 47.
pub const LANGUAGES: [&str; 10] = ["de", "en", "ar", "da", "fa", "nb", "ru", "sv", "tr", "uk"];
/// The longest tag that is read.
const TAG_BYTES_MAX: usize = 35;

/// The direction of a language's writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// One of [`LANGUAGES`], perhaps as it is written or spoken somewhere: `de`, `de-AT`, `uk-Cyrl-UA`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(String);

impl Locale {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone.
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// How it is written: `Arab` is, whatever the language, and what the language's own script is where none is named.
    pub fn direction(&self) -> Direction {
        let script = self.0.split('-').skip(1).find(|part| part.len() == 4);
        match (script, self.language()) {
            (Some("Arab"), _) | (None, "ar" | "fa") => Direction::Rtl,
            _ => Direction::Ltr,
        }
    }
}

impl Default for Locale {
    /// That of tenants who did not choose one.
    fn default() -> Self {
        Self("en".into())
    }
}

/// Not a locale of templates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of de, en, ar, da, fa, nb, ru, sv, tr and uk, with a script and a region at most (de-AT)")]
pub struct UnknownLocale(String);

impl FromStr for Locale {
    type Err = UnknownLocale;

    fn from_str(text: &str) -> Result<Self, UnknownLocale> {
        let tag = normalised(text).filter(|tag| is_of_templates(tag));
        tag.map(Self).ok_or_else(|| UnknownLocale(text.chars().take(TAG_BYTES_MAX).collect()))
    }
}

impl TryFrom<String> for Locale {
    type Error = UnknownLocale;

    fn try_from(text: String) -> Result<Self, UnknownLocale> {
        text.parse()
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.0
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag in its usual spelling (RFC 5646 §2.1.1): `de-at` is `de-AT`. None where it is no tag.
fn normalised(text: &str) -> Option<String> {
    if text.len() > TAG_BYTES_MAX {
        return None;
    }
    let mut tag = String::new();
    for (index, part) in text.split('-').enumerate() {
        let letters = part.bytes().all(|byte| byte.is_ascii_alphabetic());
        if part.is_empty() || part.len() > 8 || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if index == 0 {
            if !letters || part.len() < 2 {
                return None;
            }
            tag.push_str(&part.to_ascii_lowercase());
            continue;
        }
        tag.push('-');
        match part.len() {
            2 if letters => tag.push_str(&part.to_ascii_uppercase()),
            4 if letters => {
                let lower = part.to_ascii_lowercase();
                tag.push_str(&lower[..1].to_ascii_uppercase());
                tag.push_str(&lower[1..]);
            }
            _ => tag.push_str(&part.to_ascii_lowercase()),
        }
    }
    Some(tag)
}

/// Whether it is one of the languages with at most a script and a region.
fn is_of_templates(tag: &str) -> bool {
    let mut parts = tag.split('-').peekable();
    let language = parts.next().is_some_and(|language| LANGUAGES.contains(&language));
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    parts.next_if(|part| part.len() == 4 && letters(part));
    parts.next_if(|part| part.len() == 2 && letters(part) || part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()));
    language && parts.next().is_none()
}

/// In which order languages are looked for: what the reader asks for, ever wider (RFC 4647 §3.4), then the tenant's own, ever wider.
/// A reader's language may be any; none where what is asked for is no tag at all.
pub fn chain(asked: Option<&str>, own: &Locale) -> Option<Vec<Locale>> {
    let asked = match asked {
        None => None,
        Some(text) => Some(normalised(text)?),
    };
    let mut found: Vec<Locale> = Vec::new();
    for tag in asked.as_deref().into_iter().chain([own.as_str()]) {
        let ends = tag.match_indices('-').map(|(at, _)| at).chain([tag.len()]).collect::<Vec<_>>();
        let wider = ends.into_iter().rev().filter_map(|end| tag[..end].parse().ok());
        for locale in wider {
            if !found.contains(&locale) {
                found.push(locale);
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(text: &str) -> Locale {
        text.parse().expect("a locale")
    }

    #[test]
    fn tags_are_spelled_as_usual_and_others_are_refused() {
        let cases = [("de-at", "de-AT"), ("DE", "de"), ("uk-cyrl-ua", "uk-Cyrl-UA"), ("ar-001", "ar-001"), ("fa-Arab", "fa-Arab")];
        for (written, spelled) in cases {
            assert_eq!(locale(written).as_str(), spelled);
        }
        for wrong in
            ["", "fr", "d", "de-", "-de", "de_AT", "de-AT-x", "de-Latn-AT-1996", "de-Latin", "no", "de-AT-Latn", "deutsch", "dé", "de-1"]
        {
            wrong.parse::<Locale>().expect_err(wrong);
        }
        format!("de-{}", "a".repeat(40)).parse::<Locale>().expect_err("too long");
    }

    #[test]
    fn a_reader_gets_the_nearest_language_and_the_tenants_own_last() {
        let of = |asked: Option<&str>, own: &str| {
            chain(asked, &locale(own)).map(|chain| chain.iter().map(Locale::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(Some("de-AT"), "en").as_deref(), Some("de-AT de en"));
        assert_eq!(of(Some("de-at"), "sv-FI").as_deref(), Some("de-AT de sv-FI sv"));
        assert_eq!(of(Some("uk-Cyrl-UA"), "uk").as_deref(), Some("uk-Cyrl-UA uk-Cyrl uk"));
        assert_eq!(of(None, "de-CH").as_deref(), Some("de-CH de"));
        assert_eq!(of(Some("de-CH-1996"), "en").as_deref(), Some("de-CH de en"), "a variant is no reason to find nothing");
        assert_eq!(of(Some("zh-Hant-TW"), "en").as_deref(), Some("en"), "a language without templates");
        assert_eq!(of(Some("de AT"), "en"), None);
        assert_eq!(of(Some(""), "en"), None);
    }

    #[test]
    fn arabic_and_persian_are_written_right_to_left() {
        let rtl: Vec<&str> = LANGUAGES.into_iter().filter(|language| locale(language).direction() == Direction::Rtl).collect();
        assert_eq!(rtl, ["ar", "fa"]);
        assert_eq!(locale("ar-EG").direction(), Direction::Rtl);
        assert_eq!(locale("ar-Latn").direction(), Direction::Ltr);
        assert_eq!(locale("tr-Arab-TR").direction(), Direction::Rtl);
    }
}
