//! A faulty network between somebody and a server: a TCP proxy on a port of its own that cuts, swallows or delays on
//! command.
//!
//! It counts what it forwarded, swallowed and cut, so that a test can prove that its fault took effect. It knows
//! nothing of what it carries. Next: `proxy/link.rs`, one connection.

mod link;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// What becomes of what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It goes on, so much later.
    Forward(Duration),
    /// Connections stay and are taken, and nothing comes out of them.
    BlackHole,
    /// Connections are reset, and new ones refused.
    Cut,
}

/// What went through so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were taken.
    pub connections: u64,
    /// Bytes that were passed on, both ways.
    pub forwarded_bytes: u64,
    /// Bytes that were taken in and forgotten, both ways.
    pub swallowed_bytes: u64,
    /// Connections that were reset.
    pub cut: u64,
}

/// A proxy in this process; it ends with this value.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Whether connections are taken.
    listening: watch::Receiver<bool>,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts to forward to `server`, on a free port.
    pub async fn start(server: SocketAddr) -> Self {
        // Bound and never listening, it keeps the port ours while there is no listener, and lets the system refuse.
        let reserved = bound((Ipv4Addr::LOCALHOST, 0).into());
        let address = reserved.local_addr().expect("a bound address");
        let (mode, modes) = watch::channel(Mode::Forward(Duration::ZERO));
        let counters = Arc::new(Counters::default());
        let (tell, listening) = watch::channel(true);
        let door = Door { address, listener: Some(listen(address)), tell, _reserved: reserved };
        let accepting = tokio::spawn(accept(door, server, modes, counters.clone()));
        Self { address, mode, listening, counters, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection and refuses new ones. Returns once it refuses.
    pub async fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
        self.until_listening(false).await;
    }

    /// Takes connections and bytes, and lets none out.
    pub fn black_hole(&self) {
        self.mode.send_replace(Mode::BlackHole);
    }

    /// Lets everything arrive so much later.
    pub fn delay(&self, latency: Duration) {
        self.mode.send_replace(Mode::Forward(latency));
    }

    /// Forwards again, at once. Connections that lost something meanwhile are reset, as half a conversation is worse
    /// than none. Returns once new ones are taken.
    pub async fn restore(&self) {
        self.mode.send_replace(Mode::Forward(Duration::ZERO));
        self.until_listening(true).await;
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    async fn until_listening(&self, expected: bool) {
        let told = self.listening.clone().wait_for(|listening| *listening == expected).await.map(|_| ());
        told.expect("the proxy accepts as long as it lives");
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).field("mode", &*self.mode.borrow()).field("counts", &self.counts()).finish()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    forwarded_bytes: AtomicU64,
    swallowed_bytes: AtomicU64,
    cut: AtomicU64,
}

impl Counters {
    fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&self.connections),
            forwarded_bytes: read(&self.forwarded_bytes),
            swallowed_bytes: read(&self.swallowed_bytes),
            cut: read(&self.cut),
        }
    }
}

/// Where connections are taken, if they are.
struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    tell: watch::Sender<bool>,
    _reserved: TcpSocket,
}

impl Door {
    fn follow(&mut self, mode: Mode) {
        match (mode, &self.listener) {
            // Dropped, it also resets whoever waits to be accepted.
            (Mode::Cut, Some(_)) => self.listener = None,
            (Mode::Forward(_) | Mode::BlackHole, None) => self.listener = Some(listen(self.address)),
            _ => {}
        }
        self.tell.send_replace(self.listener.is_some());
    }

    /// The next connection; none where none are taken.
    async fn taken(&self) -> Option<TcpStream> {
        let (client, _) = self.listener.as_ref()?.accept().await.ok()?;
        Some(client)
    }
}

/// Takes connections while the mode allows it; owns them all, so that they end with it.
async fn accept(mut door: Door, server: SocketAddr, mut modes: watch::Receiver<Mode>, counters: Arc<Counters>) {
    let mut links = JoinSet::new();
    loop {
        door.follow(*modes.borrow_and_update());
        tokio::select! {
            changed = modes.changed() => if changed.is_err() { return },
            Some(client) = door.taken() => {
                counters.connections.fetch_add(1, Ordering::SeqCst);
                links.spawn(link::run(client, server, modes.clone(), counters.clone()));
            }
            Some(_) = links.join_next() => {}
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    bound(address).listen(BACKLOG).expect("the port is ours")
}

/// A socket at this address, beside others that do not listen.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket's option");
    socket.bind(address).expect("a free port, or ours");
    socket
}

#[cfg(test)]
mod tests;
