#![allow(clippy::unwrap_used)]
use super::*;
use crate::peer::{
    Accepted, Channel, DialOptions, Door, Identity, ListenOptions, PeerListener, Peers, Secret, Trust,
};
use futures::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use vecraft_types::{Code, Error};

/// One file of 3,000,000 bytes.
struct OneFile;

fn content() -> Bytes {
    (0..3_000_000u32).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

#[async_trait]
impl GroupFiles for OneFile {
    async fn read(&self, range: FileRange) -> Result<Bytes> {
        if range.path != "groups/7/1-0/3.seg" {
            return Err(Error::new(Code::Io, format!("{} is not there", range.path)));
        }
        let all = content();
        let start = all.len().min(range.offset as usize);
        Ok(all.slice(start..all.len().min(start + range.bytes as usize)))
    }
}

fn identity(node: u64) -> Identity {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let secret = Secret::new(b"known to the nodes of this test").unwrap();
    let nonces = Arc::new(|| DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    Identity { cluster: 7, node: NodeId(node), level: 1, trust: Trust::Secret(secret), nonces }
}

fn range(path: &str, offset: u64, bytes: u32) -> FileRange {
    FileRange { group: GroupId(7), path: path.to_owned(), offset, bytes }
}

#[tokio::test]
async fn ranges_come_as_they_are_and_refusals_in_the_other_nodes_words() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let door: Door = Arc::new(|accepted: Accepted| {
        async move { drop(serve_files(accepted.stream, Arc::new(OneFile)).await) }.boxed()
    });
    let there = Peers::new(identity(2), DialOptions::default());
    let listener = PeerListener::new(socket, there, ListenOptions::default(), [(Channel::Files, door)]);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(stopped.map(drop)));
    let peers = Peers::new(identity(1), DialOptions::default());
    peers.book().set(NodeId(2), address);
    let files = PeerFiles::new(peers);

    let mut got = Vec::new();
    loop {
        let range = range("groups/7/1-0/3.seg", got.len() as u64, RANGE_BYTES_MAX);
        let part = files.read(NodeId(2), range).await.unwrap();
        if part.is_empty() {
            break;
        }
        got.extend_from_slice(&part);
    }
    assert!(got == content());
    let refused = files.read(NodeId(2), range("groups/7/1-0/4.seg", 0, 10)).await.unwrap_err();
    assert_eq!(refused.code, Code::Io);
    assert!(refused.detail.contains("node 2") && refused.detail.contains("4.seg"), "{refused}");
    let greedy = files.read(NodeId(2), range("groups/7/1-0/3.seg", 0, RANGE_BYTES_MAX + 1)).await;
    assert_eq!(greedy.unwrap_err().code, Code::InvalidParameter);
    assert!(files.read(NodeId(3), range("x", 0, 1)).await.is_err(), "nobody knows node 3");
    drop(stop);
    drop(files);
    serving.await.unwrap();
}
