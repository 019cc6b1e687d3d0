//! What a node tells about itself and its collections through the client door.

use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_client::Client;
use vecraft_types::api::{Call, ClusterReply, ClusterRequest, Database, RowCount, ServerInfo};
use vecraft_types::{Code, CollectionDescriptor};

/// For each call; a status that hangs is no answer.
const DEADLINE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One line of the table of collections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectionLine {
    /// Its name.
    pub name: String,
    /// Exact number of rows that can be read.
    pub rows: u64,
    /// Number of shards.
    pub shards: usize,
    /// `field type metric` of each index.
    pub indexes: Vec<String>,
}

/// What a node answered.
pub struct Asked {
    pub server: ServerInfo,
    /// What it holds; or why that could not be asked.
    pub collections: Result<Vec<CollectionLine>, String>,
    /// How the cluster stands, as its coordinator says; or why that could not be asked.
    pub cluster: Result<ClusterReply, String>,
}

/// Asks the client door at `address` (`host:port`).
pub async fn ask(address: &str) -> Result<Asked, String> {
    let words = |error: vecraft_types::Error| error.to_string();
    let no_door = |error: vecraft_types::Error| match error.code {
        Code::Unavailable => not_a_door(address, &error),
        _ => error.to_string(),
    };
    // What this node answers, not another in its place.
    let client = Client::builder().address(address).follow_topology(false);
    let client = client.connect_timeout(DEADLINE).deadline(DEADLINE).retries(false);
    let client = client.connect().await.map_err(words)?;
    let server = client.server_info(Call::default()).await.map_err(no_door)?;
    // At once: without a majority each of them takes its whole deadline.
    let (collections, cluster) = tokio::join!(collections_of(&client), cluster_of(&client));
    Ok(Asked { server, collections: collections.map_err(words), cluster: cluster.map_err(words) })
}

async fn collections_of(client: &Client) -> vecraft_types::Result<Vec<CollectionLine>> {
    let mut collections = Vec::new();
    for collection in client.list_collections(Call::default()).await? {
        let count = RowCount { collection: collection.name.clone(), partition: None };
        let rows = client.row_count(Call::default(), count).await?;
        collections.push(line(&collection, rows));
    }
    Ok(collections)
}

/// A coordinator that has just begun has not looked yet; that takes it well below a second.
async fn cluster_of(client: &Client) -> vecraft_types::Result<ClusterReply> {
    let until = Instant::now() + DEADLINE;
    loop {
        match client.cluster(Call::default(), ClusterRequest::List).await {
            Err(error) if error.code == Code::NotReady && Instant::now() < until => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            answered => return answered,
        }
    }
}

/// Somebody listens there and took the connection, but did not answer as a client door does.
fn not_a_door(address: &str, error: &vecraft_types::Error) -> String {
    format!(
        "{address} is no client door, or its node went away ({error}). The client door is the address that \
         `vecraft serve` prints for Rust clients, port 19540 unless set otherwise; 19530 is for Milvus's clients"
    )
}

fn line(collection: &CollectionDescriptor, rows: u64) -> CollectionLine {
    let indexes = collection.indexes.iter().map(|index| {
        let field = collection.schema.field_by_id(index.spec.field).map_or("?", |field| &field.name);
        format!("{field} {} {}", index.spec.index_type, index.spec.metric.name())
    });
    CollectionLine {
        name: collection.name.clone(),
        rows,
        shards: collection.shards.len(),
        indexes: indexes.collect(),
    }
}
