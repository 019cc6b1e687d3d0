//! I21: requests that are begun take no more memory than the port may have, however many they are.

use super::fake::Fake;
use super::port::{Running, client, start};
use crate::Options;
use crate::proto::milvus as pb;
use crate::server::tests_only::{BytesInFlight, Gathered, RequestBytes};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use prost::Message;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tower_service::Service as _;

const LOOK: Duration = Duration::from_secs(5);

/// The prefix of a message of `announced` bytes, and `came` bytes of it.
fn begun(announced: usize, came: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(announced as u32);
    bytes.put_bytes(0, came);
    bytes.freeze()
}

/// A body that has this to say and then nothing, and does not end.
struct Unfinished(Option<Bytes>);

impl Body for Unfinished {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// Begins an insert that never ends; the code of the status that it is answered with.
async fn begin(mut channel: Channel, body: Bytes) -> i32 {
    poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let request = http::Request::post("http://localhost/milvus.proto.milvus.MilvusService/Insert")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Unfinished(Some(body))));
    let reply = channel.call(request.unwrap()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    pb::MutationResult::decode(reply.slice(5..)).unwrap().status.unwrap().code
}

/// `connections` times `calls` inserts of which these bytes come and no more.
async fn begin_many(running: &Running, connections: usize, calls: usize, body: &Bytes) -> JoinSet<i32> {
    let mut begun = JoinSet::new();
    for _ in 0..connections {
        let (_, channel) = client(running).await;
        for _ in 0..calls {
            begun.spawn(begin(channel.clone(), body.clone()));
        }
    }
    begun
}

/// The next `count` answers.
async fn answers(begun: &mut JoinSet<i32>, count: usize) -> Vec<i32> {
    let mut codes = Vec::new();
    let all = async {
        while codes.len() < count {
            codes.push(begun.join_next().await.unwrap().unwrap());
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(waited.is_ok(), "{} of {count} were answered: {codes:?}", codes.len());
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_unfinished_requests_of_many_connections_take_what_the_port_may_have() {
    let arriving = Arc::new(AtomicU64::new(0));
    let options = Options {
        message_bytes_max: 1 << 20,
        bytes_in_flight_max: 4 << 20,
        arriving: arriving.clone(),
        silent_max: Duration::from_secs(600),
        ..Options::default()
    };
    let fake = Arc::new(Fake::default());
    let running = start(&fake, options).await;
    // 80 requests that would take 40 MiB; eight fit.
    let mut begun = begin_many(&running, 4, 20, &begun(1 << 20, 512 << 10)).await;
    let codes = answers(&mut begun, 72).await;
    assert!(codes.iter().all(|code| *code == 8), "{codes:?}");
    let held = arriving.load(Ordering::Relaxed);
    assert!(held <= 4 << 20, "{held} bytes are held");
    // What is small goes on meanwhile.
    let (mut other, _) = client(&running).await;
    assert_eq!(other.get_version(pb::GetVersionRequest {}).await.unwrap().into_inner().version, "1.2.3");
    // Who goes gives back what was held.
    begun.shutdown().await;
    let given_back = async {
        while arriving.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_back).await.expect("all of it is given back");
    let insert = pb::InsertRequest { partition_name: "x".repeat(900 << 10), ..Default::default() };
    assert_ne!(other.insert(insert).await.unwrap().into_inner().status.unwrap().code, 8);
}

/// A thousand that say next to nothing hold next to nothing, and not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i21_a_request_that_does_not_go_on_is_ended() {
    let options = Options { silent_max: Duration::from_millis(200), ..Options::default() };
    let fake = Arc::new(Fake::default());
    let running = start(&fake, options).await;
    let mut begun = begin_many(&running, 1, 20, &begun(64 << 20, 0)).await;
    let codes = answers(&mut begun, 20).await;
    assert!(codes.iter().all(|code| *code == 10001), "{codes:?}");
}

#[tokio::test]
async fn i21_room_is_taken_for_what_came_and_not_for_what_was_announced() {
    let total = BytesInFlight::new(100 << 20, 64 << 20, Arc::default());
    let bytes = RequestBytes::new(Arc::clone(&total));
    let before = total.now();
    let mut body = Gathered::new(Unfinished(Some(begun(64 << 20, 1_000))), bytes, LOOK);
    let shown = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_ready())).await;
    assert!(!shown, "the codec sees nothing of it yet");
    assert_eq!(total.now() - before, 1_005);
    drop(body);
    assert_eq!(total.now(), 0);
}

#[tokio::test]
async fn a_call_has_one_message_of_the_length_that_it_says() {
    let total = BytesInFlight::new(100 << 20, 1_000, Arc::default());
    let gather = |body: Bytes| {
        let bytes = RequestBytes::new(Arc::clone(&total));
        let gathered = Gathered::new(Full::new(body), bytes.clone(), LOOK);
        async move { (gathered.collect().await.map(|all| all.to_bytes().len()).ok(), bytes.refusal()) }
    };
    assert_eq!(gather(begun(1_000, 1_000)).await, (Some(1_005), None));
    assert_eq!(gather(begun(0, 0)).await, (Some(5), None));
    assert_eq!(gather(begun(1_000, 7)).await, (Some(12), None), "torn: the codec says so");
    assert_eq!(gather(begun(1_001, 10)).await.1.unwrap().code.number(), 1102);
    assert_eq!(gather(begun(10, 11)).await.1.unwrap().code.number(), 1100);
}

#[tokio::test]
async fn bulk_is_refused_when_too_much_is_in_flight() {
    let total = BytesInFlight::new(0, 64 << 20, Arc::default());
    let receive = |len: usize| {
        let bytes = RequestBytes::new(Arc::clone(&total));
        let body = Gathered::new(Full::new(begun(len, len)), bytes.clone(), LOOK);
        async move { (body.collect().await.is_ok(), bytes) }
    };
    let (is_whole, first) = receive(60 << 20).await;
    first.admit().unwrap();
    let (second_is_whole, second) = receive(10 << 20).await;
    let error = second.refusal().unwrap();
    assert!(is_whole && !second_is_whole);
    assert_eq!((error.code.number(), error.retry_after_ms), (8, Some(100)));
    assert!(receive(1 << 10).await.0);
    drop((first, second));
    assert!(receive(10 << 20).await.0);
    assert_eq!(total.now(), 0);
}
