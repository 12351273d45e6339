//! A provider that lists records: made on the fly, so that a million cost no memory, and by every way of paging there is.
//!
//! Each way has a path of its own ([`Listing`]); all list the same [`Data`], which may change between requests. What goes wrong is told by the
//! number of the request ([`Source::fault`], [`Source::at`]). It answers as a real one would and remembers what it was asked.

mod data;
mod fault;
mod listing;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use self::wire::Answer;
pub use self::{
    data::{BASE_AT, Data},
    fault::Fault,
    listing::Listing,
    wire::Asked,
};

/// How long it is waited for a request.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The requests that are remembered; those before are only counted.
const SEEN_MAX: usize = 10_000;

type Edit = Box<dyn FnOnce(&mut Data) + Send>;

/// A running provider.
pub struct Source {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    data: Data,
    requests: u64,
    too_fast: u64,
    apart: Option<Duration>,
    last: Option<Instant>,
    token: Option<String>,
    packs: bool,
    gives_at_most: Option<u64>,
    faults: BTreeMap<u64, Fault>,
    always: Option<Fault>,
    edits: BTreeMap<u64, Vec<Edit>>,
    seen: VecDeque<Asked>,
}

struct Shared {
    state: Mutex<State>,
    /// How many requests came.
    requests: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

impl Source {
    /// Starts one that has so many records, with the ids 1, 2, 3 …
    pub async fn start(records: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State { data: Data::of(records), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), requests: watch::Sender::new(0) });
        let serving = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, serving }
    }

    /// Where it is: the URL of a connection.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this to the request of this number, the first being 1.
    pub fn fault(&self, request: u64, fault: Fault) {
        self.shared.lock().faults.insert(request, fault);
    }

    /// Does this to every request from now on; none for no more.
    pub fn always(&self, fault: Option<Fault>) {
        self.shared.lock().always = fault;
    }

    /// Changes what there is before the request of this number is answered.
    pub fn at(&self, request: u64, edit: impl FnOnce(&mut Data) + Send + 'static) {
        self.shared.lock().edits.entry(request).or_default().push(Box::new(edit));
    }

    /// Changes what there is now, or looks at it.
    pub fn with<T>(&self, edit: impl FnOnce(&mut Data) -> T) -> T {
        edit(&mut self.shared.lock().data)
    }

    /// Takes one request in this time, and answers 429 to whatever comes sooner, as Airtable does: without `Retry-After`.
    pub fn apart(&self, apart: Duration) {
        self.shared.lock().apart = Some(apart);
    }

    /// Lets nobody in but by this token.
    pub fn token(&self, token: Option<&str>) {
        self.shared.lock().token = token.map(str::to_owned);
    }

    /// Packs its pages by gzip, where that is accepted.
    pub fn packs(&self) {
        self.shared.lock().packs = true;
    }

    /// Gives at most so many records in a page, whatever it is asked for, without a word.
    pub fn gives_at_most(&self, records: u64) {
        self.shared.lock().gives_at_most = Some(records);
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Waits until so many requests have come.
    pub async fn until_requests(&self, number: u64) {
        let mut requests = self.shared.requests.subscribe();
        let came = tokio::time::timeout(WAIT_MAX, requests.wait_for(|requests| *requests >= number)).await;
        drop(
            came.unwrap_or_else(|_| panic!("{} requests came within {WAIT_MAX:?}, and not {number}", self.requests()))
                .expect("it is there"),
        );
    }

    /// How many of them came too soon.
    pub fn too_fast(&self) -> u64 {
        self.shared.lock().too_fast
    }

    /// What it was asked, the last 10,000.
    pub fn seen(&self) -> Vec<Asked> {
        self.shared.lock().seen.iter().cloned().collect()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        conversations.spawn(converse(stream, shared.clone()));
        while conversations.try_join_next().is_some() {}
    }
}

/// A client that goes away in between has had what it wanted.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut left = Vec::new();
    while let Some(asked) = wire::read(&mut stream, &mut left).await? {
        let ((answer, fault), requests) = {
            let mut state = shared.lock();
            (state.answer(asked), state.requests)
        };
        shared.requests.send_replace(requests);
        if !fault::send(&mut stream, answer, fault).await? {
            return Ok(());
        }
    }
    Ok(())
}

impl State {
    fn answer(&mut self, asked: Asked) -> (Answer, Option<Fault>) {
        self.requests += 1;
        for edit in self.edits.remove(&self.requests).unwrap_or_default() {
            edit(&mut self.data);
        }
        let fault = self.faults.remove(&self.requests).or_else(|| self.always.clone());
        let answer = self.answer_to(&asked);
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(asked);
        (answer, fault)
    }

    fn answer_to(&mut self, asked: &Asked) -> Answer {
        let now = Instant::now();
        let sooner = self.apart.zip(self.last).is_some_and(|(apart, last)| now.duration_since(last) < apart);
        self.last = Some(now);
        if sooner {
            self.too_fast += 1;
            return Answer::error(429, "too fast");
        }
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if bearer.is_some() && asked.header("authorization") != bearer.as_deref() {
            return Answer::error(401, "who are you?");
        }
        let answer = listing::answer(&self.data, asked, self.gives_at_most.unwrap_or(u64::MAX));
        let accepts = asked.header("accept-encoding").is_some_and(|coding| coding.contains("gzip"));
        if self.packs && accepts { answer.packed() } else { answer }
    }
}
