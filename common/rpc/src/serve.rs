//! The client door: serves [`DatabaseService`] on a listening socket.
//!
//! ```text
//! accept ─> task a connection: frames ─> task a call: db.verb(..) ─> frame
//! ```
//! A connection that sends anything but well-formed frames is closed with one log line, and no more often than
//! once in ten minutes from one host; the others do not notice.
//! One that says nothing at all is closed after a few seconds, as is one whose request was begun and does not go on (`heard`);
//! at a full door the one that was idle the longest gives way to a new one ([`crate::places`]): strangers who only sit there
//! keep nobody out.
//! A request that is too long is skipped and refused, and its connection goes on. So is one for which there is no memory:
//! all that arrive have one limit (`arriving`, I21).
//! A call whose caller went away is dropped at its next await, as at the Milvus door.

use crate::arriving::Arriving;
use crate::complaints::Complaints;
use crate::database::DatabaseService;
use crate::door::DoorEnd;
use crate::heard::Pace;
use crate::places::{Place, Places};
use crate::transport::{IN_FLIGHT_MAX, chain};
use crate::wire::{ENVELOPE_BYTES, left_ms};
use futures::{FutureExt, StreamExt};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel, Config, limits::requests_per_channel::MaxRequests};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vecraft_types::api::*;
use vecraft_types::limits::MESSAGE_BYTES_MAX;
use vecraft_types::{CollectionDescriptor, CollectionId, Error, Result};

/// How a door behaves.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Connections at once; for a further one the longest idle one is closed, and without an idle one it waits.
    pub connections_max: usize,
    /// How long a connection must have been idle before it is closed for another one.
    pub idle_min: Duration,
    /// How long a connection may be silent before its first request is there, and how often one looks whether a request
    /// that was begun goes on.
    pub silent_max: Duration,
    /// Bytes a second that come at least of a request that was begun, or its connection is closed.
    pub pace_min: u64,
    /// Calls of one connection under way at once; further ones are answered "busy".
    pub in_flight_max: usize,
    /// Bytes of one request; a larger one is refused without being read.
    pub message_bytes_max: usize,
    /// Bytes of all requests together that are not all there yet; one that needs more is answered "busy". At least one of
    /// the largest is taken, and short ones always are.
    pub arriving_bytes_max: usize,
    /// Where those bytes are counted (I21).
    pub arriving: Arc<AtomicU64>,
    /// How long calls under way may still run after shutdown.
    pub drain_max: Duration,
}

impl Default for ServeOptions {
    fn default() -> ServeOptions {
        ServeOptions {
            connections_max: 1_024,
            idle_min: Duration::from_secs(1),
            silent_max: Duration::from_secs(5),
            // Sixteen such connections share a link of 1 MiB/s.
            pace_min: 64 << 10,
            in_flight_max: IN_FLIGHT_MAX,
            message_bytes_max: MESSAGE_BYTES_MAX,
            arriving_bytes_max: 256 << 20,
            arriving: Arc::default(),
            drain_max: Duration::from_secs(10),
        }
    }
}

/// Pause after a failed accept (no file descriptors left): it fails again at once otherwise.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a draining connection looks whether it is idle.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Serves `db` until `shutdown` is ready, then takes no new connections and lets calls under way finish for
/// `drain_max`.
///
/// # Errors
/// None at present: a failed accept is logged and tried again.
pub async fn serve_database(
    listener: TcpListener,
    db: Arc<dyn Database>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let places = Places::new(options.connections_max, options.idle_min);
    let mut connections = JoinSet::new();
    let complaints: Arc<Complaints<IpAddr>> = Arc::default();
    let frame_bytes_max = options.message_bytes_max + ENVELOPE_BYTES;
    let arriving = Arriving::new(options.arriving_bytes_max.max(frame_bytes_max), options.arriving.clone());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (door, options, stopping) = (Door { db: db.clone() }, options.clone(), stopping.clone());
                let (complaints, arriving) = (complaints.clone(), arriving.clone());
                connections.spawn(async move {
                    let peer = stream.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
                    let conversed = match DoorEnd::new(stream, frame_bytes_max, arriving) {
                        Ok(end) => converse(end, place, door, &options, stopping).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = conversed {
                        complaints.tell(peer, "a client's connection was closed", &chain(&error));
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.drain_max, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "client calls were cut off at shutdown");
    }
    Ok(())
}

async fn accept(listener: &TcpListener, places: &Arc<Places>) -> io::Result<(TcpStream, Place)> {
    let (stream, _) = listener.accept().await?;
    Ok((stream, places.enter().await))
}

/// One connection, until it ends, breaks, gives way, or is idle while stopping.
async fn converse(
    end: DoorEnd,
    place: Place,
    door: Door,
    options: &ServeOptions,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let heard = end.heard();
    let channel = MaxRequests::new(BaseChannel::new(Config::default(), end), options.in_flight_max);
    let mut calls = std::pin::pin!(channel.requests());
    let mut look = tokio::time::interval(DRAIN_LOOK);
    let pace = Pace { look: options.silent_max, bytes_per_s_min: options.pace_min };
    let mut stall = std::pin::pin!(heard.stall(pace));
    loop {
        let is_stopping = *stopping.borrow();
        tokio::select! {
            // First: a request that is there already is taken before its connection is closed.
            biased;
            call = calls.next() => match call {
                Some(Ok(call)) => {
                    let (under_way, door) = (place.begin(), door.clone());
                    tokio::spawn(async move {
                        let _under_way = under_way;
                        call.execute(door.serve()).await;
                    });
                }
                Some(Err(error)) => return Err(io::Error::other(chain(&error))),
                None => return Ok(()),
            },
            () = place.must_leave() => return Ok(()),
            stall = &mut stall => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, pace.explain(stall).to_string()));
            }
            changed = stopping.changed(), if !is_stopping => if changed.is_err() { return Ok(()) },
            _ = look.tick(), if is_stopping => {
                if calls.as_mut().channel().in_flight_requests() == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// Turns the service's calls into the database's.
#[derive(Clone)]
struct Door {
    db: Arc<dyn Database>,
}

/// The caller's wait, as far as the connection still gives it.
fn within(context: &Context, mut call: Call) -> Call {
    let left = left_ms(context.deadline);
    call.deadline_ms = Some(call.deadline_ms.map_or(left, |asked| asked.min(left)));
    call
}

/// A panic in a verb is an answer, not a caller who waits for its deadline.
async fn answer<T>(verb: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(verb, "a call panicked");
        Err(Error::internal(format!("{verb} panicked; see the server's log")))
    })
}

macro_rules! door {
    ($($verb:ident($($argument:ident: $type:ty)?) -> $reply:ty;)+) => {
        impl DatabaseService for Door {
            $(async fn $verb(self, context: Context, call: Call $(, $argument: $type)?) -> Result<$reply> {
                answer(stringify!($verb), self.db.$verb(within(&context, call) $(, $argument)?)).await
            })+
        }
    };
}

door! {
    create_collection(request: CreateCollection) -> ();
    drop_collection(name: String) -> ();
    describe_collection(name: CollectionName) -> CollectionDescriptor;
    list_collections() -> Vec<CollectionDescriptor>;
    row_count(request: RowCount) -> u64;
    create_partition(request: PartitionRequest) -> ();
    drop_partition(request: PartitionRequest) -> ();
    create_index(request: CreateIndex) -> ();
    drop_index(request: DropIndex) -> ();
    describe_indexes(collection: String) -> Vec<IndexInfo>;
    set_loaded(request: SetLoaded) -> ();
    insert(request: InsertRequest) -> MutationReply;
    upsert(request: InsertRequest) -> MutationReply;
    delete(request: DeleteRequest) -> MutationReply;
    search(request: SearchRequest) -> SearchReply;
    query(request: QueryRequest) -> QueryReply;
    flush(collections: Vec<String>) -> Vec<FlushInfo>;
    server_info() -> ServerInfo;
    cluster(request: ClusterRequest) -> ClusterReply;
    topology(request: TopologyRequest) -> TopologyReply;
    compact(request: CompactRequest) -> CollectionId;
    segments(collection: CollectionName) -> CollectionSegments;
}
