//! Bad input at the port: refused each time, logged once.

use super::fake::Fake;
use super::port::{client, plain_http, start};
use crate::proto::milvus as pb;
use crate::server::CONNECTIONS_MAX;
use crate::{Health, Options, serve_http};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
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

#[tokio::test]
async fn who_says_nothing_is_closed_and_a_client_without_calls_is_not() {
    let fake = Arc::new(Fake::default());
    let options = Options { silent_max: Duration::from_millis(100), ..Options::default() };
    let running = start(&fake, options).await;
    let (mut client, _) = client(&running).await;
    for _ in 0..3 {
        assert!(send(running.address, b"").await.is_empty());
    }
    client.get_version(pb::GetVersionRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_full_port_lets_a_new_client_in_and_a_call_under_way_goes_on() {
    const PLACES: usize = 6;
    let fake = Arc::new(Fake { delay: Duration::from_secs(60), ..Fake::default() });
    let options = Options { connections_max: PLACES, idle_min: Duration::ZERO, ..Options::default() };
    let running = start(&fake, options).await;
    let (mut busy, _) = client(&running).await;
    let call = tokio::spawn(async move {
        busy.get_collection_statistics(pb::GetCollectionStatisticsRequest::default()).await
    });
    while !fake.verbs.lock().contains(&"row_count") {
        tokio::task::yield_now().await;
    }
    let mut strangers = Vec::new();
    for n in 0..3 * PLACES {
        let mut stranger = TcpStream::connect(running.address).await.unwrap();
        // Some say nothing, some the half of a hello, some a whole one.
        stranger.write_all(&PREFACE[..[0, 9, PREFACE.len()][n % 3]]).await.unwrap();
        strangers.push(stranger);
    }
    let mut clients = Vec::new();
    for _ in 0..2 * PLACES {
        let (mut client, _) = client(&running).await;
        client.get_version(pb::GetVersionRequest {}).await.unwrap();
        clients.push(client);
    }
    // Told to go away, they come again, and nobody hears of it.
    for mut client in clients {
        client.get_version(pb::GetVersionRequest {}).await.unwrap();
    }
    assert!(!call.is_finished(), "a call under way lost its connection");
    call.abort();
}

#[tokio::test]
async fn a_full_health_port_lets_the_next_one_in_and_says_so_once() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve_http(listener, || Health::Healthy, String::new, async { _ = stopped.await });
    let serving = tokio::spawn(serving);
    let ask = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    // Twice as many as there is room for sit and say nothing.
    let mut silent = Vec::new();
    for _ in 0..2 * CONNECTIONS_MAX {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let reply = tokio::time::timeout(Duration::from_secs(30), async {
        let mut late = TcpStream::connect(address).await.unwrap();
        late.write_all(ask.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\nOK") {
            assert_ne!(late.read_buf(&mut reply).await.unwrap(), 0, "closed after {reply:?}");
        }
        assert!(reply.starts_with(b"HTTP/1.1 200"));
    });
    reply.await.expect("kept out by those who say nothing");
    let mut more = [0; 1];
    let closed = async {
        let mut closed = 0;
        for stream in &mut silent {
            match tokio::time::timeout(Duration::from_millis(1), stream.read(&mut more)).await {
                Err(_) => {}
                Ok(Ok(0) | Err(_)) => closed += 1,
                Ok(Ok(_)) => panic!("an answer to nothing"),
            }
        }
        closed
    };
    let closed = closed.await;
    assert!(closed > CONNECTIONS_MAX, "{closed} of {} gave way", silent.len());
    let lines = log.lines();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("for another one")).collect();
    assert_eq!(told.len(), 1, "{lines:#?}");
    assert!(told[0].contains("128 are open") && told[0].contains("127.0.0.1"), "{told:?}");
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
