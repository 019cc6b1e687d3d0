//! What listens where a client door was expected: is it the port for Milvus's clients?
//!
//! gRPC is HTTP/2: a client begins with a fixed text and its settings, a server with its own settings. It asks nothing else.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WAIT: Duration = Duration::from_secs(1);
/// How a connection of HTTP/2 begins (RFC 9113, 3.4), and a frame of settings with none in it.
const BEGINS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Length, kind, flags and stream of a frame.
const HEAD_BYTES: usize = 9;
const SETTINGS: u8 = 4;

/// Whether who listens there speaks HTTP/2.
pub async fn speaks_grpc(address: &str) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(BEGINS).await.ok()?;
        let mut head = [0; HEAD_BYTES];
        stream.read_exact(&mut head).await.ok()?;
        Some(head[3] == SETTINGS && head[5..] == [0; 4])
    };
    tokio::time::timeout(WAIT, asked).await.ok().flatten().unwrap_or(false)
}
