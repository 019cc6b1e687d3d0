//! Listening sockets. A wanted port is taken or refused by name; port 0 takes a free one.

use crate::Error;
use tokio::net::TcpListener;

/// Opens one door.
pub async fn listen(door: &'static str, address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen {
        door,
        address: address.to_owned(),
        source,
    })
}
