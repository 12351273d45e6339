//! How a conversation begins: connect, TLS, EHLO, AUTH.
//!
//! STARTTLS is done here and not by lettre, whose buffer survives it: what somebody in between slips in behind the server's answer would be taken for what
//! the server said under TLS. Here anything behind that answer ends the conversation.

use std::{io, sync::Arc, sync::LazyLock};

use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    extension::ClientId,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    server::{Security, Server},
    trouble::{Answer, Trouble},
    wire::{Ended, Line, Wire},
};
use crate::outbound::{self, Outbound};

/// The longest line of an answer: twice what servers may write (RFC 5321, section 4.5.3.1.5).
const LINE_BYTES_MAX: u64 = 1_024;
/// The most lines of an answer.
const LINES_MAX: usize = 100;

/// Connects, and is let in.
pub(super) async fn greeted(outbound: &Outbound, server: &Server, ended: &Ended) -> Result<AsyncSmtpConnection, Trouble> {
    if server.security == Security::None && !outbound.excepts(&server.host, server.port) {
        let why = "without TLS everybody reads what is said".into();
        return Err(outbound::Error::Forbidden { host: server.host.clone(), why }.into());
    }
    let stream = outbound.dial(&server.host, server.port).await?;
    let (line, greeting) = match server.security {
        Security::None => (Line::Plain(stream), Vec::new()),
        Security::Implicit => (encrypted(server, stream).await?, Vec::new()),
        Security::StartTls => {
            let (stream, greeting) = start_tls(server, stream).await?;
            (encrypted(server, stream).await?, greeting)
        }
    };
    let wire = Box::new(Wire::new(line, greeting, ended.clone()));
    let hello = ClientId::Domain(server.hello_name.clone());
    let connected = AsyncSmtpConnection::connect_with_transport(wire, &hello).await;
    let mut connection = connected.map_err(|error| Trouble::of(server, "the greeting", &error))?;
    if let Some((user, password)) = &server.login {
        log_in(server, &mut connection, Credentials::new(user.clone(), password.clone())).await?;
    }
    Ok(connection)
}

async fn log_in(server: &Server, connection: &mut AsyncSmtpConnection, credentials: Credentials) -> Result<(), Trouble> {
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    let unwelcome = |why: String| Trouble::Unwelcome { host: server.host.clone(), why };
    if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
        return Err(unwelcome("it offers neither AUTH PLAIN nor AUTH LOGIN".into()));
    }
    match connection.auth(&mechanisms, &credentials).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match Trouble::of(server, "AUTH", &error) {
            Trouble::Answered { answer, .. } if !answer.is_passing() => unwelcome(answer.text),
            trouble => trouble,
        }),
    }
}

/// Asks for TLS. Returns what the server said first.
async fn start_tls(server: &Server, stream: TcpStream) -> Result<(TcpStream, Vec<u8>), Trouble> {
    let mut plain = BufReader::new(stream);
    let broken = |at| move |error: io::Error| Trouble::Broken { host: server.host.clone(), at, why: error.to_string() };
    let greeting = answer(&mut plain).await.map_err(broken("the greeting"))?;
    positive(server, "the greeting", &greeting)?;
    plain.write_all(format!("EHLO {}\r\n", server.hello_name).as_bytes()).await.map_err(broken("EHLO"))?;
    let offered = answer(&mut plain).await.map_err(broken("EHLO"))?;
    positive(server, "EHLO", &offered)?;
    let offers = offered.lines().filter_map(|line| line.get(4..)).any(|keyword| keyword.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offers {
        return Err(Trouble::Tls { host: server.host.clone(), why: "it does not offer STARTTLS".into() });
    }
    plain.write_all(b"STARTTLS\r\n").await.map_err(broken("STARTTLS"))?;
    let ready = answer(&mut plain).await.map_err(broken("STARTTLS"))?;
    positive(server, "STARTTLS", &ready)?;
    if !plain.buffer().is_empty() {
        return Err(Trouble::Tls { host: server.host.clone(), why: "something was slipped in behind the answer to STARTTLS".into() });
    }
    Ok((plain.into_inner(), greeting.into_bytes()))
}

/// An answer as it came, all its lines.
async fn answer(plain: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    for _ in 0..LINES_MAX {
        let begins = text.len();
        plain.take(LINE_BYTES_MAX).read_line(&mut text).await?;
        let line = &text[begins..];
        if !line.ends_with('\n') {
            return Err(io::Error::other("the connection ended, or a line is too long"));
        }
        match line.as_bytes() {
            [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b'-', ..] => {}
            [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', ..] => return Ok(text),
            _ => return Err(io::Error::other("what came is no SMTP")),
        }
    }
    Err(io::Error::other("the answer has too many lines"))
}

fn positive(server: &Server, to: &'static str, text: &str) -> Result<(), Trouble> {
    let code = text.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
    if (200..400).contains(&code) {
        return Ok(());
    }
    let words: Vec<&str> = text.lines().filter_map(|line| line.get(4..)).collect();
    Err(Trouble::Answered { host: server.host.clone(), to, answer: Answer::new(code, &words.join(" "), &server.hidden) })
}

async fn encrypted(server: &Server, stream: TcpStream) -> Result<Line, Trouble> {
    let failed = |why: String| Trouble::Tls { host: server.host.clone(), why };
    let name = server.host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_owned();
    let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
    let config = match &server.ca_pem {
        Some(pem) => private(pem).map_err(failed)?,
        None => PUBLIC.clone(),
    };
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
    Ok(Line::Encrypted(Box::new(stream)))
}

/// What the machine trusts. Read once: it takes milliseconds, and changes with the machine's packages.
static PUBLIC: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusting(roots)
});

/// What a private authority has signed, and nothing else.
fn private(pem: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = certificate.map_err(|error| error.to_string()).and_then(|one| roots.add(one).map_err(|error| error.to_string()));
        added.map_err(|error| format!("a certificate of ca_pem cannot be read: {error}"))?;
    }
    Ok(trusting(roots))
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider speaks TLS 1.2 and 1.3");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}
