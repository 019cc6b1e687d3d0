//! The client against a door of this process and a fake database behind it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;
mod hostile;
mod map;
mod pages;
mod retries;
mod routes;
mod verbs;

use crate::{Client, ClientBuilder, Collection, Rows};
use fake::Fake;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vecraft_rpc::{ServeOptions, serve_database};
use vecraft_types::{CollectionSchema, DataType, FieldSchema};

/// A door; dropping it is a crash, [`Door::stop`] is not.
struct Door {
    address: SocketAddr,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Door {
    async fn open(fake: &Arc<Fake>) -> Door {
        Door::open_at(fake, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn open_at(fake: &Arc<Fake>, address: SocketAddr) -> Door {
        Door::with(fake, address, ServeOptions::default()).await
    }

    async fn with(fake: &Arc<Fake>, address: SocketAddr, options: ServeOptions) -> Door {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let options = ServeOptions { drain_max: Duration::from_secs(5), ..options };
        let serving = serve_database(listener, fake.clone(), options, async move {
            let _ = stopped.await;
        });
        Door { address, task: tokio::spawn(async move { serving.await.unwrap() }), stop: Some(stop) }
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder().address(self.address.to_string()).deadline(Duration::from_secs(10))
    }

    async fn client(&self) -> Client {
        self.builder().connect().await.unwrap()
    }

    /// Stops in order and waits until it has.
    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
    }

    /// Breaks every connection and closes the door; the address is free afterwards.
    async fn crash(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A collection `c` of keys and vectors of two numbers.
async fn collection(client: &Client) -> Collection {
    collection_called(client, "c").await
}

async fn collection_called(client: &Client, name: &str) -> Collection {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim: 2 }),
    ]);
    client.create(name, schema).await.unwrap()
}

fn row(id: i64) -> Rows {
    Rows::new().int64("id", [id]).vectors("vector", 2, vec![id as f32, 0.0])
}
