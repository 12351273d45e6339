//! Calls to the outside world, at addresses that somebody else chose.
//!
//! [`Outbound`] is the one way out: it calls nobody but hosts of the internet, whatever a URL, a name or a redirect says, and takes
//! no more of an answer than was asked for. It uses no proxy, keeps no cookies, decodes nothing and follows nothing by itself.
//! An operator names exceptions (`outbound.allow_hosts`): these are not checked, and may be called without TLS.
//! Who speaks no HTTP has its connection from `dial.rs`, by the same rules.
//! Next: `tokens.rs` for what opens a provider's door, `kinds/http_request/` for who calls.

pub mod address;
mod answer;
mod dial;
mod error;
mod names;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use reqwest::{Certificate, Client, redirect};
pub use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{sync::Semaphore, time::Instant};

use self::names::Resolver;
pub use self::{
    answer::Answer,
    error::Error,
    names::{Lookup, System},
};
use crate::settings::hosts::Hosts;

/// How long a connection may take to come about, names and TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// For how long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);
/// The same of one that speaks HTTP/2 only: APNs takes one that is opened and closed all the time for an attack.
const IDLE_HTTP2: Duration = Duration::from_secs(600);
/// How often such a connection is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(60);
/// How long it may take to give one.
const PING_WAIT: Duration = Duration::from_secs(10);
/// The most connections of a host that are kept while nobody uses them.
const IDLE_MAX: usize = 8;
/// The most headers of an answer.
const HEADERS_MAX: usize = 100;
/// The most bytes of an answer's headers.
const HEADER_BYTES_MAX: u64 = 64 * 1024;
/// The longest URL.
const URL_BYTES_MAX: usize = 8_192;
/// The most redirects that are followed.
const REDIRECTS_MAX: u32 = 5;
/// What of a request goes to another origin than it was meant for.
const FOR_ANYBODY: [HeaderName; 2] = [header::ACCEPT, header::USER_AGENT];
/// How we introduce ourselves.
const USER_AGENT: &str = concat!("windrow/", env!("CARGO_PKG_VERSION"));

/// How much of an answer is taken, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time for all of it, redirects and body included.
    pub total_ms: u64,
    /// The longest silence within a body.
    pub silence_ms: u64,
    /// The longest body.
    pub body_bytes_max: u64,
    /// The most redirects that are followed, of GET and HEAD only; at most five. Without any a redirect is an answer.
    pub redirects_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total_ms: 30_000, silence_ms: 10_000, body_bytes_max: 1024 * 1024, redirects_max: 0 }
    }
}

/// What is particular of the way to a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Apart {
    /// Certificates, as PEM: by one of these, and by no other, is known who answers. None for the authorities of the machine.
    pub ca_pem: Option<String>,
    /// Nothing but HTTP/2 is spoken, and its connections are kept for long.
    pub http2_only: bool,
    /// Who we are, to whoever asks for a certificate (mTLS).
    pub identity: Option<Identity>,
}

/// A certificate of ours and its key. Never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate, and behind it those between it and its authority, as PEM.
    pub certificate_pem: String,
    /// The private key, as PEM, without a password.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// What is asked of somebody.
#[derive(Debug, Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Whom, and for what.
    pub url: Url,
    /// The headers; what shows who we are is forgotten at another origin.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// The same with this header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// The way out. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Ways>);

struct Ways {
    allowed: Hosts,
    names: Resolver,
    /// To anybody on the internet.
    guarded: Client,
    /// To the operator's exceptions.
    open: Client,
}

impl Outbound {
    /// The way out of this installation.
    pub fn new(allowed: Hosts) -> Result<Self, Error> {
        Self::with_lookup(allowed, Arc::new(System))
    }

    /// The same, with somebody else to ask for addresses.
    pub fn with_lookup(allowed: Hosts, lookup: Arc<dyn Lookup>) -> Result<Self, Error> {
        let lookups = Arc::new(Semaphore::new(names::LOOKUPS_MAX));
        Self::of(allowed, Resolver { lookup, guarded: true, lookups }, &Apart::default())
    }

    /// A way out with connections of its own, on which nobody else's requests go; as guarded as this one.
    pub fn apart(&self, apart: &Apart) -> Result<Self, Error> {
        Self::of(self.0.allowed.clone(), self.0.names.clone(), apart)
    }

    fn of(allowed: Hosts, names: Resolver, apart: &Apart) -> Result<Self, Error> {
        let guarded = client(&names, apart)?;
        let open = client(&Resolver { guarded: false, ..names.clone() }, apart)?;
        Ok(Self(Arc::new(Ways { allowed, names, guarded, open })))
    }

    /// Reads a URL, and says no to what could never be called: another scheme, a password in it, an address of the inside.
    pub fn url(&self, text: &str) -> Result<Url, Error> {
        if text.len() > URL_BYTES_MAX {
            return Err(Error::Invalid(format!("a URL has at most {URL_BYTES_MAX} bytes")));
        }
        let url: Url = text.parse().map_err(|error| Error::Invalid(format!("{text:?} is no URL: {error}")))?;
        self.way(&url)?;
        Ok(url)
    }

    /// The body of what lies at `url`, as long as the answer is a success; redirects are followed.
    pub async fn get(&self, url: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
        let request = Request::new(Method::GET, self.url(url)?);
        let answer = self.send(request, &Limits { redirects_max: REDIRECTS_MAX, ..*limits }).await?;
        if !answer.status.is_success() {
            return Err(Error::Status { host: answer.host().to_owned(), status: answer.status.as_u16() });
        }
        answer.bytes().await
    }

    /// Asks, and gives what was answered, whatever its status: head first, the body as it is read.
    pub async fn send(&self, mut request: Request, limits: &Limits) -> Result<Answer, Error> {
        let until = Instant::now() + Duration::from_millis(limits.total_ms);
        let follows = if matches!(request.method, Method::GET | Method::HEAD) { limits.redirects_max.min(REDIRECTS_MAX) } else { 0 };
        for followed in 0..=follows {
            let answer = self.send_once(request.clone(), limits, until).await?;
            let Some(next) = onward(&request.url, &answer).filter(|_| follows > 0) else {
                return Ok(answer);
            };
            if followed == follows {
                return Err(Error::Redirected { host: answer.host().to_owned(), followed });
            }
            request = redirected(request, self.url(&next?)?)?;
        }
        unreachable!("the last round returns")
    }

    async fn send_once(&self, request: Request, limits: &Limits, until: Instant) -> Result<Answer, Error> {
        let client = self.way(&request.url)?;
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let mut sent = reqwest::Request::new(request.method, request.url);
        *sent.headers_mut() = request.headers;
        if !request.body.is_empty() {
            *sent.body_mut() = Some(request.body.into());
        }
        let answered = tokio::time::timeout_at(until, client.execute(sent)).await;
        let answer = answered.map_err(|_| Error::TimedOut { host: host.clone(), waited_ms: limits.total_ms })?;
        Answer::of(host.clone(), answer.map_err(|error| Error::of(&host, &error))?, limits, until)
    }

    /// The client for this URL, if there is one.
    fn way(&self, url: &Url) -> Result<&Client, Error> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Error::Invalid(format!("{} is no URL of a host", url.scheme())));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Invalid("a URL holds no name and password: they belong into the connection's secrets".into()));
        }
        let allowed = self.0.allowed.has(host, port);
        match url.scheme() {
            "https" => {}
            "http" if allowed => {}
            "http" => return Err(Error::Forbidden { host: host.into(), why: "http shows everybody what is said; use https".into() }),
            other => return Err(Error::Invalid(format!("{other}: only https can be called"))),
        }
        if allowed {
            return Ok(&self.0.open);
        }
        // Every spelling of an address is one by now: the URL standard makes 0x7f.1 and 2130706433 of it too.
        match address_in(host).and_then(address::refused) {
            Some(purpose) => Err(Error::Forbidden { host: host.into(), why: format!("it is {purpose}") }),
            None => Ok(&self.0.guarded),
        }
    }
}

/// The address that a URL's host is, if it is no name.
fn address_in(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// A client whose ways out are ours alone.
fn client(names: &Resolver, apart: &Apart) -> Result<Client, Error> {
    let certificates = match &apart.ca_pem {
        Some(pem) => {
            let read = Certificate::from_pem_bundle(pem.as_bytes()).ok().filter(|read| !read.is_empty());
            Some(read.ok_or_else(|| Error::Invalid("its certificates cannot be read: they are no PEM of any".into()))?)
        }
        None => None,
    };
    let identity = match &apart.identity {
        Some(identity) => Some(read_identity(identity)?),
        None => None,
    };
    let builder = || {
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .dns_resolver(names.clone());
        let builder = match &certificates {
            Some(certificates) => builder.tls_certs_only(certificates.iter().cloned()),
            None => builder,
        };
        let builder = match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        };
        if !apart.http2_only {
            return builder;
        }
        // Asked for signs of life, or one that a router has forgotten would be noticed by the next request's time-out.
        let pings = builder.http2_keep_alive_interval(PING_EVERY).http2_keep_alive_timeout(PING_WAIT).http2_keep_alive_while_idle(true);
        pings.http2_prior_knowledge().pool_idle_timeout(IDLE_HTTP2)
    };
    let built = builder().build().or_else(|error| {
        // A machine without root certificates runs everything but calls by TLS.
        tracing::warn!(%error, "the machine's root certificates cannot be read, so no call by https will succeed");
        builder().tls_certs_only([]).build()
    });
    built.map_err(|error| Error::Invalid(format!("making an HTTP client: {error}")))
}

/// What of our own is shown. What cannot be read, or does not belong together, is said before anybody is called.
fn read_identity(identity: &Identity) -> Result<reqwest::Identity, Error> {
    let wrong = |why: String| Error::Invalid(format!("its client certificate cannot be used: {why}"));
    let both = zeroize::Zeroizing::new(format!("{}\n{}", identity.certificate_pem, identity.key_pem));
    let read = reqwest::Identity::from_pem(both.as_bytes()).map_err(|_| wrong("it and its key are no PEM of both".into()))?;
    let fits = Client::builder().tls_certs_only([]).identity(read.clone()).build();
    fits.map_err(|error| wrong(error::deepest(&error)))?;
    Ok(read)
}

/// Where an answer sends us on to, if it does.
fn onward(from: &Url, answer: &Answer) -> Option<Result<String, Error>> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?;
    let wrong = |why: String| Error::Broken { host: answer.host().to_owned(), why: format!("its redirect leads nowhere: {why}") };
    Some(match location.to_str() {
        Ok(location) => from.join(location).map(String::from).map_err(|error| wrong(error.to_string())),
        Err(error) => Err(wrong(error.to_string())),
    })
}

/// The same request to another URL; what shows who we are stays with the origin that it was meant for.
fn redirected(request: Request, next: Url) -> Result<Request, Error> {
    if request.url.scheme() == "https" && next.scheme() != "https" {
        let host = next.host_str().unwrap_or_default().to_owned();
        return Err(Error::Forbidden { host, why: "a redirect leads from https to http".into() });
    }
    let mut headers = request.headers;
    if request.url.origin() != next.origin() {
        headers =
            headers.into_iter().filter_map(|(name, value)| Some((name?, value))).filter(|(name, _)| FOR_ANYBODY.contains(name)).collect();
    }
    Ok(Request { url: next, headers, ..request })
}
