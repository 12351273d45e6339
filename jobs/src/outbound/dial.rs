//! Connections for those who speak no HTTP, such as SMTP: to the same addresses, by the same resolver, with the same exceptions.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{CONNECT, Error, Outbound, Url, address_in};

/// How long one of a host's addresses may take, so that there is time for another.
const ADDRESS: Duration = Duration::from_secs(4);

impl Outbound {
    /// Connects to this host at this port, after its addresses were checked. What is said there is the caller's to encrypt.
    pub async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let url = host_of(host, port)?;
        let until = Instant::now() + CONNECT;
        let late = || Error::Unreachable { host: host.to_owned(), why: format!("it took longer than {} s", CONNECT.as_secs()) };
        let addresses = timeout_at(until, self.addresses(&url, port)).await.map_err(|_| late())??;
        let mut why = "it has no address".to_owned();
        for address in addresses {
            match timeout_at(until.min(Instant::now() + ADDRESS), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Commands are short, and each is waited for.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) if Instant::now() >= until => return Err(late()),
                Err(_) => why = "it does not answer".to_owned(),
            }
        }
        Err(Error::Unreachable { host: host.to_owned(), why })
    }

    /// Whether the operator has made an exception of this host: only then may anything be said to it without TLS.
    pub fn excepts(&self, host: &str, port: u16) -> bool {
        host_of(host, port).is_ok_and(|url| self.0.allowed.has(url.host_str().unwrap_or_default(), port))
    }

    async fn addresses(&self, url: &Url, port: u16) -> Result<Vec<SocketAddr>, Error> {
        self.way(url)?;
        let host = url.host_str().unwrap_or_default();
        if let Some(address) = address_in(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let guarded = !self.0.allowed.has(host, port);
        let names = super::Resolver { guarded, ..self.0.names.clone() };
        let found = names.addresses(host).await.map_err(|error| Error::of_lookup(host, error.as_ref()))?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }
}

/// As a URL, which knows every spelling of an address.
fn host_of(host: &str, port: u16) -> Result<Url, Error> {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let url: Url = format!("https://{host}:{port}/").parse().map_err(|error| Error::Invalid(format!("{host:?} is no host: {error}")))?;
    // Nothing but a host, or another would be called than is written.
    if url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err(Error::Invalid(format!("{host:?} is no host")))
    }
}
