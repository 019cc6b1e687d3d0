//! The port itself, through sockets: gRPC, plain HTTP, limits, deadlines.

use super::fake::Fake;
use crate::proto::milvus as pb;
use crate::proto::milvus::milvus_service_client::MilvusServiceClient;
use crate::proto::milvus::milvus_service_server::MilvusService;
use crate::service::Service;
use crate::{Gateway, Options};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<std::io::Result<()>>,
}

pub(super) async fn start(fake: &Arc<Fake>, options: Options) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let db: Arc<dyn vecraft_types::api::Database> = Arc::clone(fake) as _;
    let task = tokio::spawn(Gateway::serve(listener, db, options, async move { _ = stopped.await }));
    Running { address, stop, task }
}

pub(super) async fn client(running: &Running) -> (MilvusServiceClient<Channel>, Channel) {
    let channel =
        Endpoint::from_shared(format!("http://{}", running.address)).unwrap().connect().await.unwrap();
    let client = MilvusServiceClient::new(channel.clone()).max_encoding_message_size(usize::MAX);
    (client, channel)
}

pub(super) async fn plain_http(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn one_port_serves_grpc_and_answers_http() {
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options::default()).await;
    let (mut client, _) = client(&running).await;
    let version = client.get_version(pb::GetVersionRequest {}).await.unwrap().into_inner();
    assert_eq!(version.version, "1.2.3");
    assert_eq!(version.status.unwrap().code, 0);
    let first = client.connect(pb::ConnectRequest::default()).await.unwrap().into_inner();
    let second = client.connect(pb::ConnectRequest::default()).await.unwrap().into_inner();
    assert!(first.identifier > 0 && first.identifier != second.identifier);

    let reply = plain_http(
        running.address,
        "POST /v2/vectordb/collections/list HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    )
    .await;
    assert!(reply.starts_with("HTTP/1.1 501"), "{reply}");
    assert!(reply.contains("\"code\":10") && reply.contains("REST comes later"), "{reply}");
}

#[tokio::test]
async fn unknown_calls_are_unimplemented() {
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options::default()).await;
    let (_, channel) = client(&running).await;
    for path in ["/milvus.proto.milvus.MilvusService/HybridSearch", "/grpc.health.v1.Health/Check"] {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<pb::GetVersionRequest, pb::GetVersionResponse>::default();
        let call = grpc.unary(Request::new(pb::GetVersionRequest {}), path.parse().unwrap(), codec);
        let status = call.await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(path), "{}", status.message());
    }
}

#[tokio::test]
async fn errors_are_statuses_inside_ok_replies() {
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options::default()).await;
    let (mut client, _) = client(&running).await;
    let mut request = Request::new(pb::GetVersionRequest {});
    request.metadata_mut().insert("dbname", "other".parse().unwrap());
    request.metadata_mut().insert("authorization", "cm9vdDpNaWx2dXM=".parse().unwrap());
    let status = client.get_version(request).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.code, 800);
    let missing = pb::DescribeCollectionRequest { collection_name: "nope".to_owned(), ..Default::default() };
    let status = client.describe_collection(missing).await.unwrap().into_inner().status.unwrap();
    assert_eq!((status.code, status.error_code), (100, 4));
}

#[tokio::test]
async fn calls_are_counted_by_name_and_end() {
    let fake = Arc::new(Fake { delay: Duration::from_secs(60), ..Fake::default() });
    let options = Options::default();
    let calls = Arc::clone(&options.calls);
    assert_eq!(calls.render(), "");
    let running = start(&fake, options).await;
    let (mut client, _) = client(&running).await;
    client.get_version(pb::GetVersionRequest {}).await.unwrap();
    client.describe_collection(pb::DescribeCollectionRequest::default()).await.unwrap();
    let count = client.get_collection_statistics(pb::GetCollectionStatisticsRequest::default());
    assert!(tokio::time::timeout(Duration::from_millis(50), count).await.is_err());
    let wanted = [
        r#"milvus_proxy_req_count{function_name="GetVersion",status="success"} 1"#,
        r#"milvus_proxy_req_count{function_name="DescribeCollection",status="fail"} 1"#,
        r#"milvus_proxy_req_count{function_name="GetCollectionStatistics",status="abandon"} 1"#,
        r#"milvus_proxy_req_latency_bucket{function_name="GetVersion",le="+Inf"} 1"#,
        r#"milvus_proxy_req_latency_bucket{function_name="GetCollectionStatistics",le="10"} 0"#,
    ];
    let all_there = || wanted.iter().all(|line| calls.render().lines().any(|found| found == *line));
    // The server hears of the abandoned call a moment later.
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !all_there() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "{}", calls.render());
}

#[tokio::test]
async fn a_request_that_is_no_message_is_a_status_too() {
    let fake = Arc::new(Fake::default());
    let running = start(&fake, Options::default()).await;
    let (_, channel) = client(&running).await;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    // Sent as another message: field 2 is a number here and a text there.
    let codec = tonic_prost::ProstCodec::<pb::BoolResponse, pb::DescribeCollectionResponse>::default();
    let wrong = pb::BoolResponse { value: true, ..Default::default() };
    let path = "/milvus.proto.milvus.MilvusService/DescribeCollection".parse().unwrap();
    let status = grpc.unary(Request::new(wrong), path, codec).await.unwrap().into_inner().status.unwrap();
    assert_eq!(status.code, 1100);
    assert!(status.reason.contains("cannot be decoded"), "{}", status.reason);
}

#[tokio::test]
async fn a_message_over_the_limit_is_a_status_too() {
    for message_bytes_max in [Options::default().message_bytes_max, 3 << 20] {
        let fake = Arc::new(Fake::default());
        let running = start(&fake, Options { message_bytes_max, ..Options::default() }).await;
        let (mut client, _) = client(&running).await;
        let partition_name = "x".repeat(message_bytes_max);
        let insert = pb::InsertRequest { partition_name, ..Default::default() };
        let status = client.insert(insert).await.unwrap().into_inner().status.unwrap();
        assert_eq!(status.code, 1102);
        assert!(status.reason.contains(&message_bytes_max.to_string()), "{}", status.reason);
        let schema = vec![0; message_bytes_max];
        let create = pb::CreateCollectionRequest { schema, ..Default::default() };
        assert_eq!(client.create_collection(create).await.unwrap().into_inner().code, 1102);
        assert!(fake.verbs.lock().is_empty());
        // The connection goes on, and what is just below the limit is taken.
        let partition_name = "x".repeat(message_bytes_max - 1_024);
        let insert = pb::InsertRequest { partition_name, ..Default::default() };
        assert_ne!(client.insert(insert).await.unwrap().into_inner().status.unwrap().code, 1102);
    }
}

#[tokio::test]
async fn work_is_dropped_at_the_deadline_and_when_the_caller_leaves() {
    let fake = Arc::new(Fake { delay: Duration::from_millis(300), ..Fake::default() });
    let running = start(&fake, Options::default()).await;
    let (mut client, _) = client(&running).await;
    let count =
        || pb::GetCollectionStatisticsRequest { collection_name: "books".to_owned(), ..Default::default() };

    // Straight at the service: the client's own clock would end the call first.
    let service = Service { db: Arc::clone(&fake) as _, calls: Arc::default() };
    let mut request = Request::new(count());
    request.metadata_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let reply = service.get_collection_statistics(request).await.unwrap().into_inner();
    let status = reply.status.unwrap();
    assert_eq!(status.code, 10001, "{}", status.reason);
    assert_eq!(fake.call.lock().deadline_ms, Some(50));

    let mut leaver = client.clone();
    let gone =
        tokio::time::timeout(Duration::from_millis(50), leaver.get_collection_statistics(count())).await;
    assert!(gone.is_err());
    // A third call outlives both; had they gone on, they would have finished before it.
    client.get_collection_statistics(count()).await.unwrap();
    assert_eq!(*fake.finished.lock(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn pings_are_answered_while_a_call_holds_its_thread() {
    let fake = Arc::new(Fake { blocks: Duration::from_millis(600), ..Fake::default() });
    let running = start(&fake, Options::default()).await;
    // A client that gives up on its connection when a ping stays unanswered for 100 ms.
    let endpoint = Endpoint::from_shared(format!("http://{}", running.address)).unwrap();
    let endpoint = endpoint
        .http2_keep_alive_interval(Duration::from_millis(50))
        .keep_alive_timeout(Duration::from_millis(100))
        .keep_alive_while_idle(true);
    let mut client = MilvusServiceClient::new(endpoint.connect().await.unwrap());
    let count =
        pb::GetCollectionStatisticsRequest { collection_name: "books".to_owned(), ..Default::default() };
    assert_eq!(client.get_collection_statistics(count).await.unwrap().into_inner().stats[0].value, "42");
}
