//! Finds the server and the key that a command uses.

use reqwest::Url;
use windrow_jobs::settings::{Effective, check_api_key};

use crate::{cli::Cli, failure::Failure, serve::key_file};

/// The server's base URL: as given, or the one that this configuration would serve.
pub fn base_url(cli: &Cli, effective: &Effective) -> Result<Url, Failure> {
    let text = match &cli.url {
        Some(url) => url.clone(),
        None => own_url(effective)?,
    };
    let url = Url::parse(&text)
        .map_err(|error| Failure::Usage(format!("--url {text}: a server's URL is like https://jobs.example.com ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Failure::Usage(format!("--url {text}: a server's URL is like https://jobs.example.com")));
    }
    Ok(url)
}

fn own_url(effective: &Effective) -> Result<String, Failure> {
    let mut address = effective.settings.api.listen;
    if address.port() == 0 {
        return Err(Failure::Usage("the server chooses its port (api.listen has port 0): name it by --url".into()));
    }
    if address.ip().is_unspecified() {
        let local = if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(local);
    }
    Ok(format!("http://{address}"))
}

/// The API key: as given, as set, or as the server on this machine keeps it.
pub fn api_key(cli: &Cli, effective: &Effective, url: &Url) -> Result<String, Failure> {
    if let Some(key) = &cli.key {
        check_api_key(key).map_err(|message| Failure::Usage(format!("--key: {message}")))?;
        return Ok(key.clone());
    }
    if let Some(key) = &effective.settings.api.key {
        return Ok(key.as_str().to_owned());
    }
    let path = key_file(&effective.settings.data_dir);
    // The file's key opens the server of this machine; it is nobody else's business.
    let kept = if is_loopback(url) { std::fs::read_to_string(&path).ok() } else { None };
    kept.map(|key| key.trim().to_owned()).ok_or_else(|| {
        Failure::Usage(format!("no API key: give --key, set WINDROW_API_KEY, or be where the server keeps {}", path.display()))
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
