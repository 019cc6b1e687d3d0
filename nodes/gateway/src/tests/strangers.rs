//! Bad input at the port: refused each time, logged once.

use super::fake::Fake;
use super::port::{client, plain_http, start};
use crate::Options;
use crate::proto::milvus as pb;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What the log says, from "warning" on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().push(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Sends bytes and reads until the port closes the connection.
async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut reply = Vec::new();
    // An end by reset is an end too.
    let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut reply));
    let _ = reading.await.expect("the connection stays open");
    reply
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn bad_input_is_refused_each_time_and_logged_once() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options { message_bytes_max: 1 << 20, ..Options::default() }).await;
    let (mut client, _) = client(&running).await;
    for round in 0..5 {
        // The hello of a TLS client, and HTTP/2 that begins well.
        send(running.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more\r\n\r\n").await;
        send(running.address, &[PREFACE, &[0xff; 64]].concat()).await;
        let old = plain_http(running.address, "GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(old.await.starts_with("HTTP/1.1 501"), "round {round}");
        let partition_name = "x".repeat(2 << 20);
        let large = pb::InsertRequest { partition_name, ..Default::default() };
        assert_eq!(client.insert(large).await.unwrap().into_inner().status.unwrap().code, 1102);
    }
    // Who does well is served, and who goes is no news.
    client.get_version(pb::GetVersionRequest {}).await.unwrap();
    drop(TcpStream::connect(running.address).await.unwrap());
    drop(client);
    // The end of a connection is told by its own task: none of them is left then.
    _ = running.stop.send(());
    running.task.await.unwrap().unwrap();
    let lines = log.lines();
    let said = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    let told = (
        said("a connection to the Milvus port was refused"),
        said("it is not gRPC"),
        said("Insert: parameter too large"),
    );
    assert_eq!((told, lines.len()), ((1, 1, 1), 3), "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("127.0.0.1")), "{lines:#?}");
}
