//! What a door survives.

use super::fake::{Fake, Trouble};
use super::retries::until;
use super::*;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vecraft_rpc::ServeOptions;
use vecraft_rpc::wire::{ENVELOPE_BYTES, FRAME_BYTES_CEILING, FRAME_BYTES_MAX};
use vecraft_types::Code;
use vecraft_types::api::{Call, Database};

/// Sends these bytes and waits until the door closes the connection.
async fn is_closed_after(door: &Door, bytes: &[u8]) {
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    // A reset is as good as an end.
    let _ = read.await.expect("the connection is still open");
    assert!(rest.is_empty(), "an answer to {bytes:?}");
}

#[tokio::test]
async fn bytes_that_are_no_frames_close_only_their_connection() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    is_closed_after(&door, &u32::MAX.to_be_bytes()).await;
    is_closed_after(&door, &(FRAME_BYTES_CEILING as u32 + 1).to_be_bytes()).await;
    is_closed_after(&door, b"\0\0\0\0").await;
    is_closed_after(&door, b"\0\0\0\x04junk").await;
    // The right version, then a question whose deadline is the largest number there is, then nonsense.
    is_closed_after(&door, b"\0\0\0\x0c\x01\0\x01\xfd\xff\xff\xff\xff\xff\xff\xff\xff").await;
    is_closed_after(&door, b"GET / HTTP/1.1\r\n\r\n").await;
    client.server_info(Call::default()).await.unwrap();
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn an_endless_deadline_is_cut_and_not_added_to_the_clock() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let call = Call { deadline_ms: Some(u64::MAX), ..Call::default() };
    door.client().await.server_info(call).await.unwrap();
    assert!(fake.calls()[0].deadline_ms.unwrap() <= 3_600_000);
}

#[tokio::test]
async fn too_much_in_one_message_is_an_error_of_that_call_alone() {
    let fake = Fake::new([Trouble::Long(FRAME_BYTES_MAX + 1)]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let error = client.server_info(Call::default()).await.unwrap_err();
    assert!(error.code == Code::ParameterTooLarge && error.detail.contains("the answer"), "{error}");
    let rows = Rows::new().int64("id", [1]).varchar("text", ["x".repeat(FRAME_BYTES_MAX + 1)]);
    let error = client.collection("c").insert(rows).await.unwrap_err();
    assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
    client.server_info(Call::default()).await.unwrap();
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn a_door_takes_requests_up_to_the_size_it_was_told() {
    for message_bytes_max in [1 << 20, 80 << 20] {
        let fake = Fake::new([]);
        let options = ServeOptions { message_bytes_max, ..ServeOptions::default() };
        let door = Door::with(&fake, "127.0.0.1:0".parse().unwrap(), options).await;
        let client = door.client().await;
        let c = collection(&client).await;
        let calls = fake.calls().len();
        let long = |bytes| client.drop_collection(Call::default(), "x".repeat(bytes));
        // Others on the same connection are answered meanwhile, and the next one after it.
        let (refused, other) =
            tokio::join!(long(message_bytes_max + ENVELOPE_BYTES), client.server_info(Call::default()),);
        let error = refused.unwrap_err();
        assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
        let limit = (message_bytes_max + ENVELOPE_BYTES).to_string();
        assert!(error.detail.contains(&limit) && error.detail.contains("the request has"), "{error}");
        other.unwrap();
        c.insert(row(1)).await.unwrap();
        assert_eq!(fake.calls().len(), calls + 2, "the database heard of the long one");
        long(message_bytes_max).await.unwrap();
    }
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let fake = Fake::new([Trouble::Panic]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    assert_eq!(client.server_info(Call::default()).await.unwrap_err().code, Code::Internal);
    client.server_info(Call::default()).await.unwrap();
}

#[tokio::test]
async fn a_door_that_stops_finishes_what_it_began() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.builder().retries(false).connect().await.unwrap();
    let c = collection(&client).await;
    c.insert(row(1)).await.unwrap();
    let address = door.address;
    tokio::time::timeout(Duration::from_secs(4), door.stop())
        .await
        .expect("an idle connection holds the door");
    // Unknown only if the end of the connection was not heard of yet.
    let code = c.insert(row(2)).await.unwrap_err().code;
    assert!(matches!(code, Code::Unavailable | Code::OutcomeUnknown), "{code:?}");
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(fake.writes_done(), 1);
}

/// A client that has its place at the door.
async fn placed(door: &Door) -> Client {
    let client = door.builder().retries(false).connect().await.unwrap();
    client.server_info(Call::default()).await.unwrap();
    client
}

#[tokio::test]
async fn who_says_nothing_is_closed_and_who_called_once_is_not() {
    let fake = Fake::new([]);
    let options = ServeOptions { silent_max: Duration::from_millis(100), ..ServeOptions::default() };
    let door = Door::with(&fake, "127.0.0.1:0".parse().unwrap(), options).await;
    let quiet = vecraft_rpc::transport::connect(door.address).await.unwrap();
    quiet.client.server_info(tarpc::context::current(), Call::default()).await.unwrap().unwrap();
    is_closed_after(&door, b"").await;
    // A frame that was begun and is not ended is no request.
    is_closed_after(&door, b"\0\0\x01").await;
    assert!(!quiet.is_closed());
    quiet.client.server_info(tarpc::context::current(), Call::default()).await.unwrap().unwrap();
}

#[tokio::test]
async fn i21_requests_that_never_end_have_one_limit_and_keep_neither_memory_nor_connection() {
    const MESSAGE: usize = 1 << 20;
    const LIMIT: u64 = 2 << 20;
    let (fake, arriving) = (Fake::new([]), Arc::<AtomicU64>::default());
    let options = ServeOptions {
        message_bytes_max: MESSAGE,
        arriving_bytes_max: LIMIT as usize,
        arriving: arriving.clone(),
        silent_max: Duration::from_millis(500),
        ..ServeOptions::default()
    };
    let door = Door::with(&fake, "127.0.0.1:0".parse().unwrap(), options).await;
    let client = door.client().await;
    let taken = || arriving.load(Ordering::Relaxed);
    let mut strangers = Vec::new();
    for stranger in 0..8 {
        let full = LIMIT.min((stranger + 1) * MESSAGE as u64);
        let mut stranger = TcpStream::connect(door.address).await.unwrap();
        // A whole frame, a cancellation: it is not silent. Then all of the largest request but its end.
        stranger.write_all(b"\0\0\0\x06\x01\x01\x01\0\0\0").await.unwrap();
        stranger.write_all(&(MESSAGE as u32).to_be_bytes()).await.unwrap();
        stranger.write_all(&vec![0; MESSAGE - 1]).await.unwrap();
        strangers.push(stranger);
        until("what came is counted", || taken() == full).await;
    }
    client.server_info(Call::default()).await.unwrap();
    let refused = door.builder().retries(false).connect().await.unwrap();
    let large = || "x".repeat(MESSAGE);
    let error = refused.drop_collection(Call::default(), large()).await.unwrap_err();
    assert_eq!(error.code, Code::RateLimited, "{error}");
    assert!(error.detail.contains("arrive now have 2 MiB together"), "{error}");
    assert!(taken() <= LIMIT);
    // An honest one comes again until there is room, on the connection that it had.
    client.drop_collection(Call::default(), large()).await.unwrap();
    refused.drop_collection(Call::default(), large()).await.unwrap();
    for stranger in &mut strangers {
        let end = tokio::time::timeout(Duration::from_secs(10), stranger.read(&mut [0])).await;
        assert_eq!(end.expect("a stranger keeps its connection").unwrap_or(0), 0);
    }
    until("all of it is given back", || taken() == 0).await;
}

#[tokio::test]
async fn a_full_door_lets_a_new_client_in_and_none_of_the_others_hears_an_error() {
    const PLACES: usize = 8;
    let fake = Fake::new([]);
    let options =
        ServeOptions { connections_max: PLACES, idle_min: Duration::ZERO, ..ServeOptions::default() };
    let door = Door::with(&fake, "127.0.0.1:0".parse().unwrap(), options).await;
    let busy = door.client().await;
    let c = collection(&busy).await;
    fake.trouble(Trouble::LoseAnswer);
    let writing = tokio::spawn(async move { c.insert(row(1)).await });
    until("the write", || fake.writes_done() == 1).await;
    let mut clients = Vec::new();
    for _ in 0..3 * PLACES {
        clients.push(placed(&door).await);
    }
    let mut strangers = Vec::new();
    for _ in 0..3 * PLACES {
        strangers.push(TcpStream::connect(door.address).await.unwrap());
    }
    // All are in or have given way: none is being closed while a client calls.
    for stranger in &mut strangers[..=2 * PLACES] {
        let end = tokio::time::timeout(Duration::from_secs(5), stranger.read(&mut [0])).await;
        assert_eq!(end.expect("a stranger keeps its place").unwrap_or(0), 0);
    }
    for client in clients {
        // Without retries, and a drop, which is sent once: what is lost would be told.
        client.drop_collection(Call::default(), "d".to_owned()).await.unwrap();
    }
    assert!(!writing.is_finished(), "a call under way lost its connection");
    writing.abort();
}
