//! Where a link to the next page leads: to the connection's origin, and kept without secrets. Pure. Next: `paging.rs`.

use crate::{
    connection::{Hidden, door::take_out},
    outbound::{HeaderMap, Url, header},
    sync::{
        definition::{List, Pagination},
        reader::{
            Wrong,
            paging::next_link,
            records::{MARK_BYTES_MAX, too_long},
        },
    },
};

/// The link to the next page that the header says, where the list is paged by it.
pub(super) fn link_of(list: &List, headers: &HeaderMap) -> Option<String> {
    if !matches!(list.pagination, Some(Pagination::NextLink { pointer: None })) {
        return None;
    }
    headers.get_all(header::LINK).iter().filter_map(|link| link.to_str().ok()).find_map(next_link)
}

/// Where a link leads: path and query, without the key that goes along anyway (`key_parameter`), and without other secrets that are a whole
/// parameter. To another origin than it came from none is followed, whatever it is.
pub(super) fn at_home(from: &Url, link: &str, key_parameter: Option<&str>, hidden: &Hidden) -> Result<String, Wrong> {
    if link.len() > MARK_BYTES_MAX {
        return Err(too_long(link.len()));
    }
    let mut to =
        from.join(link).map_err(|error| Wrong::always("next_link_elsewhere", format!("the link to the next page is no URL: {error}")))?;
    if to.origin() != from.origin() {
        let there = to.host_str().unwrap_or(to.scheme());
        let message = format!("the link to the next page leads to {there}, which is not the connection's origin: it is not followed");
        return Err(Wrong::always("next_link_elsewhere", message));
    }
    if let Some(parameter) = key_parameter {
        take_out(&mut to, parameter);
    }
    let secrets: Vec<String> = to.query_pairs().filter(|(_, value)| hidden.is_one(value)).map(|(name, _)| name.into_owned()).collect();
    secrets.iter().for_each(|name| take_out(&mut to, name));
    let query = to.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(format!("{}{query}", to.path()))
}

/// The URL of a link that was kept, at the connection's origin: a path that begins with two slashes is no host.
pub(super) fn url_of(home: &Url, kept: &str) -> Url {
    let (path, query) = kept.split_once('?').map_or((kept, None), |(path, query)| (path, Some(query)));
    let mut url = home.clone();
    url.set_path(path);
    url.set_query(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_link_leads_back_to_where_it_led() {
        let (from, hidden) = (url("https://api.example/v1/list?page=1"), Hidden::default());
        for (link, expected) in [
            ("?page=2", "https://api.example/v1/list?page=2"),
            ("/a/b%2Fc?x=1&y=%26", "https://api.example/a/b%2Fc?x=1&y=%26"),
            ("https://api.example//v1/list?page=2", "https://api.example//v1/list?page=2"),
            ("https://api.example", "https://api.example/"),
            ("../a?u=https://other.example/?b", "https://api.example/a?u=https://other.example/?b"),
        ] {
            let kept = at_home(&from, link, None, &hidden).expect(link);
            let home = url("https://api.example/v1?licence=1");
            assert_eq!(url_of(&home, &kept).as_str(), expected, "{link}");
        }
        for link in ["https://other.example/", "//v1/list?page=2", "http://api.example/", "file:///etc/passwd"] {
            assert_eq!(at_home(&from, link, None, &hidden).map_err(|wrong| wrong.0.code), Err("next_link_elsewhere".into()), "{link}");
        }
    }

    #[test]
    fn a_link_loses_what_is_a_secret_and_keeps_words() {
        let (from, hidden) = (url("https://api.example/"), Hidden::default().and_text("planted secret").and_text("late"));
        let kept = |link: &str| at_home(&from, link, Some("licensekey"), &hidden).expect(link);
        assert_eq!(kept("/l?a=1&licensekey=anything&b=2"), "/l?a=1&b=2");
        assert_eq!(kept("/l?token=planted+secret&filter=latest"), "/l?filter=latest");
        assert_eq!(kept("/l?filter=latest&x=%7e"), "/l?filter=latest&x=%7e", "as it was written");
    }
}
