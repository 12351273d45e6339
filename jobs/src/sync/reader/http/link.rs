//! Where a link to the next page leads: to the connection's origin, and kept without secrets. Next: `paging.rs`.

use super::Http;
use crate::{
    outbound::{HeaderMap, Url, header},
    sync::{
        definition::Pagination,
        reader::{
            Wrong,
            paging::next_link,
            records::{MARK_BYTES_MAX, too_long},
        },
    },
};

impl Http {
    /// The link to the next page that the header says, where the list is paged by it.
    pub(super) fn link_of(&self, headers: &HeaderMap) -> Option<String> {
        if !matches!(self.source.list.pagination, Some(Pagination::NextLink { pointer: None })) {
            return None;
        }
        headers.get_all(header::LINK).iter().filter_map(|link| link.to_str().ok()).find_map(next_link)
    }

    /// Where a link leads: path and query, without secrets. To another origin none is followed, whatever it is.
    pub(super) fn at_home(&self, from: &Url, link: &str) -> Result<String, Wrong> {
        if link.len() > MARK_BYTES_MAX {
            return Err(too_long(link.len()));
        }
        let to = from
            .join(link)
            .map_err(|error| Wrong::always("next_link_elsewhere", format!("the link to the next page is no URL: {error}")))?;
        if !self.caller.is_at_home(&to) {
            let there = to.host_str().unwrap_or(to.scheme());
            let message = format!("the link to the next page leads to {there}, which is not the connection's origin: it is not followed");
            return Err(Wrong::always("next_link_elsewhere", message));
        }
        let hidden = self.caller.hidden();
        let is_secret = |value: &str| hidden.text(value) != value;
        let mut kept = to.clone();
        if to.query_pairs().any(|(_, value)| is_secret(&value)) {
            let pairs: Vec<(String, String)> = to
                .query_pairs()
                .filter(|(_, value)| !is_secret(value))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            kept.query_pairs_mut().clear().extend_pairs(pairs);
        }
        let query = kept.query().map_or_else(String::new, |query| format!("?{query}"));
        Ok(format!("{}{query}", kept.path()))
    }
}
