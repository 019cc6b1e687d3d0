//! What a client of the Milvus port claims and does not send. Alone in its process, whose memory it measures.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vecraft_config::Config;
use vecraft_server::Server;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers of a call of ours, each literal and without Huffman coding.
fn headers(stream: u32) -> Vec<u8> {
    let mut block = Vec::new();
    let path = "/milvus.proto.milvus.MilvusService/Insert";
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    const END_HEADERS: u8 = 4;
    frame(1, END_HEADERS, stream, &block)
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_a_length_that_is_only_claimed_takes_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::embedded(dir.path()).with_free_ports();
    let server = Server::start(&config, 1).await.unwrap();
    let max = config.proxy.message_bytes_max as u32;
    let before = resident_bytes();
    let mut streams = Vec::new();
    // Too long: refused at once. As long as is allowed: waited for, and nothing is set aside that was not sent.
    for claimed in [u32::MAX, max] {
        let mut socket = TcpStream::connect(&server.addresses().milvus).await.unwrap();
        let mut bytes = [PREFACE, &frame(4, 0, 0, &[])].concat();
        for call in 0..200 {
            let stream = 2 * call + 1;
            bytes.extend(headers(stream));
            bytes.extend(frame(0, 0, stream, &[&[0], &claimed.to_be_bytes()[..], b"row"].concat()));
        }
        // A ping behind all that: its answer says that the rest was read.
        bytes.extend(frame(6, 0, 0, b"are read"));
        socket.write_all(&bytes).await.unwrap();
        let answered = async {
            let (mut seen, mut some) = (Vec::<u8>::new(), [0u8; 4_096]);
            while !seen.windows(8).any(|window| window == b"are read") {
                let read = socket.read(&mut some).await.unwrap();
                assert!(read > 0, "the connection was closed");
                seen.extend(&some[..read]);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), answered).await.expect("no answer to the ping");
        streams.push(socket);
    }
    // 400 claims of 64 MiB and of 4 GiB.
    let taken = resident_bytes().saturating_sub(before);
    assert!(taken < 64 << 20, "{} MiB were taken", taken >> 20);
    drop(streams);
    server.stop("the test says so").await;
}
