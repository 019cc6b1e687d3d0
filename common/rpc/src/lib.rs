//! How roles and clients talk: the byte codec, the services between roles, and the client door.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`codec`] | what are the bytes of everything we encode ourselves? |
//! | [`rows`] | what are the bytes of many rows of a store together? |
//! | [`services`] | what may one role ask of another? |
//! | [`client_doors`] | where do clients reach the nodes? |
//! | [`memory`] | is there room for what a role keeps in memory? |
//! | [`database`] | what may Vecraft's own clients ask? (a tarpc service) |
//! | [`node`] | what may one node ask of another? (a tarpc service) |
//! | [`files`] | how does one node read files of another? |
//! | [`copies`] | how do index files come to all replicas? |
//! | [`wire`], [`transport`] | how do tarpc's messages travel over TCP? |
//! | [`serve`] | how is the client door kept open? |
//! | [`places`] | which connection gives way when a port is full? |
//! | [`peer`] | which node may connect, on which channel, and how does a call find its answer? |
//! | `complaints` | has what is wrong with the other end been said already? |
//! | `door`, `framing` | what does its end of a connection do, and with what is too long? |
//! | `arriving` | how much memory may requests have that are not all there yet? |
//! | `heard` | does a connection go on? |
//!
//! The only crate that names bincode. It does *not* decide anything: a service trait here says what one role may
//! ask of another; the role behind it may be in this process (local) or on another node ([`node`]). It
//! retries nothing: that is the client's, who knows its deadline.

mod arriving;
pub mod client_doors;
pub mod codec;
mod complaints;
pub mod copies;
pub mod database;
mod door;
pub mod files;
mod framing;
mod heard;
pub mod membership;
pub mod memory;
pub mod node;
pub mod peer;
pub mod places;
pub mod rows;
pub mod serve;
pub mod services;
pub mod transport;
pub mod wire;

pub use complaints::Complaints;
pub use serve::{ServeOptions, serve_database};
