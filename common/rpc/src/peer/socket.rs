//! How a TCP connection between two nodes behaves.
//!
//! A cut cable says nothing, and TCP by itself goes on sending into it for minutes, more and more rarely: calls between
//! roles would hang long after the network is back. So a connection on which nothing that was sent is confirmed, or whose
//! other end does not answer, is given up, and the next call makes a new one. A slow one confirms, and stays.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What was sent must be confirmed by the other host's kernel within this time.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(4);
/// A connection that is silent for this long is asked whether it is there, again and again.
const SILENT: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Connects to a node.
pub async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    prepare(&stream)?;
    Ok(stream)
}

/// The next connection of another node. One that ended before it was looked at is passed over.
pub async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        let (stream, peer) = listener.accept().await?;
        if prepare(&stream).is_ok() {
            return Ok((stream, peer));
        }
    }
}

/// Sets what both ends set.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENT).with_interval(ASK_AGAIN))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_MAX))?;
    Ok(())
}
