//! The connection to a server, replaced when it breaks.
//!
//! ```text
//! none ── call ──> open ── a call failed on it ──> none
//! ```
//! Calls share one connection. Who finds it broken says which one it was, so that a newer one is not thrown away.

use crate::options::ClientBuilder;
use std::time::Duration;
use tokio::sync::Mutex;
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_rpc::transport;
use vecraft_types::{Code, Error, Result};

/// See the [module](self).
pub(crate) struct Connection {
    addresses: Vec<String>,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<DatabaseServiceClient>,
    /// Counts connections; names the present one.
    generation: u64,
    /// Which address is tried first.
    at: usize,
}

/// A usable connection.
pub(crate) struct Open {
    pub(crate) rpc: DatabaseServiceClient,
    pub(crate) generation: u64,
}

impl Connection {
    pub(crate) fn new(options: &ClientBuilder) -> Connection {
        Connection {
            addresses: options.addresses.clone(),
            timeout: options.connect_timeout,
            state: Mutex::default(),
        }
    }

    /// The present connection, or a new one to the first address that answers. Callers that arrive meanwhile
    /// wait for the same attempt.
    pub(crate) async fn get(&self) -> Result<Open> {
        let mut state = self.state.lock().await;
        if let Some(rpc) = &state.open {
            return Ok(Open { rpc: rpc.clone(), generation: state.generation });
        }
        let mut failures = Vec::new();
        for _ in 0..self.addresses.len() {
            let address = &self.addresses[state.at % self.addresses.len()];
            let failure = match tokio::time::timeout(self.timeout, transport::connect(address)).await {
                Ok(Ok(rpc)) => {
                    state.generation += 1;
                    state.open = Some(rpc.clone());
                    return Ok(Open { rpc, generation: state.generation });
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} ms", self.timeout.as_millis()),
            };
            failures.push(format!("{address}: {failure}"));
            state.at = (state.at + 1) % self.addresses.len();
        }
        Err(Error::new(Code::Unavailable, format!("cannot connect to {}", failures.join(", "))))
    }

    /// Forgets a broken connection; the next call opens another, to another address if there are several.
    pub(crate) async fn broke(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation && state.open.take().is_some() {
            state.at = (state.at + 1) % self.addresses.len();
        }
    }
}
