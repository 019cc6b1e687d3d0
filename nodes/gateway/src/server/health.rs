//! The health port (9091): `/healthz`, `/metrics`, nothing else.

use super::listener::accept;
use super::strangers::Stranger;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What `/healthz` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every role can serve: 200 and `OK`.
    Healthy,
    /// Why not, one line each: 503 and the lines.
    Unhealthy(Vec<String>),
}

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
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener) => match accepted {
                Some(stream) => stream,
                None => continue,
            },
        };
        let stranger = Stranger::of(&stream, &complaints);
        let answers = Arc::clone(&answers);
        let service = service_fn(move |request| {
            let answers = Arc::clone(&answers);
            async move { Ok::<_, Infallible>(answer(&request, &answers.0, &answers.1)) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                stranger.ended("a connection to the health port was refused", &error);
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
    tracing::info!(%address, "health port closed");
    Ok(())
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
            Health::Unhealthy(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n")),
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

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
