//! What other ends send that no client would, told in the log: once in ten minutes an address and kind of trouble, or
//! whoever sends it could write the log full. Each is refused every time, whoever hears of it.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpStream;
use vecraft_rpc::Complaints;
use vecraft_rpc::transport::chain;

/// Somebody who connected to a port, and what was said of him and others.
#[derive(Clone)]
pub(super) struct Stranger {
    address: IpAddr,
    complaints: Arc<Complaints<IpAddr>>,
}

impl Stranger {
    /// Whoever is at the other end.
    pub fn of(stream: &TcpStream, complaints: &Arc<Complaints<IpAddr>>) -> Stranger {
        let address = stream.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        Stranger { address, complaints: complaints.clone() }
    }

    /// A request was refused for what it is, not for what it asks.
    pub fn sent(&self, trouble: &'static str, why: &dyn std::fmt::Display) {
        self.complaints.tell(self.address, trouble, why);
    }

    /// The connection ended by this error. One that broke is no news: clients go and networks fail.
    pub fn ended(&self, trouble: &'static str, error: &(dyn Error + 'static)) {
        match is_malformed(error) {
            true => self.complaints.tell(self.address, trouble, &chain(error)),
            false => tracing::debug!(address = %self.address, error = %chain(error), "connection ended"),
        }
    }
}

/// Whether bytes that arrived were not HTTP, or broke its rules: not a broken stream, not silence, not our own stop.
fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    let broke = |cause: &(dyn Error + 'static)| {
        let ended = |http: &hyper::Error| {
            http.is_timeout()
                || http.is_canceled()
                || http.is_closed()
                || http.is_shutdown()
                || http.is_user()
        };
        cause.is::<io::Error>() || cause.downcast_ref().is_some_and(ended)
    };
    !std::iter::successors(Some(error), |cause| (*cause).source()).any(broke)
}
