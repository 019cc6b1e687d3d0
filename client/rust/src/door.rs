//! One server's door: the connection to it, replaced when it breaks, and whether it is worth trying now.
//!
//! ```text
//! none ── call ──> open ── a call failed on it, or the server closed it while it was idle ──> none
//! ```
//! Calls share one connection. Who finds it broken says which one it was, so that a newer one is not thrown away.

use parking_lot::Mutex;
use std::time::Duration;
use tarpc::client::RpcError;
use tarpc::context;
use tokio::time::{Instant, timeout_at};
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_rpc::transport::{self, Connected, chain};
use vecraft_types::api::{Call, TopologyReply, TopologyRequest};

/// How long a door that could not be reached, or fell silent, is tried after the others only; doubled up to
/// [`DOWN_MAX`] each time that it happens again, for an attempt may cost its caller the whole timeout.
const DOWN_FIRST: Duration = Duration::from_secs(1);
const DOWN_MAX: Duration = Duration::from_secs(16);

/// See the [module](self).
pub(crate) struct Door {
    address: String,
    /// Whether a new connection is asked where it leads.
    greets: bool,
    state: tokio::sync::Mutex<State>,
    down: Mutex<Down>,
}

#[derive(Default)]
struct State {
    open: Option<Connected>,
    /// Counts connections; names the present one.
    generation: u64,
    /// When the last attempt failed, and why.
    failed: Option<(Instant, String)>,
}

/// Since when, and how often in a row, it was of no use.
#[derive(Default)]
struct Down {
    until: Option<Instant>,
    times: u32,
}

/// A usable connection.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) rpc: DatabaseServiceClient,
    pub(crate) generation: u64,
}

impl Door {
    pub(crate) fn new(address: String, greets: bool) -> Door {
        Door { address, greets, state: tokio::sync::Mutex::default(), down: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The present connection, or, within `patience`, a new one of which `meet` approves: it hears what the server says about its cluster.
    /// Callers that arrive meanwhile wait for the same attempt and share its end.
    pub(crate) async fn get<M>(&self, patience: Duration, meet: M) -> Result<Open, String>
    where
        M: FnOnce(TopologyReply) -> Result<(), String>,
    {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        // A full server closes idle connections. A call sent on one would be lost, and nobody could tell that nothing came
        // of it.
        if let Some(open) = state.open.as_ref().filter(|open| !open.is_closed()) {
            return Ok(Open { rpc: open.client.clone(), generation: state.generation });
        }
        if let Some((at, why)) = &state.failed
            && *at >= asked
        {
            return Err(why.clone());
        }
        match self.connect(patience, meet).await {
            Ok(open) => {
                let rpc = open.client.clone();
                state.generation += 1;
                state.open = Some(open);
                *self.down.lock() = Down::default();
                Ok(Open { rpc, generation: state.generation })
            }
            Err(why) => {
                state.failed = Some((Instant::now(), why.clone()));
                self.fell_silent();
                Err(why)
            }
        }
    }

    async fn connect<M>(&self, patience: Duration, meet: M) -> Result<Connected, String>
    where
        M: FnOnce(TopologyReply) -> Result<(), String>,
    {
        let until = Instant::now() + patience;
        let late = || format!("no answer within {} ms", patience.as_millis());
        let connecting = timeout_at(until, transport::connect(&self.address));
        let open = connecting.await.map_err(|_| late())?.map_err(|error| error.to_string())?;
        // None: a database that knows of no nodes.
        if self.greets
            && let Some(reply) = ask_topology(&open.client, TopologyRequest::default(), until).await?
        {
            meet(reply)?;
        }
        Ok(open)
    }

    /// Forgets a broken connection; the next call opens another.
    pub(crate) async fn broke(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.open = None;
        }
    }

    /// Others are better tried first for a while.
    pub(crate) fn fell_silent(&self) {
        let mut down = self.down.lock();
        down.until = Some(Instant::now() + (DOWN_FIRST * (1 << down.times.min(8))).min(DOWN_MAX));
        down.times += 1;
    }

    /// Whether it lately could not be reached.
    pub(crate) fn is_down(&self) -> bool {
        self.down.lock().until.is_some_and(|until| Instant::now() < until)
    }
}

/// Asks a server where things are; none when it cannot say.
///
/// # Errors
/// When no answer came.
pub(crate) async fn ask_topology(
    rpc: &DatabaseServiceClient,
    request: TopologyRequest,
    until: Instant,
) -> Result<Option<TopologyReply>, String> {
    let mut context = context::current();
    context.deadline = until.into_std();
    match rpc.topology(context, Call::default(), request).await {
        Ok(answer) => Ok(answer.ok()),
        // Busy, which is an answer too.
        Err(RpcError::Server(_)) => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}
