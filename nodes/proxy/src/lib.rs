//! The proxy: serves the verbs of [`vecraft_types::api::Database`] over the other roles.
//!
//! It checks a request completely before anything happens, finds out what names mean, cuts rows by shard, asks
//! every shard concerned and joins the answers.
//!
//! ```text
//!   gateway, tarpc, embedded                 Catalogue        names (I19)
//!            | Database                      CatalogueWriter  DDL, row ids
//!            v                        .----> ShardWriter      rows, flush, figures
//!          Proxy --- checks, cuts ---<
//!            ^                        `----> ShardReader      search, query
//!            '------ joins the answers
//! ```
//!
//! | module | the question it answers |
//! |---|---|
//! | `tasks` | what does a verb do? (one family a file) |
//! | `rows` | are these rows of the schema, and which shard owns each? |
//! | `lanes` | how are pieces written, retried, and reported when some fail? (I10, I20) |
//! | `names`, `output`, `filter` | what do names, output fields and filters mean? |
//! | `tasks/moments` | which moment does a read show? (I18) |
//! | `merge` | how do shards' answers become one? |
//! | [`routing`] | which node answers? |
//! | `deadline`, `admission`, `ids` | how long, how much at once, which ids? |
//! | `dropped` | what of a request whose collection is dropped under way? |
//! | `refusal`, `outages` | what does a caller hear of a group that cannot serve, and how long is it waited for? |
//!
//! What holds at all times: bad input is refused before anything is written; a read is whole or an error that names
//! the shard (P5); a piece is sent again only under the same name (I10); names used by writes, DDL and Strong
//! reads are linearizable (I19).
//!
//! What it does *not* do: it stores nothing, decides no placement, keeps no cache of the catalogue beside the
//! node's own, evaluates no filter and computes no distance.

mod admission;
mod config;
mod deadline;
mod dropped;
mod filter;
mod ids;
mod lanes;
mod merge;
mod names;
mod outages;
mod output;
mod proxy;
mod refusal;
pub mod routing;
mod rows;
mod tasks;
#[cfg(test)]
mod tests;

pub use config::ProxyConfig;
pub use proxy::{Proxy, ProxyParts, ServerIdentity};
