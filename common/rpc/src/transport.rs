//! A client's TCP connection that carries tarpc's messages. (The other end is `door`.)
//!
//! Built here rather than by tarpc's helpers: those leave Nagle's algorithm on (40 ms pauses under pipelining) and
//! take frames of 8 MiB at most.

use crate::database::DatabaseServiceClient;
use crate::wire::{FRAME_BYTES_CEILING, WireCodec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tarpc::client;
use tarpc::serde_transport::{self, Transport};
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::watch;

/// Calls of one connection under way at once; a client queues further ones, a server refuses them as busy.
pub const IN_FLIGHT_MAX: usize = 256;

/// A framed connection: reads `In`, writes `Out`.
pub type Connection<In, Out> = Transport<TcpStream, In, Out, WireCodec>;

/// Frames a connected socket. A frame over [`FRAME_BYTES_CEILING`] ends the connection before it takes memory.
///
/// # Errors
/// When the socket's options cannot be set, which means that it is already closed.
pub fn framed<In, Out>(stream: TcpStream) -> io::Result<Connection<In, Out>>
where
    In: DeserializeOwned,
    Out: Serialize,
    WireCodec: tarpc::tokio_serde::Serializer<Out> + tarpc::tokio_serde::Deserializer<In>,
{
    stream.set_nodelay(true)?;
    Ok(framed_over(stream))
}

/// Frames any byte stream; for one between nodes, whose handshake is done ([`crate::peer`]).
pub fn framed_over<S, In, Out>(stream: S) -> Transport<S, In, Out, WireCodec>
where
    S: AsyncRead + AsyncWrite,
    In: DeserializeOwned,
    Out: Serialize,
    WireCodec: tarpc::tokio_serde::Serializer<Out> + tarpc::tokio_serde::Deserializer<In>,
{
    let mut framing = LengthDelimitedCodec::builder();
    framing.max_frame_length(FRAME_BYTES_CEILING);
    serde_transport::new(framing.new_framed(stream), WireCodec)
}

/// A client's connection.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Who makes calls on it.
    pub client: DatabaseServiceClient,
    life: watch::Receiver<()>,
}

impl Connected {
    /// Whether the server has closed it, as far as was heard: no call sent on it now would arrive.
    pub fn is_closed(&self) -> bool {
        self.life.has_changed().is_err()
    }
}

/// Connects to a server's client door. The connection lives in a task of its own until every clone of the client
/// is dropped or it breaks; a broken one answers every call with an error and is not mended.
///
/// # Errors
/// When nobody listens there.
pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Connected> {
    let end = framed(TcpStream::connect(address).await?)?;
    let mut config = client::Config::default();
    config.max_in_flight_requests = IN_FLIGHT_MAX;
    let client::NewClient { client, dispatch } = DatabaseServiceClient::new(config, end);
    let (alive, life) = watch::channel(());
    tokio::spawn(async move {
        let _alive = alive;
        if let Err(error) = dispatch.await {
            tracing::debug!(error = chain(&error), "connection to the server broke");
        }
    });
    Ok(Connected { client, life })
}

/// An error with its causes: tarpc's own texts do not name them.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}
