//! What a node tells about itself and its collections through the client door.

use super::super::node::reach::{COORDINATOR, list, nobody_at, not_a_door};
use super::super::patience::patiently;
use futures::future::join_all;
use serde::Serialize;
use std::time::Duration;
use vecraft_client::Client;
use vecraft_types::api::{Call, ClusterReply, Database, RowCount, ServerInfo};
use vecraft_types::schema::JSON_PATH;
use vecraft_types::{Code, CollectionDescriptor, Error};

/// For each call; a status that hangs is no answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// So many collections are asked at once, and so many may fail to answer before no more are asked.
const SILENT_MAX: usize = 8;

/// One line of the table of collections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CollectionLine {
    /// Its name.
    pub name: String,
    /// Exact number of rows that can be read; left out when its shards did not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Number of shards.
    pub shards: usize,
    /// `field type metric` of each index on vectors, `field type` or `path type` of each on scalars.
    pub indexes: Vec<String>,
}

/// All collections, and why the rows of some are not known.
#[derive(Debug, Default)]
pub struct Collections {
    /// By name.
    pub lines: Vec<CollectionLine>,
    /// The first that did not say how many rows it has, and why.
    pub first_silent: Option<(String, Error)>,
}

/// What a node answered.
pub struct Asked {
    pub server: ServerInfo,
    /// What it holds; or why that could not be asked.
    pub collections: Result<Collections, Error>,
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

/// Asks each for its rows. One that does not say keeps no other from being shown; after [`SILENT_MAX`] of them no more are
/// asked, for each takes its whole deadline.
async fn collections_of(client: &Client) -> vecraft_types::Result<Collections> {
    let mut listed = client.list_collections(Call::default()).await?.into_iter();
    let mut found = Collections::default();
    loop {
        let together: Vec<_> = listed.by_ref().take(SILENT_MAX).collect();
        if together.is_empty() {
            return Ok(found);
        }
        let is_enough = found.lines.iter().filter(|line| line.rows.is_none()).count() >= SILENT_MAX;
        let rows = together.iter().map(|collection| async {
            let count = RowCount { collection: collection.name.clone(), partition: None };
            match is_enough {
                true => Ok(None),
                false => client.row_count(Call::default(), count).await.map(Some),
            }
        });
        for (collection, rows) in together.iter().zip(join_all(rows).await) {
            let rows = rows.unwrap_or_else(|why| {
                found.first_silent.get_or_insert_with(|| (collection.name.clone(), why));
                None
            });
            found.lines.push(line(collection, rows));
        }
    }
}

fn line(collection: &CollectionDescriptor, rows: Option<u64>) -> CollectionLine {
    let indexes = collection.indexes.iter().map(|index| {
        let field = collection.schema.field_by_id(index.spec.field);
        let name = field.map_or("?", |field| &field.name);
        let path = index.spec.params.get(JSON_PATH).map_or("", String::as_str);
        let place = if path.is_empty() { name } else { path };
        // An index on scalars compares nothing.
        let metric = field.filter(|field| field.data_type.dim().is_some()).map(|_| index.spec.metric.name());
        [Some(place), Some(&index.spec.index_type), metric]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    });
    CollectionLine {
        name: collection.name.clone(),
        rows,
        shards: collection.shards.len(),
        indexes: indexes.collect(),
    }
}
