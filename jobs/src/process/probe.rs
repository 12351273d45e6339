//! Asks a process on this machine whether it is ready: what a container's health check runs, which has no curl.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, ensure};

/// How long an answer may take: more than the api waits for its ledger before it says that it is not ready.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// More of an answer than its status line and its problem, which is all that is shown of it.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;

/// Asks `/readyz` of whoever listens there; the error says why it is not ready.
pub(super) fn ask(mut address: SocketAddr) -> anyhow::Result<()> {
    ensure!(address.port() != 0, "it answers probes on any free port (port 0): set WINDROW_HEALTH_LISTEN to a fixed one");
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let mut connection = TcpStream::connect_timeout(&address, ANSWER_MAX).with_context(|| format!("connecting to {address}"))?;
    connection.set_read_timeout(Some(ANSWER_MAX))?;
    write!(connection, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).with_context(|| format!("waiting for {address}"))?;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 200 "), "not ready: {answer}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn only_a_200_is_ready() {
        for (answer, ready) in [("HTTP/1.1 200 OK\r\n\r\nok\n", true), ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false), ("", false)] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("an address");
            let answering = std::thread::spawn(move || {
                let (mut connection, _) = listener.accept().expect("somebody asks");
                let asked: Vec<String> =
                    BufReader::new(&connection).lines().map(|line| line.expect("text")).take_while(|line| !line.is_empty()).collect();
                assert_eq!(asked[0], "GET /readyz HTTP/1.1");
                connection.write_all(answer.as_bytes()).expect("the answer");
            });
            assert_eq!(ask(address).is_ok(), ready, "{answer:?}");
            answering.join().expect("it was asked");
            assert!(ask(address).is_err(), "nobody is there");
        }
    }
}
