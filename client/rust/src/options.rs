//! How a client is set up.

use crate::Client;
use crate::client::Way;
use crate::doors::Doors;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::sync::Arc;
use std::time::Duration;
use vecraft_types::{ClientId, Code, Error, Result};

/// Options of a [`Client`], from [`Client::builder`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    pub(crate) addresses: Vec<String>,
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) retries: bool,
    pub(crate) follows_topology: bool,
    pub(crate) database: String,
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder {
            addresses: Vec::new(),
            deadline: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            retries: true,
            follows_topology: true,
            database: String::new(),
        }
    }
}

impl ClientBuilder {
    /// Adds the client door of a server, `host:port`. One is enough to find the others of its cluster; several let a
    /// client start while one of them is away.
    pub fn address(mut self, address: impl Into<String>) -> ClientBuilder {
        self.addresses.push(address.into());
        self
    }

    /// How long a call may take when it names no deadline itself. Default 30 s, at most 1 h.
    pub fn deadline(mut self, deadline: Duration) -> ClientBuilder {
        self.deadline = deadline;
        self
    }

    /// How long one attempt to connect may take. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// Whether calls are tried again until their deadline while the server is starting, busy, or out of reach.
    /// Default yes. Tests that look at single attempts say no.
    pub fn retries(mut self, retries: bool) -> ClientBuilder {
        self.retries = retries;
        self
    }

    /// Whether to go to the nodes that the servers tell of: to leaders with writes, to replicas with reads, to any other
    /// when one cannot be reached. Default yes. Say no where only the addresses given can be reached (behind a proxy, or
    /// where the nodes' own addresses mean something else), and to ask one node in particular.
    pub fn follow_topology(mut self, follows: bool) -> ClientBuilder {
        self.follows_topology = follows;
        self
    }

    /// The database of the builder calls; empty means `default`.
    pub fn database(mut self, database: impl Into<String>) -> ClientBuilder {
        self.database = database.into();
        self
    }

    /// Draws the client's id (I10) and connects.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`] without an address, [`Code::Unavailable`] when no address answers.
    pub async fn connect(self) -> Result<Client> {
        if self.addresses.is_empty() {
            return Err(Error::invalid("a client needs at least one address, host:port"));
        }
        let doors = Arc::new(Doors::new(&self));
        // So that a wrong address is found at once, and the other doors are known when this one closes.
        doors.open(None, &[]).await?;
        Ok(Client::new(self, Way::Remote(doors), draw_id()?))
    }
}

/// 128 random bits, drawn once per client: nobody else may have them (I10).
pub(crate) fn draw_id() -> Result<ClientId> {
    let no_randomness = |error| Error::new(Code::Io, format!("the system gives no random numbers: {error}"));
    let mut bits = [0; 16];
    OsRng.try_fill_bytes(&mut bits).map_err(no_randomness)?;
    Ok(ClientId(u128::from_le_bytes(bits)))
}
