//! What a node tells about itself and its collections through the client door.

use super::super::node::reach::{COORDINATOR, list, nobody_at, not_a_door};
use super::super::patience::patiently;
use serde::Serialize;
use std::time::Duration;
use vecraft_client::Client;
use vecraft_types::api::{Call, ClusterReply, Database, RowCount, ServerInfo};
use vecraft_types::{Code, CollectionDescriptor, Error};

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

/// What a node answered.
pub struct Asked {
    pub server: ServerInfo,
    /// What it holds; or why that could not be asked.
    pub collections: Result<Vec<CollectionLine>, Error>,
    /// How the cluster stands, as its coordinator says; or why that could not be asked.
    pub cluster: Result<ClusterReply, Error>,
}

/// Why a node did not answer.
pub enum Unasked {
    /// It does not serve yet, and says for what it waits.
    NotYet(String),
    /// There is no answer.
    No(String),
}

/// Asks the client door at `address` (`host:port`).
pub async fn ask(address: &str) -> Result<Asked, Unasked> {
    let no_node = |error: Error| Unasked::No(nobody_at(address, &error));
    // What this node answers, not another in its place.
    let client = Client::builder().address(address).follow_topology(false);
    let client = client.connect_timeout(DEADLINE).deadline(DEADLINE).retries(false);
    let client = patiently(&format!("an answer from {address}"), client.connect()).await.map_err(no_node)?;
    let asked = async {
        let server = match client.server_info(Call::default()).await {
            Ok(server) => server,
            Err(error) => return Err(no_door(address, error).await),
        };
        // At once: without a majority each of them takes its whole deadline.
        let (collections, cluster) = tokio::join!(collections_of(&client), list(&client));
        Ok(Asked { server, collections, cluster })
    };
    patiently(COORDINATOR, asked).await
}

async fn no_door(address: &str, error: Error) -> Unasked {
    match error.code {
        Code::NotReady => Unasked::NotYet(error.detail),
        Code::Unavailable => Unasked::No(not_a_door(address, &error).await),
        _ => Unasked::No(error.to_string()),
    }
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
