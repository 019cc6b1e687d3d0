//! The client: a name of its own, a way to the database, a session.

use crate::doors::Doors;
use crate::options::{ClientBuilder, draw_id};
use crate::session::Session;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vecraft_types::api::{Call, Consistency, Database};
use vecraft_types::{ClientId, RequestId, Result, Timestamp};

/// A client of a Vecraft server. Clones share the connection, the id and the session; use one from many tasks.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

/// What clones share.
pub(crate) struct Inner {
    pub(crate) options: ClientBuilder,
    pub(crate) way: Way,
    id: ClientId,
    /// Requests named so far (I10).
    sequence: AtomicU64,
    /// What it has written and read.
    pub(crate) session: Session,
}

/// How the database is reached.
pub(crate) enum Way {
    /// Over tarpc.
    Remote(Arc<Doors>),
    /// In this process.
    Embedded(Arc<dyn Database>),
}

impl Client {
    /// A client of a database in this process (`Server::database()` of an embedded server): the same builders and
    /// session, without a network between. Nothing is retried here, for the database itself does.
    ///
    /// # Errors
    /// [`Code::Io`](vecraft_types::Code::Io) when the system gives no random numbers for the client's id.
    pub fn embedded(database: Arc<dyn Database>) -> Result<Client> {
        Ok(Client::new(ClientBuilder::default(), Way::Embedded(database), draw_id()?))
    }

    /// Connects to a server's client door, `host:port`, with the default options.
    ///
    /// # Errors
    /// [`Code::Unavailable`](vecraft_types::Code::Unavailable) when nobody answers there.
    pub async fn connect(address: impl Into<String>) -> Result<Client> {
        Client::builder().address(address).connect().await
    }

    /// A client with other options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new(options: ClientBuilder, way: Way, id: ClientId) -> Client {
        let inner = Inner { options, way, id, sequence: AtomicU64::new(0), session: Session::default() };
        Client { inner: Arc::new(inner) }
    }

    /// This client's name, new with every client made (I10).
    pub fn id(&self) -> ClientId {
        self.inner.id
    }

    /// Largest timestamp of the writes acknowledged to this client; zero before the first. What it has *read* is
    /// remembered by shard and goes with each of its reads, not with this number.
    pub fn session_timestamp(&self) -> Timestamp {
        self.inner.session.floor()
    }

    /// The consistency level that sees all of this client's own writes and, in its own reads, nothing older than it has
    /// seen before.
    pub fn session(&self) -> Consistency {
        Consistency::Session(self.session_timestamp())
    }
}

impl Inner {
    /// The envelope of the builder calls.
    pub(crate) fn call(&self) -> Call {
        Call { database: self.options.database.clone(), deadline_ms: None, request: None }
    }

    /// A new name for a request; one given by the caller is kept, so that a caller may retry on its own.
    pub(crate) fn name(&self, given: Option<RequestId>) -> Option<RequestId> {
        given.or_else(|| {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
            Some(RequestId { client: self.id, sequence, part: 0 })
        })
    }

    /// The call under a name: what makes something is done once, at whichever door it is asked for again.
    pub(crate) fn named(&self, call: Call) -> Call {
        Call { request: self.name(call.request), ..call }
    }

    /// A number that differs from client to client and call to call, to spread retries.
    pub(crate) fn jitter(&self) -> u64 {
        (self.id.0 as u64) ^ self.sequence.load(Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
