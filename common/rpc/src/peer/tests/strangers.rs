//! Who is let in: cluster id, secret, version, and those who say nothing.

use super::*;

#[tokio::test]
async fn i1_strangers_are_refused_by_name_and_at_once_the_second_time() {
    let good = || secret("sixteen bytes and more");
    let port = Port::open(identity(2, good()), ListenOptions::default(), echo()).await;
    let dial = |me: Identity, to: u64, channel| {
        let peers = reaching(me, &port);
        peers.book().set(NodeId(to), port.address.clone());
        async move { peers.dial(NodeId(to), channel, 0).await.map(drop).unwrap_err() }
    };
    let refused = |node: u64, reason| Error::Refused { node: NodeId(node), reason };
    let foreign = Identity { cluster: 0xBAD, ..identity(1, good()) };
    assert_eq!(dial(foreign, 2, Channel::Raft).await, refused(2, Refusal::WrongCluster));
    assert_eq!(dial(identity(1, good()), 3, Channel::Raft).await, refused(3, Refusal::WrongNode));
    assert_eq!(dial(identity(2, good()), 2, Channel::Raft).await, refused(2, Refusal::SameNode));
    assert_eq!(dial(identity(1, good()), 2, Channel::Files).await, refused(2, Refusal::UnknownChannel));
    assert_eq!(dial(identity(1, Trust::Open), 2, Channel::Raft).await, refused(2, Refusal::SecretNeeded));
    // The listener proves itself first, so it is the dialer who notices.
    let wrong = identity(1, secret("another secret of ours"));
    assert_eq!(dial(wrong, 2, Channel::Raft).await, refused(2, Refusal::WrongSecret));

    let peers = reaching(Identity { cluster: 0xBAD, ..identity(1, good()) }, &port);
    assert_eq!(
        peers.dial(NodeId(2), Channel::Raft, 0).await.map(drop).unwrap_err(),
        refused(2, Refusal::WrongCluster)
    );
    let again =
        peers.dial(NodeId(2), Channel::Raft, 0).now_or_never().expect("no attempt while the pause lasts");
    assert_eq!(again.map(drop).unwrap_err(), refused(2, Refusal::WrongCluster));
    // The one channel between clusters is tried all the same, and here nobody serves it.
    let forming = peers.dial(NodeId(2), Channel::Forming, 0).await;
    assert_eq!(forming.map(drop).unwrap_err(), refused(2, Refusal::UnknownChannel));
    port.close().await;
}

#[tokio::test]
async fn a_node_that_is_not_formed_yet_is_told_apart_from_one_of_another_cluster() {
    let nameless = Identity { cluster: 0, ..identity(2, Trust::Open) };
    let port = Port::open(nameless, ListenOptions::default(), echo()).await;
    let peers = reaching(identity(1, Trust::Open), &port);
    let refused = peers.dial(NodeId(2), Channel::Raft, 0).await.map(drop).unwrap_err();
    assert_eq!(refused, Error::Refused { node: NodeId(2), reason: Refusal::NotYet });
    port.close().await;
}

#[tokio::test]
async fn a_dialer_that_does_not_know_the_secret_is_refused_by_the_listener() {
    let me = identity(2, secret("sixteen bytes and more"));
    let (mut near, mut far) = tokio::io::duplex(1 << 10);
    let listening = tokio::spawn(async move { handshake::accept(&mut far, &me, |_| true).await.map(drop) });
    let hello = hello::Hello {
        cluster: CLUSTER,
        from: NodeId(1),
        to: NodeId(2),
        channel: Some(Channel::Raft),
        lane: 0,
        level: 1,
        has_secret: true,
        nonce: [3; 32],
    };
    near.write_all(&hello.encode()).await.unwrap();
    let mut answer = [0; hello::ANSWER_BYTES];
    near.read_exact(&mut answer).await.unwrap();
    // The listener's own proof shown back to it, and nothing else will do either.
    near.write_all(&answer[hello::ANSWER_HEAD_BYTES..]).await.unwrap();
    assert_eq!(hello::verdict(near.read_u8().await.unwrap()), Some(Refusal::WrongSecret));
    let failed = listening.await.unwrap().unwrap_err();
    assert!(matches!(failed, (Some(NodeId(1)), handshake::Failed::Refused(Refusal::WrongSecret))));
}

#[tokio::test]
async fn another_version_is_told_so_and_another_protocol_nothing() {
    let port = Port::open(identity(2, Trust::Open), ListenOptions::default(), echo()).await;
    let hello = hello::Hello {
        cluster: CLUSTER,
        from: NodeId(1),
        to: NodeId(2),
        channel: Some(Channel::Raft),
        lane: 0,
        level: 1,
        has_secret: false,
        nonce: [3; 32],
    };
    let mut newer = hello.encode();
    newer[4] += 1;
    let mut stream = TcpStream::connect(&port.address).await.unwrap();
    stream.write_all(&newer).await.unwrap();
    let mut answer = [0; hello::ANSWER_BYTES];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(hello::verdict(answer[6]), Some(Refusal::WrongVersion));
    // In the place where every version looks for it.
    assert_eq!(answer[4..6], hello::VERSION.to_le_bytes());

    let mut stream = TcpStream::connect(&port.address).await.unwrap();
    stream.write_all(&[b'G'; hello::HELLO_BYTES]).await.unwrap();
    assert_eq!(stream.read(&mut answer).await.unwrap_or(0), 0);
    port.close().await;
}

#[tokio::test]
async fn who_dials_a_node_of_another_build_hears_both_versions() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let other_build = tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        stream.read_exact(&mut [0; hello::HELLO_BYTES]).await.unwrap();
        let refusal =
            hello::Answer { refused: Some(Refusal::WrongVersion), level: 1, nonce: [5; 32] }.encode();
        let mut answer = [0; hello::ANSWER_BYTES];
        answer[..refusal.len()].copy_from_slice(&refusal);
        answer[4] += 1;
        stream.write_all(&answer).await.unwrap();
    });
    let peers = Peers::new(identity(1, Trust::Open), DialOptions::default());
    peers.book().set(NodeId(2), address);
    let refused = peers.dial(NodeId(2), Channel::Raft, 0).await.map(drop).unwrap_err();
    assert_eq!(refused, Error::OtherVersion { node: NodeId(2), theirs: hello::VERSION + 1 });
    let (ours, theirs) = (hello::VERSION, hello::VERSION + 1);
    let text = refused.to_string();
    assert!(
        text.contains(&format!("version {ours}")) && text.contains(&format!("version {theirs}")),
        "{text}"
    );
    other_build.await.unwrap();
}

#[tokio::test]
async fn silent_strangers_do_not_keep_members_out() {
    let options = ListenOptions {
        half_open_max: 2,
        handshake_max: Duration::from_millis(200),
        ..ListenOptions::default()
    };
    let port = Port::open(identity(2, Trust::Open), options, echo()).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(&port.address).await.unwrap());
    }
    let peers = reaching(identity(1, Trust::Open), &port);
    until("a member gets in", async || peers.dial(NodeId(2), Channel::Raft, 0).await.is_ok()).await;
    port.close().await;
}

#[tokio::test]
async fn a_flood_of_silent_strangers_does_not_delay_a_member() {
    // None of them is closed for its silence while this test runs.
    let options = ListenOptions { handshake_max: 10 * WAIT, ..ListenOptions::default() };
    let port = Port::open(identity(2, Trust::Open), options, echo()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(&port.address).await.unwrap());
    }
    // The first attempt, within the dialer's patience.
    let peers = reaching(identity(1, Trust::Open), &port);
    assert!(peers.dial(NodeId(2), Channel::Raft, 0).await.is_ok());
    port.close().await;
}
