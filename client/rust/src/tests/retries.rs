use super::fake::{Fake, Trouble};
use super::*;
use std::time::Instant;
use vecraft_types::api::{Call, Database, DropIndex};
use vecraft_types::{Code, Error};

/// Waits until `done`, so that a test acts at the right moment.
pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(10), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_server_that_says_later_is_asked_later() {
    let codes = [Code::NotReady, Code::Unavailable, Code::ReplicaUnavailable];
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = collection(&door.client().await).await;
    codes.iter().for_each(|code| fake.trouble(Trouble::Refuse(Error::new(*code, "soon"))));
    fake.trouble(Trouble::Refuse(Error::new(Code::RateLimited, "full").retry_after(200)));
    let began = Instant::now();
    c.insert(row(1)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200), "the server asked for 200 ms");
    assert_eq!((fake.writes_done(), fake.calls().len()), (1, 6));
}

#[tokio::test]
async fn a_final_answer_is_not_asked_again() {
    let fake = Fake::new([Trouble::Refuse(Error::new(Code::IllegalSchema, "no"))]);
    let door = Door::open(&fake).await;
    let error = door.client().await.server_info(Call::default()).await.unwrap_err();
    assert_eq!((error.code, fake.calls().len()), (Code::IllegalSchema, 1));
}

#[tokio::test]
async fn i10_a_write_whose_answer_is_lost_is_done_once() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let c = collection(&client).await;
    fake.trouble(Trouble::LoseAnswer);
    let writing = tokio::spawn(async move { c.insert(row(1)).await });
    until("the write", || fake.writes_done() == 1).await;
    let address = door.crash().await;
    let _door = Door::open_at(&fake, address).await;
    let reply = writing.await.unwrap().unwrap();
    assert_eq!((reply.inserted, fake.writes_done()), (1, 1));
    let names = fake.names();
    assert!(names.len() == 2 && names[0] == names[1] && names[0].is_some(), "{names:?}");
    assert_eq!(client.session_timestamp(), reply.timestamp);
}

#[tokio::test]
async fn without_retries_a_lost_answer_says_what_is_known() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.builder().retries(false).connect().await.unwrap();
    let c = collection(&client).await;
    fake.trouble(Trouble::LoseAnswer);
    fake.trouble(Trouble::LoseAnswer);
    let writing = tokio::spawn(async move { c.insert(row(1)).await });
    until("the write", || fake.writes_done() == 1).await;
    let reader = client.clone();
    let reading = tokio::spawn(async move { reader.server_info(Call::default()).await });
    until("the read", || fake.calls().len() == 3).await;
    door.crash().await;
    assert_eq!(writing.await.unwrap().unwrap_err().code, Code::OutcomeUnknown);
    assert_eq!(reading.await.unwrap().unwrap_err().code, Code::Unavailable);
    // Nothing was sent this time, so nothing is unknown.
    let unsent = client.collection("c").insert(row(2)).await.unwrap_err();
    assert_eq!(unsent.code, Code::Unavailable);
}

#[tokio::test]
async fn once_unclear_a_write_stays_unclear_until_it_succeeds() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.builder().deadline(Duration::from_secs(2)).connect().await.unwrap();
    let c = collection(&client).await;
    fake.trouble(Trouble::LoseAnswer);
    let writing = tokio::spawn(async move { c.insert(row(1)).await });
    until("the write", || fake.writes_done() == 1).await;
    door.crash().await;
    // Nobody opens the door again: "cannot connect" would be a lie about the first attempt.
    let error = writing.await.unwrap().unwrap_err();
    // The deadline may fall into an attempt to connect. Of a write both codes say that it may have been done.
    assert!(matches!(error.code, Code::OutcomeUnknown | Code::Deadline), "{error}");
    assert!(error.detail.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_call_ends_by_its_deadline() {
    let fake = Fake::new([Trouble::LoseAnswer]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let began = Instant::now();
    let call = Call { deadline_ms: Some(100), ..Call::default() };
    let error = client.server_info(call).await.unwrap_err();
    assert_eq!(error.code, Code::Deadline);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    // The next call does not depend on the connection that fell silent.
    client.server_info(Call::default()).await.unwrap();
}

#[tokio::test]
async fn another_address_is_tried_when_one_does_not_answer() {
    let fake = Fake::new([]);
    let (dead, alive) = (Door::open(&fake).await.crash().await, Door::open(&fake).await);
    let builder = Client::builder().address(dead.to_string()).address(alive.address.to_string());
    builder.connect().await.unwrap().server_info(Call::default()).await.unwrap();
    let error = Client::connect(dead.to_string()).await.err().unwrap();
    assert!(error.code == Code::Unavailable && error.detail.contains(&dead.to_string()), "{error}");
    assert_eq!(Client::builder().connect().await.err().unwrap().code, Code::InvalidParameter);
}

#[tokio::test]
async fn i10_a_write_older_than_what_the_server_remembers_is_told_as_unknown() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = collection(&door.client().await).await;
    let calls = fake.calls().len();
    fake.trouble(Trouble::Refuse(Error::new(Code::OutcomeUnknown, "below the window")));
    let error = c.insert(row(1)).await.unwrap_err();
    assert_eq!((error.code, error.detail.as_str()), (Code::OutcomeUnknown, "below the window"));
    assert_eq!((fake.writes_done(), fake.calls().len()), (0, calls + 1), "it was sent again");
}

#[tokio::test]
async fn a_call_that_ends_by_its_deadline_tells_what_it_was_told_before() {
    let refusal = || Error::new(Code::ReplicaUnavailable, "group 4 is led by nobody").with("group", 4);
    let named = ("group".to_owned(), "4".to_owned());
    let call = || Call { deadline_ms: Some(800), ..Call::default() };
    // Refused to the end: the refusal is the answer, not an attempt that could only be cut off.
    let fake = Fake::new((0..200).map(|_| Trouble::Refuse(refusal())));
    let door = Door::open(&fake).await;
    let error = door.client().await.server_info(call()).await.unwrap_err();
    assert_eq!(error, refusal());
    // The last attempt hangs: too late, and why.
    let fake = Fake::new([Trouble::Refuse(refusal()), Trouble::LoseAnswer]);
    let door = Door::open(&fake).await;
    let error = door.client().await.server_info(call()).await.unwrap_err();
    assert_eq!(error.code, Code::Deadline);
    assert!(error.detail.contains("led by nobody") && error.context.contains(&named), "{error}");
}

#[tokio::test]
async fn a_drop_whose_answer_was_lost_is_not_sent_again() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = collection(&door.client().await).await;
    // "Later" says that nothing was done: that is asked again.
    fake.trouble(Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "soon")));
    fake.trouble(Trouble::LoseAnswer);
    let calls = fake.calls().len();
    let dropping = tokio::spawn(async move { c.drop().await });
    until("the second attempt", || fake.calls().len() == calls + 2).await;
    let address = door.crash().await;
    let _door = Door::open_at(&fake, address).await;
    let error = dropping.await.unwrap().unwrap_err();
    assert_eq!((error.code, fake.calls().len()), (Code::OutcomeUnknown, calls + 2), "{error}");
}

#[tokio::test]
async fn a_drop_of_an_index_whose_answer_was_lost_is_not_sent_again() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    fake.trouble(Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "soon")));
    fake.trouble(Trouble::LoseAnswer);
    let calls = fake.calls().len();
    let request = DropIndex { collection: "c".into(), field: "vector".into(), name: String::new() };
    let dropping = tokio::spawn(async move { client.drop_index(Call::default(), request).await });
    until("the second attempt", || fake.calls().len() == calls + 2).await;
    let address = door.crash().await;
    let _door = Door::open_at(&fake, address).await;
    let error = dropping.await.unwrap().unwrap_err();
    assert_eq!((error.code, fake.calls().len()), (Code::OutcomeUnknown, calls + 2), "{error}");
}

#[tokio::test]
async fn i10_a_create_whose_answer_was_lost_is_sent_again_under_the_same_name() {
    let fake = Fake::new([Trouble::LoseAnswer]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let making = tokio::spawn({
        let client = client.clone();
        async move { collection(&client).await }
    });
    until("the first attempt", || fake.calls().len() == 1).await;
    let address = door.crash().await;
    let _door = Door::open_at(&fake, address).await;
    making.await.unwrap();
    let names: Vec<_> = fake.calls().iter().map(|call| call.request).collect();
    assert!(names.len() == 2 && names[0] == names[1] && names[0].is_some(), "{names:?}");
    collection(&client).await;
    assert_ne!(fake.calls()[2].request, names[0], "another request has another name");
}
