//! Sockets: who may connect, what a request costs, and where it goes.
//!
//! ```text
//! listener -> connection (HTTP/2 or HTTP/1.1) -> dispatch -> gRPC of our service -> Service
//!                                                        \-> another gRPC call     UNIMPLEMENTED
//!                                                        \-> plain HTTP            "REST comes later"
//! ```
//! What is neither gRPC nor HTTP, or breaks their rules, is refused and told in the log, once (`strangers`).

mod body;
mod bytes_in_flight;
mod connection;
mod dispatch;
mod health;
mod listener;
mod strangers;

pub(crate) use bytes_in_flight::RequestBytes;
#[cfg(test)]
pub(crate) use health::CONNECTIONS_MAX;
pub use health::{Health, serve_http};
pub use listener::Gateway;

/// What tests of the admission look at.
#[cfg(test)]
pub(crate) mod tests_only {
    pub(crate) use super::body::Gathered;
    pub(crate) use super::bytes_in_flight::{BytesInFlight, RequestBytes};
}
