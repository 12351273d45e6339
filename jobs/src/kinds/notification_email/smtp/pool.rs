//! Who may speak with a server when: conversations that are kept for the next message, and never more open than a connection allows.
//!
//! lettre's own pool caps only what it keeps idle: `Pool::connection` (transport/smtp/pool/async_impl.rs, 0.11.23) begins a conversation whenever none
//! is idle, however many are open. Here whoever speaks has a permit, a conversation is begun only when none is idle, and is laid aside before its
//! permit is: so those spoken in and those idle are never more than there are permits. Neither is forgotten where a job is dropped in the middle.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{Conversation, Letter, Server, Taken, Trouble};
use crate::{connection::ConnectionId, outbound::Outbound};

/// How long a turn is waited for; then somebody else may use the worker's slot meanwhile.
const TURN: Duration = Duration::from_secs(10);
/// For how long a conversation is kept while nobody speaks.
const IDLE: Duration = Duration::from_secs(15);
/// A conversation that was idle for longer is asked whether the server is still there.
const FRESH: Duration = Duration::from_secs(2);
/// Conversations end after so many messages: some servers take no more.
const MESSAGES_MAX: u32 = 100;
/// … and after so long.
const AGE_MAX: Duration = Duration::from_secs(300);
/// How often those that are idle are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// The conversations of a worker. Cheap to clone.
#[derive(Clone, Default)]
pub struct Pools(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    pools: HashMap<ConnectionId, Arc<Pool>>,
    sweeping: bool,
}

/// The conversations of a connection.
struct Pool {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// The edit of the connection that all this is by; conversations of an earlier one are not kept.
    generation: u32,
    cap: usize,
    /// Permits that are one too many, since the cap was lowered while they were out.
    surplus: usize,
    idle: Vec<Idle>,
}

struct Idle {
    conversation: Conversation,
    generation: u32,
    since: Instant,
}

/// The right to speak with a server.
pub struct Turn {
    pool: Arc<Pool>,
    generation: u32,
    // Before the permit: what is open is closed before somebody else opens another.
    conversation: Option<Conversation>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pools {
    /// A turn at this server. None where it takes too long.
    pub async fn turn(&self, server: &Server) -> Option<Turn> {
        let pool = self.pool(server);
        let permit = timeout(TURN, pool.permits.clone().acquire_owned()).await.ok()?.expect("it is never closed");
        Some(Turn { pool, generation: server.generation, conversation: None, permit: Some(permit) })
    }

    fn pool(&self, server: &Server) -> Arc<Pool> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !table.sweeping {
            table.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
        let pool = table.pools.entry(server.id).or_insert_with(|| Arc::new(Pool::new(server))).clone();
        drop(table);
        pool.resize(server);
        pool
    }
}

impl Pool {
    fn new(server: &Server) -> Self {
        let cap = server.connections_max;
        let state = State { generation: server.generation, cap, surplus: 0, idle: Vec::new() };
        Self { permits: Arc::new(Semaphore::new(cap)), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An edit may have changed the cap.
    fn resize(&self, server: &Server) {
        let mut state = self.state();
        if server.generation <= state.generation {
            return;
        }
        let (before, cap) = (state.cap, server.connections_max);
        (state.generation, state.cap) = (server.generation, cap);
        // What is idle is of the edit before. It goes before anybody has a permit more.
        state.idle.clear();
        if cap >= before {
            let more = cap - before;
            let paid = state.surplus.min(more);
            state.surplus -= paid;
            self.permits.add_permits(more - paid);
        } else {
            let fewer = before - cap;
            state.surplus += fewer - self.permits.forget_permits(fewer);
        }
    }

    /// The conversation that was laid aside last, of this edit.
    fn idle(&self, generation: u32) -> Option<Idle> {
        let mut state = self.state();
        state.idle.retain(|idle| idle.generation == generation);
        state.idle.pop()
    }
}

impl Turn {
    /// The conversation of this turn: one that is idle, or a new one.
    pub async fn conversation(&mut self, outbound: &Outbound, server: &Server) -> Result<&mut Conversation, Trouble> {
        while self.conversation.is_none() {
            let Some(mut idle) = self.pool.idle(self.generation) else {
                self.conversation = Some(Conversation::begin(outbound, server).await?);
                break;
            };
            let is_fresh = idle.since.elapsed() < FRESH;
            let is_new = idle.conversation.messages() < MESSAGES_MAX && idle.conversation.since().elapsed() < AGE_MAX;
            if is_new && (is_fresh || idle.conversation.noop().await.is_ok()) {
                self.conversation = Some(idle.conversation);
            } else if is_fresh {
                idle.conversation.quit().await;
            }
        }
        Ok(self.conversation.as_mut().expect("it was found or begun"))
    }

    /// Gives over a message. Where an idle conversation has ended meanwhile, which shows when one speaks again, it is given in a new one.
    pub async fn give(&mut self, outbound: &Outbound, server: &Server, letter: &Letter) -> Result<Taken, Trouble> {
        let conversation = self.conversation(outbound, server).await?;
        let was_idle = conversation.messages() > 0;
        match conversation.give(letter).await {
            Err(trouble) if was_idle && trouble.is_of_an_old_conversation() => {
                self.conversation = None;
                self.conversation(outbound, server).await?.give(letter).await
            }
            said => said,
        }
    }

    /// Lays the conversation aside for the next message. A turn that only ends has its conversation closed.
    pub fn keep(mut self) {
        let Some(conversation) = self.conversation.take().filter(|conversation| !conversation.is_over()) else { return };
        let mut state = self.pool.state();
        if state.generation == self.generation && state.surplus == 0 {
            state.idle.push(Idle { conversation, generation: self.generation, since: Instant::now() });
        }
    }

    /// Whether the end of a message was handed over, and its answer is not known.
    pub fn is_out(&self) -> bool {
        self.conversation.as_ref().is_some_and(Conversation::is_out)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.conversation = None;
        let mut state = self.pool.state();
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

/// Ends what nobody speaks in, for as long as there are pools.
async fn sweep(pools: std::sync::Weak<Mutex<Table>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(table) = pools.upgrade() else { return };
        let every: Vec<(ConnectionId, Arc<Pool>)> = {
            let table = table.lock().unwrap_or_else(PoisonError::into_inner);
            table.pools.iter().map(|(id, pool)| (*id, pool.clone())).collect()
        };
        for (_, pool) in &every {
            pool.sweep().await;
        }
        drop(every);
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody else has it, and nobody can get it while the table is held.
        table.pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.state().idle.is_empty());
    }
}

impl Pool {
    async fn sweep(&self) {
        // With a permit, as one that is being ended is open still. Where all are taken, those who have them use what is idle.
        while let Ok(_permit) = self.permits.clone().try_acquire_owned() {
            let old = {
                let mut state = self.state();
                let old = state.idle.iter().position(|idle| idle.since.elapsed() >= IDLE);
                old.map(|place| state.idle.remove(place))
            };
            match old {
                Some(idle) => idle.conversation.quit().await,
                None => return,
            }
        }
    }
}
