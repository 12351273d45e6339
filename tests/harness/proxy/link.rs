//! One connection through a proxy: two pumps, and an end that both sides see alike.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{Counters, Mode};

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks under way in each direction: a megabyte, so that a delay is a latency and no bandwidth.
const CHUNKS_MAX: usize = 64;

/// Carries one connection until a side closes it or the proxy cuts it.
pub(super) async fn run(mut client: TcpStream, server: SocketAddr, modes: watch::Receiver<Mode>, counters: Arc<Counters>) {
    // In a black hole nobody learns whether there is a server.
    if !may_connect(&mut client, modes.clone(), &counters).await {
        reset(&client, &counters);
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let lost = AtomicBool::new(false);
    let cut = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let there = pump(&mut from_client, &mut to_server, modes.clone(), &counters, &lost);
        let back = pump(&mut from_server, &mut to_client, modes.clone(), &counters, &lost);
        tokio::select! {
            () = until_cut(modes, &lost) => true,
            // What breaks one way is broken both ways, or a side would wait for ever on half a connection.
            carried = async { tokio::try_join!(there, back) } => carried.is_err(),
        }
    };
    if cut {
        reset(&client, &counters);
        let _ = server.set_zero_linger();
    }
}

/// Waits out a black hole, swallowing what is said into it. Whether the connection may go on: not if it lost something.
async fn may_connect(client: &mut TcpStream, mut modes: watch::Receiver<Mode>, counters: &Counters) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut said = false;
    loop {
        match *modes.borrow_and_update() {
            Mode::Forward(_) => return !said,
            Mode::Cut => return false,
            Mode::BlackHole => {}
        }
        tokio::select! {
            changed = modes.changed() => if changed.is_err() { return false },
            read = client.read(&mut chunk) => match read {
                Ok(bytes) if bytes > 0 => {
                    said = true;
                    counters.swallowed_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
                }
                _ => return false,
            },
        }
    }
}

/// Returns once the connection must be reset: the proxy cuts, or it forwards again and something was lost.
async fn until_cut(mut modes: watch::Receiver<Mode>, lost: &AtomicBool) {
    loop {
        match *modes.borrow_and_update() {
            Mode::Cut => return,
            Mode::Forward(_) if lost.load(Ordering::SeqCst) => return,
            Mode::Forward(_) | Mode::BlackHole => {}
        }
        if modes.changed().await.is_err() {
            return;
        }
    }
}

/// Carries one direction to its end, and closes it there too.
async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    modes: watch::Receiver<Mode>,
    counters: &Counters,
    lost: &AtomicBool,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let swallow = |bytes: usize| {
        lost.store(true, Ordering::SeqCst);
        counters.swallowed_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
    };
    let reading = async {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = from.read(&mut chunk).await?;
            if bytes == 0 {
                drop(sender);
                return io::Result::Ok(());
            }
            let mode = *modes.borrow();
            match mode {
                Mode::Forward(latency) => {
                    // Nobody takes it only where writing failed, which is what ends us.
                    let _ = sender.send((Instant::now() + latency, chunk[..bytes].to_vec())).await;
                }
                Mode::BlackHole | Mode::Cut => swallow(bytes),
            }
        }
    };
    let writing = async {
        while let Some((due, chunk)) = chunks.recv().await {
            sleep_until(due).await;
            // What was under way when the hole opened is in it.
            if *modes.borrow() == Mode::BlackHole {
                swallow(chunk.len());
                continue;
            }
            to.write_all(&chunk).await?;
            counters.forwarded_bytes.fetch_add(chunk.len() as u64, Ordering::SeqCst);
        }
        // A hole swallows farewells too.
        let mut modes = modes.clone();
        while *modes.borrow_and_update() == Mode::BlackHole {
            lost.store(true, Ordering::SeqCst);
            if modes.changed().await.is_err() {
                break;
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing).map(|_| ())
}

fn reset(client: &TcpStream, counters: &Counters) {
    let _ = client.set_zero_linger();
    counters.cut.fetch_add(1, Ordering::SeqCst);
}
