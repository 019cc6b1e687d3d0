//! What a node tells about itself and its collections through the client door.

use serde::Serialize;
use std::time::Duration;
use vecraft_client::Client;
use vecraft_types::api::{Call, Database, RowCount, ServerInfo};
use vecraft_types::{Code, CollectionDescriptor};

/// For each call; a status that hangs is no answer.
const DEADLINE: Duration = Duration::from_secs(5);

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

/// Asks the client door at `address` (`host:port`).
pub async fn ask(address: &str) -> Result<(ServerInfo, Vec<CollectionLine>), String> {
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
    let mut collections = Vec::new();
    for collection in client.list_collections(Call::default()).await.map_err(words)? {
        let count = RowCount { collection: collection.name.clone(), partition: None };
        let rows = client.row_count(Call::default(), count).await.map_err(words)?;
        collections.push(line(&collection, rows));
    }
    Ok((server, collections))
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
