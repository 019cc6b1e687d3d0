//! One connection to the Milvus port, from its first byte to its end.
//!
//! ```text
//! first byte ──> calls ──> the client goes
//!     │            ├─ stopping, or it must give way ──> "go away", calls under way finish ──> closed
//!     └─ none in time, or it must give way ──> closed
//! ```
//! A client that is told to go away connects anew and nobody hears of it; one that does not listen is cut off.

use super::dispatch::Dispatch;
use super::strangers::Stranger;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use vecraft_rpc::places::Place;

/// How long an idle client that must give way has to hear of it.
const GIVE_WAY: Duration = Duration::from_millis(200);

/// What a connection is served with.
pub(super) struct Conversation {
    pub http: Arc<auto::Builder<TokioExecutor>>,
    pub dispatch: Dispatch,
    pub from: Stranger,
    pub place: Arc<Place>,
    pub silent_max: Duration,
    pub stopping: watch::Receiver<bool>,
}

impl Conversation {
    /// Serves it until its end.
    pub async fn hold(mut self, stream: TcpStream) {
        if !self.has_begun(&stream).await {
            return;
        }
        let (dispatch, from, place) = (self.dispatch, self.from.clone(), self.place.clone());
        let service = service_fn(move |request| {
            let (dispatch, from, call) = (dispatch.clone(), from.clone(), place.begin());
            async move {
                let answer = dispatch.serve(request, &from).await;
                drop(call);
                Ok::<_, Infallible>(answer)
            }
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let (mut is_ending, mut gives_way) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        self.from.ended("a connection to the Milvus port was refused", error.as_ref());
                    }
                    return;
                }
                _ = self.stopping.changed(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = self.place.must_leave(), if !gives_way => {
                    if !self.place.has_called() {
                        return;
                    }
                    (is_ending, gives_way) = (true, true);
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(GIVE_WAY), if gives_way => if self.place.is_idle() { return },
            }
        }
    }

    /// Waits for the first byte; false when there is none to wait for any more.
    async fn has_begun(&mut self, stream: &TcpStream) -> bool {
        let mut byte = [0];
        tokio::select! {
            first = stream.peek(&mut byte) => first.is_ok_and(|bytes| bytes > 0),
            _ = self.stopping.changed() => false,
            () = self.place.must_leave() => false,
            () = tokio::time::sleep(self.silent_max) => {
                let why = format!("nothing came in {} ms", self.silent_max.as_millis());
                self.from.sent("a silent connection to the Milvus port was closed", &why);
                false
            }
        }
    }
}
