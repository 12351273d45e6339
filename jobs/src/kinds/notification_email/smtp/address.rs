//! Addresses as servers take them.

use lettre::Address;

use crate::outbound::Url;

/// The address with its domain in ASCII (IDNA), which every server takes. What stands before the `@` may need SMTPUTF8.
pub fn address_of(text: &str) -> Option<Address> {
    let (user, _) = text.rsplit_once('@')?;
    Address::new(user, domain_of(text)).ok()
}

/// The domain of an address, in ASCII.
pub fn domain_of(text: &str) -> String {
    let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
    if domain.is_ascii() {
        return domain.to_owned();
    }
    let url: Option<Url> = format!("http://{domain}/").parse().ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_ascii_on_its_way() {
        for (text, address) in [
            ("ana@example.com", "ana@example.com"),
            ("Ana@Example.COM", "Ana@Example.COM"),
            ("ana@bücher.example", "ana@xn--bcher-kva.example"),
            ("ünï@bücher.example", "ünï@xn--bcher-kva.example"),
        ] {
            assert_eq!(address_of(text).map(|address| address.to_string()).as_deref(), Some(address));
        }
    }
}
