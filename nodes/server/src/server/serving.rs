//! The doors of a node, each served until shutdown. One that fails takes the node with it, with the reason.

use crate::standing::Standing;
use std::sync::Arc;
use tokio::net::TcpListener;
use vecraft_gateway::{Gateway, Options, serve_http};
use vecraft_rpc::{ServeOptions, serve_database};
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::api::Database;

pub(super) async fn serve_milvus(
    listener: TcpListener,
    db: Arc<dyn Database>,
    options: Options,
    shutdown: Shutdown,
) {
    let until = shutdown.clone();
    if let Err(error) = Gateway::serve(listener, db, options, async move { until.triggered().await }).await {
        shutdown.trigger(format!("the Milvus door failed: {error}"));
    }
}

pub(super) async fn serve_clients(
    listener: TcpListener,
    db: Arc<dyn Database>,
    options: ServeOptions,
    shutdown: Shutdown,
) {
    let until = shutdown.clone();
    if let Err(error) = serve_database(listener, db, options, async move { until.triggered().await }).await {
        shutdown.trigger(format!("the client door failed: {error}"));
    }
}

pub(super) async fn serve_health(listener: TcpListener, standing: Standing, shutdown: Shutdown) {
    let (until, health, metrics) = (shutdown.clone(), standing.clone(), standing.clone());
    let serving = serve_http(listener, move || health.health(), move || metrics.metrics(), async move {
        until.triggered().await
    });
    if let Err(error) = serving.await {
        shutdown.trigger(format!("the health door failed: {error}"));
    }
    // What it asked lets go of the store.
    standing.waits("this node has stopped");
}
