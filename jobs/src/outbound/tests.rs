//! Over real sockets: where we may call, and what hostile servers can do to us.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What a server does after it has read a request's head.
#[derive(Clone)]
enum Act {
    Say(Vec<u8>),
    /// The same again, until nobody listens.
    Repeat(&'static [u8]),
    /// The same again, with a pause.
    Drip(&'static [u8], Duration),
    Hang,
}

/// A server that does the same to everybody; it closes after the last act.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(acts: Vec<Act>) -> Self {
        Self::answering(move |_| acts.clone()).await
    }

    async fn answering(acts: impl Fn(SocketAddr) -> Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (acts, heads) = (acts(address), Arc::new(Mutex::new(Vec::new())));
        let seen = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, acts.clone(), seen.clone()));
            }
        });
        Self { address, heads }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }
}

async fn converse(mut stream: TcpStream, acts: Vec<Act>, heads: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    heads.lock().expect("not poisoned").push(String::from_utf8_lossy(&head).into_owned());
    for act in acts {
        match act {
            Act::Say(bytes) => stream.write_all(&bytes).await?,
            Act::Repeat(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Act::Drip(bytes, pause) => loop {
                stream.write_all(bytes).await?;
                tokio::time::sleep(pause).await;
            },
            Act::Hang => std::future::pending().await,
        }
    }
    Ok(())
}

fn say(text: impl Into<String>) -> Act {
    Act::Say(text.into().into_bytes())
}

fn redirect_to(location: &str) -> Vec<Act> {
    vec![say(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"))]
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A way out that may call these servers.
fn out_to(servers: &[&Server]) -> Outbound {
    let hosts: Vec<String> = servers.iter().map(|server| server.address.to_string()).collect();
    Outbound::new(hosts.join(",").parse().expect("hosts")).expect("a client")
}

fn nobody() -> Outbound {
    Outbound::new(Hosts::default()).expect("a client")
}

const LIMITS: Limits = Limits { total_ms: 2_000, silence_ms: 300, body_bytes_max: 100_000, redirects_max: 0 };

#[tokio::test]
async fn no_spelling_of_an_address_of_the_inside_is_called() {
    let out = nobody();
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.01/",
        "https://0/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127%2e0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://10.0.0.1:8443/",
        "https://[::1]/",
        "https://[::]/",
        "https://[0:0:0:0:0:ffff:7f00:1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
    ] {
        let error = out.get(url, &LIMITS).await.expect_err(url);
        assert!(matches!(error, Error::Forbidden { .. }) && error.is_unsent() && error.is_final(), "{url}: {error}");
    }
    for url in ["https://[fe80::1%25eth0]/", "ftp://example.com/", "file:///etc/passwd", "https://a:b@example.com/", "https://", "//x", ""]
    {
        assert!(matches!(out.get(url, &LIMITS).await, Err(Error::Invalid(_))), "{url}");
    }
    assert!(matches!(out.url("http://example.com/"), Err(Error::Forbidden { .. })), "without TLS");
    assert!(out.url("https://example.com:8443/a?b").is_ok() && out.url("https://1.1.1.1/").is_ok());
}

/// Names as somebody else's servers have them.
struct Zone(Mutex<Vec<Vec<&'static str>>>);

#[async_trait]
impl Lookup for Zone {
    async fn lookup(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.0.lock().expect("not poisoned").pop().expect("one look for each connection");
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address.parse().expect("an address"), 0)).collect())
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_called_whatever_else_it_says() {
    let inside = Server::start(vec![say(OK)]).await;
    let url = format!("https://rebind.example:{}/", inside.address.port());
    for addresses in [vec!["127.0.0.1"], vec!["93.184.216.34", "127.0.0.1"], vec!["::ffff:127.0.0.1"], vec!["64:ff9b::7f00:1"]] {
        // A second look would panic: what was checked is what is connected to.
        let out = Outbound::with_lookup(Hosts::default(), Arc::new(Zone(Mutex::new(vec![addresses])))).expect("a client");
        let error = out.get(&url, &LIMITS).await.expect_err("inside");
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
        assert!(!error.to_string().contains("127.0.0.1"), "names of the inside are not told: {error}");
    }
    let real = nobody().get(&format!("https://localhost:{}/", inside.address.port()), &LIMITS).await.expect_err("localhost");
    assert!(matches!(real, Error::Forbidden { .. }), "{real}");
    assert!(inside.heads().is_empty());
}

#[tokio::test]
async fn connections_that_are_no_http_go_nowhere_else() {
    let inside = Server::start(vec![say(OK)]).await;
    let port = inside.address.port();
    for host in
        ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "::1", "::ffff:127.0.0.1", "169.254.169.254", "localhost"]
    {
        let error = nobody().dial(host, port).await.expect_err(host);
        assert!(matches!(error, Error::Forbidden { .. }), "{host}: {error}");
        assert!(!nobody().excepts(host, port), "{host}");
    }
    for host in ["", "a b", "user@127.0.0.1", "127.0.0.1/", "127.0.0.1#", "127.0.0.1?", "a:b:c", "[::1"] {
        assert!(matches!(nobody().dial(host, port).await, Err(Error::Invalid(_))), "{host:?}");
    }
    for addresses in [vec!["127.0.0.1"], vec!["93.184.216.34", "127.0.0.1"], vec!["::ffff:127.0.0.1"]] {
        // A second look would panic: what was checked is what is connected to.
        let out = Outbound::with_lookup(Hosts::default(), Arc::new(Zone(Mutex::new(vec![addresses])))).expect("a client");
        let error = out.dial("rebind.example", port).await.expect_err("inside");
        assert!(matches!(error, Error::Forbidden { .. }) && !error.to_string().contains("127.0.0.1"), "{error}");
    }
    let excepted = out_to(&[&inside]);
    assert!(excepted.excepts("127.0.0.1", port) && !excepted.excepts("127.0.0.1", port ^ 1) && !excepted.excepts("localhost", port));
    assert!(excepted.dial("127.0.0.1", port).await.is_ok(), "the operator's exception");
}

#[tokio::test]
async fn an_exception_holds_for_its_host_and_port_alone() {
    let (named, other) = (Server::start(vec![say(OK)]).await, Server::start(vec![say(OK)]).await);
    let out = out_to(&[&named]);
    assert_eq!(out.get(&named.url("/"), &LIMITS).await, Ok(b"ok".to_vec()));
    assert!(matches!(out.get(&other.url("/"), &LIMITS).await, Err(Error::Forbidden { .. })));
    let port = named.address.port();
    assert!(matches!(out.get(&format!("https://localhost:{port}/"), &LIMITS).await, Err(Error::Forbidden { .. })), "another name of it");
    let by_name = Outbound::new(format!("localhost:{port}").parse().expect("a host")).expect("a client");
    assert_eq!(by_name.get(&format!("http://localhost:{port}/"), &LIMITS).await, Ok(b"ok".to_vec()));
}

#[tokio::test]
async fn no_redirect_leads_inside() {
    let inside = Server::start(vec![say(OK)]).await;
    let port = inside.address.port();
    for location in [
        "http://169.254.169.254/latest/".to_owned(),
        "https://169.254.169.254/latest/".to_owned(),
        format!("https://localhost:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
    ] {
        let from = Server::start(redirect_to(&location)).await;
        let error = out_to(&[&from]).get(&from.url("/"), &LIMITS).await.expect_err("inside");
        assert!(matches!(error, Error::Forbidden { .. }), "{location}: {error}");
    }
    for location in ["file:///etc/passwd", "gopher://x/", "https://a:b@example.com/", "http://[/"] {
        let from = Server::start(redirect_to(location)).await;
        let error = out_to(&[&from]).get(&from.url("/"), &LIMITS).await.expect_err("nowhere");
        assert!(matches!(error, Error::Invalid(_) | Error::Broken { .. }), "{location}: {error}");
    }
    assert!(inside.heads().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_only_where_asked_for() {
    let circle = Server::answering(|address| redirect_to(&format!("http://{address}/again"))).await;
    let out = out_to(&[&circle]);
    let host = "127.0.0.1".to_owned();
    assert_eq!(out.get(&circle.url("/"), &LIMITS).await, Err(Error::Redirected { host, followed: 5 }));
    assert_eq!(circle.heads().len(), 6);
    let url = out.url(&circle.url("/")).expect("a URL");
    for (method, redirects_max) in [(Method::GET, 0), (Method::POST, 5)] {
        let answer = out.send(Request::new(method, url.clone()), &Limits { redirects_max, ..LIMITS }).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::FOUND);
    }
    assert_eq!(circle.heads().len(), 8);
}

#[tokio::test]
async fn what_shows_who_we_are_stays_with_its_origin() {
    let end = Server::start(vec![say(OK)]).await;
    let begin = Server::start(redirect_to(&end.url("/end"))).await;
    let out = out_to(&[&begin, &end]);
    let secret = HeaderValue::from_static("secret");
    let request = Request::new(Method::GET, out.url(&begin.url("/")).expect("a URL"))
        .with(header::AUTHORIZATION, secret.clone())
        .with(HeaderName::from_static("x-api-key"), secret)
        .with(header::ACCEPT, HeaderValue::from_static("text/css"));
    let answer = out.send(request, &Limits { redirects_max: 1, ..LIMITS }).await.expect("an answer");
    assert_eq!(answer.bytes().await, Ok(b"ok".to_vec()));
    assert!(begin.heads()[0].contains("secret"), "{:?}", begin.heads());
    let head = end.heads().remove(0).to_lowercase();
    assert!(!head.contains("secret") && !head.contains("referer") && head.contains("accept: text/css"), "{head}");
}

#[test]
fn a_redirect_never_leads_from_https_to_http() {
    let request = Request::new(Method::GET, "https://a.example/".parse().expect("a URL"));
    let error = redirected(request, "http://a.example/".parse().expect("a URL")).expect_err("without TLS");
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn hostile_answers_end_in_clear_errors_within_the_limits() {
    let headers: String = (0..99).map(|n| format!("x-{n}: {}\r\n", "a".repeat(1_000))).collect();
    let many: String = (0..200).map(|n| format!("x-{n}: a\r\n")).collect();
    let cases: Vec<(&str, &str, Vec<Act>)> = vec![
        ("never answers", "answer_late", vec![Act::Hang]),
        ("drips its head", "answer_late", vec![Act::Drip(b"H", Duration::from_millis(50))]),
        ("hangs in its body", "answer_late", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), Act::Hang]),
        (
            "drips its body",
            "answer_late",
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n"), Act::Drip(b"a", Duration::from_millis(50))],
        ),
        (
            "announces 10 GB",
            "answer_too_large",
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"), Act::Repeat(&[0; 8_192])],
        ),
        ("sends without end", "answer_too_large", vec![say("HTTP/1.1 200 OK\r\n\r\n"), Act::Repeat(&[0; 8_192])]),
        (
            "sends chunks without end",
            "answer_too_large",
            vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Act::Repeat(b"8\r\naaaaaaaa\r\n")],
        ),
        (
            "a bomb of gzip",
            "answer_encoded",
            vec![say("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x1b\x08\x00")],
        ),
        ("100 kB of headers", "answer_too_large", vec![say(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n"))]),
        ("200 headers", "connection_broken", vec![say(format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"))]),
        ("a header without end", "connection_broken", vec![say("HTTP/1.1 200 OK\r\nx: "), Act::Repeat(&[b'a'; 8_192])]),
        ("a status without end", "answer_late", vec![Act::Repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n")]),
        ("no HTTP", "connection_broken", vec![say("SSH-2.0-OpenSSH_9.2\r\n")]),
        ("no header", "connection_broken", vec![say("HTTP/1.1 200 OK\r\nno header\r\n\r\n")]),
        ("two lengths", "connection_broken", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok")]),
        ("no number as its length", "connection_broken", vec![say("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok")]),
        ("no chunk", "connection_broken", vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n")]),
        ("closes at once", "connection_broken", vec![]),
        ("closes in its head", "connection_broken", vec![say("HTTP/1.1 200 OK\r\ncontent-")]),
        ("closes in its body", "connection_broken", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")]),
    ];
    for (what, code, acts) in cases {
        let server = Server::start(acts).await;
        let began = Instant::now();
        let error = out_to(&[&server]).get(&server.url("/"), &LIMITS).await.expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(!error.is_unsent(), "{what}: {error}");
        assert!(began.elapsed() < Duration::from_secs(6), "{what} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_refused_connection_was_certainly_not_a_call() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let out = Outbound::new(gone.to_string().parse().expect("a host")).expect("a client");
    let error = out.get(&format!("http://{gone}/"), &LIMITS).await.expect_err("nobody listens");
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_unsent() && !error.is_final(), "{error}");
    let unknown = nobody().get("https://nobody.invalid/", &LIMITS).await.expect_err("no such name");
    assert!(matches!(unknown, Error::Unreachable { .. }), "{unknown}");
}

#[tokio::test]
async fn an_excerpt_is_short_and_plain() {
    let server = Server::start(vec![say("HTTP/1.1 500 Oh\r\n\r\nno\u{1b}[31m room "), Act::Repeat(b"left ")]).await;
    let out = out_to(&[&server]);
    let request = Request::new(Method::GET, out.url(&server.url("/")).expect("a URL"));
    let answer = out.send(request, &LIMITS).await.expect("an answer");
    assert_eq!(answer.excerpt(22).await, "no[31m room left left");
}
