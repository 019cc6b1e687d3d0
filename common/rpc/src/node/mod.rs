//! What one node may ask of another: the services between roles, carried by tarpc over the node door.
//!
//! ```text
//!  proxy of node 1 ── RemoteNode(2) ── NodeService over a peer channel ── NodeServices of node 2 ── data, query, ...
//! ```
//! [`RemoteNode`] has the same faces as the roles themselves, so a caller does not know where its answer comes from.
//! The answering side serves only what is *on that node*: it never hands a request on, so a request crosses at most
//! one door and can never go in a circle. Finding the right node is the asking side's (the proxy's routing).

mod dial;
mod forming;
mod remote;
#[cfg(test)]
mod samples;
mod serve;
mod service;

pub use dial::PeerDial;
pub use forming::{
    Forming, HelloPhase, LetGo, NodeHello, ask_hello, ask_is_removed, ask_join, serve_forming, tell_cluster,
    tell_init,
};
pub use remote::{Dial, RemoteNode};
pub use serve::{NodeServices, serve_node};
pub use service::{NodeService, NodeServiceClient, NodeServiceRequest, NodeServiceResponse};
