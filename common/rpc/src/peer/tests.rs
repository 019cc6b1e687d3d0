#![allow(clippy::unwrap_used)]

mod cables;
mod strangers;

use super::*;
use bytes::{Buf, Bytes};
use futures::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use vecraft_types::NodeId;

const WAIT: Duration = Duration::from_secs(10);
const CLUSTER: u128 = 0xC1;

fn secret(text: &str) -> Trust {
    Trust::Secret(Secret::new(text.as_bytes()).unwrap())
}

fn identity(node: u64, trust: Trust) -> Identity {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let nonces: Nonces =
        Arc::new(|| DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    Identity { cluster: CLUSTER, node: NodeId(node), level: 1, trust, nonces }
}

/// Answers each question with its bytes reversed.
fn echo() -> Door {
    let handle = |question: Bytes| {
        let answer: Vec<u8> = question.iter().rev().copied().collect();
        std::future::ready(Frame::new(answer)).boxed()
    };
    Arc::new(move |accepted: Accepted| {
        async move { drop(serve_calls(accepted.stream, CallLimits::default(), handle).await) }.boxed()
    })
}

/// A listening node, until dropped.
struct Port {
    address: String,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Port {
    async fn open(me: Identity, options: ListenOptions, door: Door) -> Port {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Port::on(socket, me, options, door)
    }

    fn on(socket: TcpListener, me: Identity, options: ListenOptions, door: Door) -> Port {
        let address = socket.local_addr().unwrap().to_string();
        let listener = PeerListener::new(
            socket,
            Peers::new(me, DialOptions::default()),
            options,
            [(Channel::Raft, door)],
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(listener.serve(stopped.map(drop)));
        Port { address, stop: Some(stop), task }
    }

    async fn close(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

fn reaching(me: Identity, port: &Port) -> Arc<Peers> {
    let peers = Peers::new(me, DialOptions::default());
    peers.book().set(NodeId(2), port.address.clone());
    peers
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT, waited).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn calls_find_their_answers_and_members_know_each_other() {
    for trust in [secret("sixteen bytes and more"), Trust::Open] {
        let port = Port::open(identity(2, trust.clone()), ListenOptions::default(), echo()).await;
        let lane = Lane::new(reaching(identity(1, trust), &port), NodeId(2), Channel::Raft, 0);
        let large = vec![7; 3 << 20];
        let calls = (0..100u8).map(|n| {
            let mut frame = Frame::new(vec![n, 0]);
            frame.push(Bytes::from(large.clone()).slice(..usize::from(n) * 20_000));
            lane.call(frame, WAIT)
        });
        for (n, answer) in futures::future::join_all(calls).await.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!(answer.len(), 2 + n * 20_000);
            assert_eq!(answer.last().copied(), Some(n as u8));
        }
        port.close().await;
    }
}

#[tokio::test]
async fn an_oversize_frame_ends_its_connection_before_it_takes_memory() {
    let (mut near, far) = tokio::io::duplex(1 << 10);
    let limits = CallLimits { frame_bytes_max: 1 << 20, ..CallLimits::default() };
    let serving = tokio::spawn(serve_calls(far, limits, |_| std::future::ready(Frame::default()).boxed()));
    near.write_all(&(1u32 << 30).to_le_bytes()).await.unwrap();
    let error = serving.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("1073741824"), "{error}");
}

#[tokio::test]
async fn a_question_too_large_is_not_sent_and_a_frame_without_an_id_ends_the_connection() {
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), echo()).await;
    let peers = reaching(identity(1, Trust::Open), &port);
    let lane = Lane::new(peers.clone(), NodeId(2), Channel::Raft, 0);
    let huge = Frame::new(vec![0; 65 << 20]);
    assert!(matches!(lane.call(huge, WAIT).await, Err(Error::TooLarge { max, .. }) if max < 65 << 20));

    let mut raw = peers.dial(NodeId(2), Channel::Raft, 0).await.unwrap();
    raw.write_all(&[3, 0, 0, 0, 1, 2, 3]).await.unwrap();
    assert_eq!(raw.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(lane.call(Frame::new(vec![1]), WAIT).await.is_ok(), "the others do not notice");
    port.close().await;
}

#[tokio::test]
async fn a_lane_fails_fast_while_its_node_is_down_and_mends_when_it_is_back() {
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), echo()).await;
    let lane = Lane::new(reaching(identity(1, Trust::Open), &port), NodeId(2), Channel::Raft, 0);
    assert!(lane.call(Frame::new(vec![1]), WAIT).await.is_ok());
    let address = port.address.clone();
    port.close().await;
    until("unreachable", async || {
        matches!(lane.call(Frame::new(vec![1]), WAIT).await, Err(Error::Unreachable { .. }))
    })
    .await;
    let socket = TcpListener::bind(&address).await.unwrap();
    let port = Port::on(socket, identity(2, Trust::Open), ListenOptions::default(), echo());
    until("back", async || lane.call(Frame::new(vec![1]), WAIT).await.is_ok()).await;
    port.close().await;
}

#[tokio::test]
async fn questions_begin_in_order_and_answers_may_overtake() {
    let begun = Arc::new(AtomicUsize::new(0));
    let handle = {
        let begun = begun.clone();
        move |question: Bytes| {
            let (n, begun) = (usize::from(question[0]), begun.clone());
            async move {
                // In the first poll: the order of arrival.
                assert_eq!(begun.fetch_add(1, Ordering::SeqCst), n);
                while n == 0 && begun.load(Ordering::SeqCst) < 50 {
                    tokio::task::yield_now().await;
                }
                Frame::new(vec![n as u8])
            }
            .boxed()
        }
    };
    let door: Door = Arc::new(move |accepted: Accepted| {
        let handle = handle.clone();
        async move { drop(serve_calls(accepted.stream, CallLimits::default(), handle).await) }.boxed()
    });
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), door).await;
    let lane = Lane::new(reaching(identity(1, Trust::Open), &port), NodeId(2), Channel::Raft, 0);
    let mut calls = Vec::new();
    for n in 0..50u8 {
        calls.push(lane.start(Frame::new(vec![n]), WAIT).await.unwrap());
    }
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.answer().await.unwrap()[0], n as u8);
    }
    port.close().await;
}

/// A handler hands its question on through a bounded channel, as a replica does to its core. Such a send does nothing in
/// a task that has used up its share of tokio's time: a follower then took an append before the one it builds on, and
/// the leader's core ended over the conflict.
#[tokio::test]
async fn questions_are_handed_on_in_order_however_busy_the_connection_is() {
    const QUESTIONS: u32 = 2_000;
    let (hand_on, mut handed_on) = tokio::sync::mpsc::channel(QUESTIONS as usize);
    let handle = |mut question: Bytes| {
        let (n, hand_on) = (question.get_u32(), hand_on.clone());
        async move {
            // So that the share ends at another place each time.
            if n % 7 == 0 {
                tokio::task::coop::consume_budget().await;
            }
            hand_on.send(n).await.unwrap();
            Frame::new(vec![1])
        }
        .boxed()
    };
    // Everything is there before it is read: nothing but the share ends a turn.
    let (mut asker, stream) = tokio::io::duplex(1 << 20);
    for n in 0..QUESTIONS {
        let question = [&12u32.to_le_bytes()[..], &u64::from(n).to_le_bytes(), &n.to_be_bytes()].concat();
        asker.write_all(&question).await.unwrap();
    }
    asker.shutdown().await.unwrap();
    serve_calls(stream, CallLimits::default(), handle).await.unwrap();
    for n in 0..QUESTIONS {
        assert_eq!(handed_on.recv().await, Some(n));
    }
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_a_silent_connection_is_given_up() {
    let door: Door = Arc::new(|accepted: Accepted| {
        async move {
            let mut stream = accepted.stream;
            let mut sink = [0; 64];
            while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
        }
        .boxed()
    });
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), door).await;
    let lane = Lane::new(reaching(identity(1, Trust::Open), &port), NodeId(2), Channel::Raft, 0);
    let started = tokio::time::Instant::now();
    let wait = Duration::from_millis(50);
    assert!(matches!(lane.call(Frame::new(vec![1]), wait).await, Err(Error::TimedOut { waited_ms: 50, .. })));
    assert!(started.elapsed() < WAIT);
    // A patient call shares the fate of its connection once that has been silent for long.
    let patient = lane.start(Frame::new(vec![1]), WAIT).await.unwrap();
    let impatient = async {
        until("given up", async || {
            let _ = lane.call(Frame::new(vec![1]), wait).await;
            started.elapsed() > Duration::from_millis(1_200)
        })
        .await;
    };
    let (patient, ()) = tokio::join!(patient.answer(), impatient);
    assert!(matches!(patient, Err(Error::Closed { .. })), "{patient:?}");
    port.close().await;
}

#[test]
fn a_node_that_goes_and_comes_back_is_news_once_each() {
    let mut reach = peers::Reach::default();
    let node = NodeId(2);
    assert!(!reach.lost(node), "not started yet");
    let news =
        [reach.gained(node), reach.gained(node), reach.lost(node), reach.lost(node), reach.gained(node)];
    assert_eq!(news, [true, false, true, false, true]);
}
