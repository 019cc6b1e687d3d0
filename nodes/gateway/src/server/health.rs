//! The health port (9091): `/healthz`, `/metrics`, nothing else, and room for few.
//!
//! Whoever finds it full is let in within a moment, in the place of the connection that has been idle the longest: those
//! that sit and ask nothing keep no scraper and no load balancer out. Nobody is asked who he is here, so nothing else
//! bounds what they could make us hold.
//!
//! `/healthz` answers 200 as long as the node can answer its clients, for a load balancer takes those of 503 away: what one
//! node lacks, a disk that is full, many lack at once, and each of them still reads and deletes. `/healthz?strict` answers
//! 200 only to a node that lacks nothing.

use super::listener::accept;
use super::strangers::Stranger;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use vecraft_rpc::places::{Place, Places};

/// Connections at once: a few scrapers and load balancers are expected.
pub(crate) const CONNECTIONS_MAX: usize = 128;
/// A connection gives way only when it was idle for so long: whoever means to ask does so at once.
const IDLE_MIN: Duration = Duration::from_millis(250);
/// How long one that has to give way may take to end its answer.
const GIVE_WAY: Duration = Duration::from_millis(200);

/// What `/healthz` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every role can serve: 200 and `OK`.
    Healthy,
    /// It serves and lacks something, one line each: 200, `DEGRADED: ...` and the lines; 503 with the lines to a strict caller.
    Degraded(Vec<String>),
    /// It cannot serve. Why not, one line each: 503 and the lines.
    Unhealthy(Vec<String>),
}

/// The first line of a node that serves and lacks something.
const DEGRADED: &str = "DEGRADED: this node serves, and lacks something:";

/// Serves health and metrics until `shutdown` is ready; then every connection is closed, an idle one of a scraper
/// included, so that nothing holds the callbacks any more. Both run for each request and must not block.
///
/// # Errors
/// When the listener cannot say where it listens. A failed accept is logged and tried again.
pub async fn serve_http(
    listener: TcpListener,
    health: impl Fn() -> Health + Send + Sync + 'static,
    metrics: impl Fn() -> String + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let answers = Arc::new((health, metrics));
    let complaints = Arc::default();
    let places = Places::new(CONNECTIONS_MAX, IDLE_MIN);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
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
        let stranger = Stranger::of(&stream, &complaints);
        let (answers, calls) = (Arc::clone(&answers), Arc::clone(&place));
        let respond = move |request: Request<_>| {
            let _call = calls.begin();
            answer(&request, &answers.0, &answers.1)
        };
        connections.spawn(hold(stream, place, stranger, respond));
    }
    drop(listener);
    connections.shutdown().await;
    tracing::info!(%address, "health port closed");
    Ok(())
}

/// One connection, until it ends or gives way.
async fn hold(
    stream: TcpStream,
    place: Arc<Place>,
    stranger: Stranger,
    respond: impl Fn(Request<Incoming>) -> Response<Full<Bytes>>,
) {
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(respond(request))));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                stranger.ended("a connection to the health port was refused", &error);
            }
            return;
        }
        () = place.must_leave() => {}
    }
    let why = format!("{CONNECTIONS_MAX} are open, and this one was idle the longest");
    stranger.sent("a connection to the health port was closed for another one", &why);
    if place.has_called() {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(GIVE_WAY, connection).await;
    }
}

fn answer<B>(
    request: &Request<B>,
    health: impl Fn() -> Health,
    metrics: impl Fn() -> String,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => match health() {
            Health::Healthy => text(StatusCode::OK, "OK".to_owned()),
            Health::Degraded(reasons) if !is_strict(request) => {
                text(StatusCode::OK, format!("{DEGRADED}\n{}", reasons.join("\n")))
            }
            Health::Degraded(reasons) | Health::Unhealthy(reasons) => {
                text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n"))
            }
        },
        "/metrics" => {
            let mut response = text(StatusCode::OK, metrics());
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "here are /healthz and /metrics\n".to_owned()),
    }
}

/// Whether only a node that lacks nothing is well.
fn is_strict<B>(request: &Request<B>) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|word| word == "strict"))
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
