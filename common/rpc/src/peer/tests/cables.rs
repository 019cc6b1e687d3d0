//! A connection whose cable is cut ends by itself, on both ends, whether it sends or is silent.
//!
//! The cut: the other end's socket drops every packet in the kernel, confirmations included, by a filter that needs no
//! rights and no network of its own. Between real processes and hosts, `tests/chaos` cuts by a routing rule in namespaces.

use super::super::socket;
use super::*;
use socket2::{SockFilter, SockRef};
use std::io;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What a node promises: four seconds, or three of silence and the questions after it; and time for a busy machine.
const NOTICED: std::ops::Range<Duration> = Duration::from_millis(2_500)..Duration::from_secs(9);

#[tokio::test]
async fn both_ends_of_a_connection_ask_the_kernel_to_notice_a_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (dialled, accepted) = tokio::join!(socket::connect(&address), socket::accept(&listener));
    for stream in [dialled.unwrap(), accepted.unwrap().0] {
        assert!(stream.nodelay().unwrap());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(1));
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(4)));
    }
}

/// From now on nothing arrives at this end.
fn cut(far: &TcpStream) {
    const RETURN: u16 = 0x06;
    SockRef::from(far).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)]).unwrap();
}

/// How a connection that was cut ends, and after what time.
async fn end_of(mut near: PeerStream, sends: bool) -> (io::Result<usize>, Duration) {
    let began = Instant::now();
    if sends {
        near.write_all(b"is anybody there").await.unwrap();
    }
    let ended = tokio::time::timeout(2 * NOTICED.end, near.read(&mut [0])).await;
    (ended.expect("the cut was not noticed"), began.elapsed())
}

async fn dialled(sends: bool) -> (io::Result<usize>, Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peers = Peers::new(identity(1, Trust::Open), DialOptions::default());
    peers.book().set(NodeId(2), listener.local_addr().unwrap().to_string());
    let far = async {
        let (mut far, _) = listener.accept().await.unwrap();
        handshake::accept(&mut far, &identity(2, Trust::Open), |_| true).await.unwrap();
        far
    };
    let (near, far) = tokio::join!(peers.dial(NodeId(2), Channel::Raft, 0), far);
    cut(&far);
    end_of(near.unwrap(), sends).await
}

async fn accepted(sends: bool) -> (io::Result<usize>, Duration) {
    let (give, mut given) = mpsc::unbounded_channel();
    let door: Door = Arc::new(move |accepted: Accepted| {
        give.send(accepted.stream).unwrap();
        std::future::ready(()).boxed()
    });
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), door).await;
    let mut far = TcpStream::connect(&port.address).await.unwrap();
    handshake::dial(&mut far, &identity(1, Trust::Open), NodeId(2), Channel::Raft, 0).await.unwrap();
    let near = given.recv().await.unwrap();
    cut(&far);
    let end = end_of(near, sends).await;
    port.close().await;
    end
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_cut_is_noticed_by_either_end_whether_it_sends_or_is_silent() {
    let ends = tokio::join!(dialled(true), dialled(false), accepted(true), accepted(false));
    for (what, (end, after)) in [
        ("dialled, sends", ends.0),
        ("dialled, silent", ends.1),
        ("accepted, sends", ends.2),
        ("accepted, silent", ends.3),
    ] {
        println!("{what}: {end:?} after {after:?}");
        let error = end.expect_err(what);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{what}: {error}");
        assert!(NOTICED.contains(&after), "{what}: after {after:?}");
    }
}
