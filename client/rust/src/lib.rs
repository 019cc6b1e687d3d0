//! Vecraft's Rust client.
//!
//! [`Client`] implements [`Database`](vecraft_types::api::Database), the same trait that an embedded server gives,
//! so a program is written once and runs against either; [`Client::embedded`] puts the same builders around a
//! database in this process. Around the verbs stand small builders: [`Rows`] for what
//! goes in, [`Collection`] with [`Search`] and [`Query`] for what comes out.
//!
//! ```no_run
//! use vecraft_client::{Client, Rows};
//! use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric};
//!
//! # async fn example() -> vecraft_client::types::Result<()> {
//! let client = Client::connect("127.0.0.1:19540").await?;
//! let schema = CollectionSchema::new(vec![
//!     FieldSchema::new("id", DataType::Int64).primary(false),
//!     FieldSchema::new("title", DataType::VarChar { max_length: 200 }),
//!     FieldSchema::new("vector", DataType::FloatVector { dim: 3 }),
//! ]);
//! let books = client.create("books", schema).await?;
//! books.index("vector", "AUTOINDEX", Metric::Cosine).await?;
//! let rows = Rows::new()
//!     .int64("id", [1, 2])
//!     .varchar("title", ["dune", "emma"])
//!     .vectors("vector", 3, vec![0.1, 0.2, 0.3, 0.3, 0.2, 0.1]);
//! books.insert(rows).await?;
//! for hit in books.search(&[0.1, 0.2, 0.3]).filter("id > 0").output(["title"]).limit(1).one().await? {
//!     println!("{} {} {:?}", hit.key, hit.score, hit.text("title"));
//! }
//! # Ok(()) }
//! ```
//!
//! # Several nodes
//!
//! One address is enough: the servers tell of the others. Writes go to the node that leads the shard of most of their
//! rows, reads to each replica in turn, everything to any other node when one cannot be reached.
//!
//! ```no_run
//! use std::time::Duration;
//! use vecraft_client::Client;
//! use vecraft_client::types::{Code, PrimaryKey};
//!
//! # async fn example() -> vecraft_client::types::Result<()> {
//! let client = Client::builder()
//!     .address("10.0.0.1:19540")
//!     .address("10.0.0.2:19540") // so that it starts while the first is away
//!     .deadline(Duration::from_secs(10))
//!     .connect()
//!     .await?;
//! match client.collection("books").delete([PrimaryKey::Int64(1)]).await {
//!     Ok(reply) => println!("{} deleted, whoever led when it began", reply.deleted),
//!     Err(error) if error.code == Code::OutcomeUnknown => println!("perhaps deleted: {error}"),
//!     Err(error) => println!("not deleted: {error}"),
//! }
//! # Ok(()) }
//! ```
//!
//! Where things are is a hint (`map`): every node answers every call, so an old one costs a hop. It is asked for at the
//! first call on a collection, and behind the caller's back when it is some seconds old or a node could not serve.
//! Where only the addresses given can be reached, say [`ClientBuilder::follow_topology`]`(false)`.
//!
//! What it promises: a call ends by its deadline; a write is sent again only under the same name (I10), so it is
//! never done twice, also when another node leads by then; an answer of "outcome unknown" means exactly that; a door of
//! another cluster is never used. What it does *not* do: it keeps no rows, batches and splits nothing behind the
//! caller's back (the node that is asked cuts rows by shard), and decides nothing by what it believes about the nodes.
//!
//! | module | the question it answers |
//! |---|---|
//! | `client`, `options` | who is this client, and how is it set up? |
//! | `collection`, `rows`, `search` | how does a program say what it wants? |
//! | `explain` | how did an answer come about, and why is a row missing? |
//! | `pages` | how does it get all of it, piece by piece? |
//! | `database`, `aims` | which verbs are writes, and which nodes are they near to? |
//! | `session` | what has this client written and read? |
//! | `retry` | how does a call end? |
//! | `doors`, `door` | which servers can be reached, over which connection? |
//! | `map` | in which order would we knock? |

mod aims;
mod client;
mod collection;
mod database;
mod door;
mod doors;
mod explain;
mod hit;
mod map;
mod options;
mod pages;
mod retry;
mod rows;
mod search;
mod session;

pub use client::Client;
pub use collection::Collection;
pub use explain::{Explained, ExplainedSearch};
pub use hit::Hit;
pub use options::ClientBuilder;
pub use pages::{QueryPages, SearchPages};
pub use rows::Rows;
pub use search::{Query, Search};
/// The words shared with the server: schemas, rows, requests, errors.
pub use vecraft_types as types;

#[cfg(test)]
mod tests;
