//! Finds the words that a payload asks for: the nearest language of those that the template has, then the version. Reads, and decides
//! nothing that `locale.rs` does not.

use super::{
    admit::CONTENT,
    locale::{self, Locale},
    wording::{FromTemplate, Wording},
};
use crate::{
    ledger::{self, Wordings},
    tenant::TenantId,
};

/// Why there are no such words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is no such template, in no language.
    #[error("no template is named {0:?}")]
    Name(String),
    /// There is, but in none of the languages that come into question.
    #[error("the template {name:?} is not there in {}", .tried.join(", "))]
    Locale {
        /// The template.
        name: String,
        /// What was looked for.
        tried: Vec<String>,
    },
    /// What was asked for is no tag of a language.
    #[error("{0:?} is no tag of a language (BCP 47)")]
    Tag(String),
    /// The version is not kept.
    #[error("the template {name:?} has no version {version} in {locale}")]
    Version {
        /// The template.
        name: String,
        /// The language that was found.
        locale: Locale,
        /// The version.
        version: u32,
    },
    /// The template's layout is not there.
    #[error("its layout: {0}")]
    Layout(Box<NotFound>),
    /// What is named as a layout has nothing to put content into.
    #[error("{0:?} is no layout: its html has no {{{{ content }}}}")]
    NoLayout(String),
}

impl NotFound {
    /// Where in the payload's `template` the trouble is, as a JSON pointer.
    pub const fn pointer(&self) -> &'static str {
        match self {
            Self::Locale { .. } | Self::Tag(_) => "/locale",
            Self::Version { .. } => "/version",
            Self::Name(_) | Self::Layout(_) | Self::NoLayout(_) => "/name",
        }
    }
}

/// A template's words with those of its layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The words.
    pub wording: Wording,
    /// Its layout's newest.
    pub layout: Option<Wording>,
}

/// The words that are asked for.
pub async fn find<L>(ledger: &L, tenant: &TenantId, from: &FromTemplate) -> ledger::Result<Result<Found, NotFound>>
where
    L: Wordings + ?Sized,
{
    let own = ledger.default_locale(tenant).await?.unwrap_or_default();
    let Some(chain) = locale::chain(from.locale.as_deref(), &own) else {
        return Ok(Err(NotFound::Tag(from.locale.clone().unwrap_or_default())));
    };
    let wording = match nearest(ledger, tenant, &from.name, &chain, from.version).await? {
        Ok(wording) => wording,
        Err(not_found) => return Ok(Err(not_found)),
    };
    let Some(name) = &wording.content.layout else { return Ok(Ok(Found { wording, layout: None })) };
    let chain = locale::chain(Some(wording.locale.as_str()), &own).unwrap_or_default();
    let found = layout(ledger, tenant, name, &chain).await?;
    Ok(found.map(|layout| Found { wording, layout: Some(layout) }))
}

/// The layout of this name in the first of these languages that it is there in.
pub async fn layout<L>(ledger: &L, tenant: &TenantId, name: &str, chain: &[Locale]) -> ledger::Result<Result<Wording, NotFound>>
where
    L: Wordings + ?Sized,
{
    let layout = match nearest(ledger, tenant, name, chain, None).await? {
        Ok(layout) => layout,
        Err(not_found) => return Ok(Err(NotFound::Layout(Box::new(not_found)))),
    };
    let fits = layout.content.html.is_some() && layout.needs.iter().any(|need| need == CONTENT);
    Ok(if fits { Ok(layout) } else { Err(NotFound::NoLayout(name.to_owned())) })
}

async fn nearest<L>(
    ledger: &L,
    tenant: &TenantId,
    name: &str,
    chain: &[Locale],
    version: Option<u32>,
) -> ledger::Result<Result<Wording, NotFound>>
where
    L: Wordings + ?Sized,
{
    let languages = ledger.wording_languages(tenant, name).await?;
    if languages.is_empty() {
        return Ok(Err(NotFound::Name(name.to_owned())));
    }
    let Some(locale) = chain.iter().find(|locale| languages.iter().any(|head| head.locale == **locale)) else {
        let tried = chain.iter().map(Locale::to_string).collect();
        return Ok(Err(NotFound::Locale { name: name.to_owned(), tried }));
    };
    let wording = ledger.wording(tenant, name, locale, version).await?;
    Ok(wording.ok_or_else(|| match version {
        Some(version) => NotFound::Version { name: name.to_owned(), locale: locale.clone(), version },
        // It was deleted between the two looks.
        None => NotFound::Name(name.to_owned()),
    }))
}
