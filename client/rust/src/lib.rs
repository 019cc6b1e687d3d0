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
//! What it promises: a call ends by its deadline; a write is sent again only under the same name (I10), so it is
//! never done twice; an answer of "outcome unknown" means exactly that. What it does *not* do: it keeps no rows,
//! batches nothing behind the caller's back and does not know which node leads a shard.

mod client;
mod collection;
mod connection;
mod database;
mod options;
mod retry;
mod rows;
mod search;

pub use client::Client;
pub use collection::Collection;
pub use options::ClientBuilder;
pub use rows::Rows;
pub use search::{Hit, Query, Search};
/// The words shared with the server: schemas, rows, requests, errors.
pub use vecraft_types as types;

#[cfg(test)]
mod tests;
