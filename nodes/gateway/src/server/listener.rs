//! The Milvus port: accepts connections, speaks HTTP/2 and HTTP/1.1 on each, and drains them at shutdown.

use super::connection::Conversation;
use super::dispatch::Dispatch;
use super::strangers::Stranger;
use crate::options::Options;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vecraft_rpc::places::Places;
use vecraft_types::api::Database;

/// Bytes of a request or reply that may be under way before the other side must acknowledge: enough to keep a
/// local network busy, small beside the limit of a message.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Calls at once on one connection.
const STREAMS_MAX: u32 = 1_024;

/// Pause after a failed accept: no file handle is free, or the peer was quicker to leave.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The doors for Milvus's clients.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Serves Milvus's gRPC from `db` until `shutdown` is ready, then lets the calls under way finish for at most
    /// [`Options::drain_max`]. Then every connection is closed, so that nothing goes on holding `db`.
    ///
    /// # Errors
    /// When the listener cannot say where it listens. A failed accept is logged and tried again.
    pub async fn serve(
        listener: TcpListener,
        db: Arc<dyn Database>,
        options: Options,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        let dispatch = Dispatch::new(db, &options);
        let http = Arc::new(http(&options));
        let places = Places::new(options.connections_max, options.idle_min);
        let complaints = Arc::default();
        let (stop, stopping) = watch::channel(false);
        let mut running = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        tracing::info!(%address, "serving Milvus's gRPC");
        loop {
            while running.try_join_next().is_some() {}
            let placed = async {
                let stream = accept(&listener).await?;
                Some((stream, Arc::new(places.enter().await)))
            };
            let (stream, place) = tokio::select! {
                () = &mut shutdown => break,
                placed = placed => match placed {
                    Some(placed) => placed,
                    None => continue,
                },
            };
            let conversation = Conversation {
                http: http.clone(),
                dispatch: dispatch.clone(),
                from: Stranger::of(&stream, &complaints),
                place,
                silent_max: options.silent_max,
                stopping: stopping.clone(),
            };
            running.spawn(conversation.hold(stream));
        }
        drop(listener);
        let _ = stop.send(true);
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(options.drain_max, drained).await.is_err() {
            let open = running.len();
            tracing::warn!(open, drain_ms = options.drain_max.as_millis(), "calls were cut off at shutdown");
        }
        drop(dispatch);
        running.shutdown().await;
        tracing::info!(%address, "gateway stopped");
        Ok(())
    }
}

/// The next connection; none when there is no file handle left or the peer has gone, after a pause.
pub(super) async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small replies must not wait for the peer's acknowledgement of the ones before.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "TCP_NODELAY refused");
            }
            Some(stream)
        }
        Err(error) => {
            tracing::warn!(%error, "accept failed");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Pings of clients are answered by the connection's own task, so they do not wait for calls, and pinging without
/// calls is permitted.
fn http(options: &Options) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new());
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(Some(256));
    http
}
