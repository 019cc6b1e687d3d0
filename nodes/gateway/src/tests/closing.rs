//! Ports that close: calls finish or are cut off, and nothing goes on holding what was served.

use super::fake::Fake;
use super::port::{client, plain_http, start};
use crate::proto::milvus as pb;
use crate::{Health, Options, serve_http};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

#[tokio::test]
async fn shutdown_lets_calls_finish() {
    let fake = Arc::new(Fake { delay: Duration::from_millis(200), ..Fake::default() });
    let running = start(&fake, Options::default()).await;
    let (mut client, _) = client(&running).await;
    let call = tokio::spawn(async move {
        client
            .get_collection_statistics(pb::GetCollectionStatisticsRequest::default())
            .await
            .unwrap()
            .into_inner()
    });
    while !fake.verbs.lock().contains(&"row_count") {
        tokio::task::yield_now().await;
    }
    running.stop.send(()).unwrap();
    assert_eq!(call.await.unwrap().stats[0].value, "42");
    running.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_and_holds_nothing() {
    let fake = Arc::new(Fake { delay: Duration::from_secs(60), ..Fake::default() });
    let running = start(&fake, Options { drain_max: Duration::from_millis(50), ..Options::default() }).await;
    let (mut client, _) = client(&running).await;
    let call = tokio::spawn(async move {
        client.get_collection_statistics(pb::GetCollectionStatisticsRequest::default()).await
    });
    while !fake.verbs.lock().contains(&"row_count") {
        tokio::task::yield_now().await;
    }
    running.stop.send(()).unwrap();
    running.task.await.unwrap().unwrap();
    assert!(call.await.unwrap().is_err());
    // The call's own task notices that its connection has gone.
    let let_go = tokio::time::timeout(Duration::from_secs(5), async {
        while Arc::strong_count(&fake) > 1 {
            tokio::task::yield_now().await;
        }
    });
    assert!(let_go.await.is_ok(), "{} still hold it", Arc::strong_count(&fake));
}

#[tokio::test]
async fn the_health_port_has_two_pages() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sick = Arc::new(parking_lot::Mutex::new(Health::Healthy));
    let look = Arc::clone(&sick);
    let health = move || look.lock().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let task =
        tokio::spawn(serve_http(listener, health, || "rows 3\n".to_owned(), async { _ = stopped.await }));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = plain_http(address, &get("/healthz")).await;
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("OK"), "{reply}");
    assert!(plain_http(address, &get("/metrics")).await.ends_with("rows 3\n"));
    assert!(plain_http(address, &get("/other")).await.starts_with("HTTP/1.1 404"));
    assert!(plain_http(address, &get("/healthz?strict")).await.starts_with("HTTP/1.1 200"));
    // A load balancer must not take a node away that reads and deletes: all of a cluster may be full at once.
    let lacks = vec!["inserts are refused: the disk is full".to_owned(), "shard 5/0 is damaged".to_owned()];
    *sick.lock() = Health::Degraded(lacks);
    let reply = plain_http(address, &get("/healthz")).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let lines: Vec<&str> = body.lines().collect();
    assert!(head.starts_with("HTTP/1.1 200") && lines[0].starts_with("DEGRADED: "), "{reply}");
    assert_eq!(lines[1..], ["inserts are refused: the disk is full", "shard 5/0 is damaged"]);
    let reply = plain_http(address, &get("/healthz?strict")).await;
    assert!(reply.starts_with("HTTP/1.1 503") && reply.ends_with("5/0 is damaged"), "{reply}");
    *sick.lock() = Health::Unhealthy(vec!["catching up".to_owned()]);
    for path in ["/healthz", "/healthz?strict"] {
        let reply = plain_http(address, &get(path)).await;
        assert!(reply.starts_with("HTTP/1.1 503") && reply.ends_with("catching up"), "{reply}");
    }
    // A scraper keeps its connection. When the port closes it must not keep what the callbacks hold.
    let mut scraper = TcpStream::connect(address).await.unwrap();
    scraper.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut reply = [0; 12];
    scraper.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"HTTP/1.1 200");
    assert!(Arc::strong_count(&sick) > 1);
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(Arc::strong_count(&sick), 1);
}
