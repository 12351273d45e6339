//! What the styles of a DOCX make of a paragraph: a heading, an item of a list. A style has what the one that it is based on has. Pure.

use std::collections::HashMap;

use super::{Element, attribute, each};
use crate::text::Unread;

/// How many styles may be based on each other: Word's own templates have three.
const BASED_MAX: usize = 10;

/// What a paragraph is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Looks {
    /// The level of a heading, from 1; 0 for the title.
    pub(super) level: Option<u8>,
    /// Whether it is an item of a list.
    pub(super) is_item: Option<bool>,
}

impl Looks {
    /// These, and what another says beside.
    fn or(self, other: Self) -> Self {
        Self { level: self.level.or(other.level), is_item: self.is_item.or(other.is_item) }
    }

    /// Takes what an element of a paragraph's properties says.
    pub(super) fn take(&mut self, name: &str, value: Option<&str>) {
        match name {
            // The tenth level is that of what is no heading.
            "outlineLvl" => self.level = value.and_then(|level| level.parse().ok()).filter(|level| *level < 9).map(|level: u8| level + 1),
            // List number 0 is that of what is in none.
            "numId" => self.is_item = Some(value != Some("0")),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Style {
    looks: Looks,
    based_on: Option<String>,
}

/// The styles, by their ids.
#[derive(Default)]
pub(super) struct Styles(HashMap<String, Style>);

impl Styles {
    pub(super) fn read(part: &str) -> Result<Self, Unread> {
        let mut styles = Self::default();
        let mut open: Option<(String, Style)> = None;
        each(part, |element| match element {
            Element::Begin("style", start) => open = attribute(start, "styleId").map(|id| (id, Style::default())),
            Element::Begin(name, start) => {
                let Some((_, style)) = &mut open else { return };
                let value = attribute(start, "val");
                match name {
                    "name" => style.looks = style.looks.or(Looks { level: value.as_deref().and_then(named), is_item: None }),
                    "basedOn" => style.based_on = value,
                    _ => style.looks.take(name, value.as_deref()),
                }
            }
            Element::End("style") => styles.0.extend(open.take()),
            Element::Text(_) | Element::End(_) => {}
        })?;
        Ok(styles)
    }

    /// What a style makes of a paragraph.
    pub(super) fn looks(&self, id: &str) -> Looks {
        let (mut looks, mut next) = (Looks::default(), Some(id));
        for _ in 0..BASED_MAX {
            let Some(style) = next.and_then(|id| self.0.get(id)) else { break };
            looks = looks.or(style.looks);
            next = style.based_on.as_deref();
        }
        looks
    }
}

/// The level of a style that Word has by itself: its name is English in each language's Word.
fn named(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    if name == "title" {
        return Some(0);
    }
    name.strip_prefix("heading ")?.parse().ok().filter(|level| (1..=9).contains(level))
}
