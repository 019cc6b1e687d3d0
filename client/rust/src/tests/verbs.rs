use super::fake::{Fake, Trouble};
use super::*;
use vecraft_types::api::{Consistency, Database, KeyVerdict, Seen};
use vecraft_types::{Code, CollectionId, Error, PrimaryKey, ShardId, Timestamp};

#[tokio::test]
async fn rows_go_in_and_are_found_again() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let c = collection(&client).await;
    let rows = Rows::new().int64("id", 0..100).vectors("vector", 2, (0..200).map(|x| x as f32).collect());
    let reply = c.insert(rows).await.unwrap();
    assert_eq!((reply.inserted, reply.keys.len()), (100, 100));
    assert_eq!(c.count().await.unwrap(), 100);
    let hits = c.search(&[20.0, 21.0]).limit(3).output(["id"]).one().await.unwrap();
    assert_eq!(hits[0].key, PrimaryKey::Int64(10));
    assert_eq!((hits[0].score, hits.len()), (0.0, 3));
    assert_eq!(hits[0].vector("vector").unwrap(), [20.0, 21.0]);
    assert_eq!((hits[0].int("id"), hits[0].text("id"), hits[0].int("nothing")), (Some(10), None, None));
    let both = c.search(&[0.0, 1.0, 198.0, 199.0]).dim(2).limit(1).run().await.unwrap();
    assert_eq!([&both[0][0].key, &both[1][0].key], [&PrimaryKey::Int64(0), &PrimaryKey::Int64(99)]);
    assert_eq!(c.delete([PrimaryKey::Int64(10), PrimaryKey::Int64(1_000)]).await.unwrap().deleted, 1);
    assert_eq!(c.query("").limit(5).rows().await.unwrap().rows.batch.rows, 5);
    assert_eq!(c.count().await.unwrap(), 99);
    let missing = client.collection("no").insert(row(1)).await.unwrap_err();
    assert_eq!(missing.code, Code::CollectionNotFound);
}

#[tokio::test]
async fn a_search_that_explains_itself_has_the_same_hits_and_tells_of_keys() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = collection(&door.client().await).await;
    for id in 0..5 {
        c.insert(row(id)).await.unwrap();
    }
    let search = || c.search(&[2.0, 2.0]).limit(2);
    let plain: Vec<_> = search().one().await.unwrap().into_iter().map(|hit| hit.key).collect();
    let keys = [PrimaryKey::Int64(7), PrimaryKey::VarChar("x".into())];
    let told = search().explain().why_missing(keys.clone()).run().await.unwrap();
    assert_eq!(told.hits[0].iter().map(|hit| hit.key.clone()).collect::<Vec<_>>(), plain);
    assert_eq!(told.explanation.collection, "c");
    let of: Vec<_> = told.explanation.keys.iter().map(|told| (told.key.clone(), told.verdict)).collect();
    assert_eq!(of, keys.map(|key| (key, KeyVerdict::Absent)), "keys travel as what they are");
}

#[tokio::test]
async fn a_compaction_is_asked_for_until_somebody_takes_it_and_tells_how_far_it_is() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let c = collection(&door.client().await).await;
    fake.trouble(Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "electing")));
    c.compact(Some(7)).await.unwrap();
    c.compact(None).await.unwrap();
    let sizes: Vec<_> = fake.compactions().iter().map(|asked| asked.bytes_max).collect();
    assert_eq!(sizes, [Some(7), None]);
    let asked = c.segments().await.unwrap().asked.unwrap();
    assert_eq!((asked.is_done, asked.finished), (true, 2));
}

#[tokio::test]
async fn i10_every_write_has_its_own_name() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let (first, second) = (door.client().await, door.client().await);
    assert_ne!(first.id(), second.id());
    let c = collection(&first).await;
    for id in 0..3 {
        c.insert(row(id)).await.unwrap();
    }
    second.collection("c").upsert(row(9)).await.unwrap();
    let names = fake.names();
    let mut unique: Vec<_> = names.iter().map(|name| name.unwrap()).collect();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 4);
    assert!(names.iter().all(|name| name.unwrap().sequence > 0));
}

#[tokio::test]
async fn i20_session_reads_carry_the_clients_own_writes() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let c = collection(&client).await;
    c.insert(row(1)).await.unwrap();
    let written = c.insert(row(2)).await.unwrap().timestamp;
    assert_eq!(client.session_timestamp(), written);
    let zero = Timestamp::ZERO;
    for level in [Consistency::Session(zero), Consistency::Bounded(50, zero), Consistency::Strong] {
        c.query("").limit(1).consistency(level).rows().await.unwrap();
    }
    let expected = [Consistency::Session(written), Consistency::Bounded(50, written), Consistency::Strong];
    assert_eq!(fake.levels(), expected);
    // Another client knows nothing of these writes.
    assert_eq!(door.client().await.session(), Consistency::Session(zero));
}

#[tokio::test]
async fn i20_session_reads_carry_what_the_client_has_read() {
    let seen = |collection, at| Seen {
        shard: ShardId { collection: CollectionId(collection), index: 0 },
        timestamp: Timestamp(at),
    };
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.client().await;
    let c = collection(&client).await;
    // The last two: the name means another collection by then, of which more was read under its own name.
    let shown = [seen(1, 50), seen(1, 60), seen(2, 90), seen(1, 70), seen(2, 80), seen(2, 91)];
    fake.shows(shown.map(|shown| vec![shown]));
    let level = |level| c.query("").limit(1).consistency(level);
    level(Consistency::Eventually).rows().await.unwrap();
    c.search(&[1.0, 2.0]).consistency(Consistency::Strong).limit(1).one().await.unwrap();
    let other = collection_called(&client, "d").await;
    other.query("").limit(1).rows().await.unwrap();
    c.query("").limit(1).rows().await.unwrap();
    let last = c.query("").limit(1).rows().await.unwrap();
    assert_eq!(last.seen, [seen(2, 91)]);
    let owed = [vec![], vec![], vec![], vec![seen(1, 60)], vec![seen(1, 70)], vec![seen(2, 90)]];
    assert_eq!(fake.owed(), owed);
    assert_eq!(client.session_timestamp(), Timestamp::ZERO, "nothing was written");
}

#[tokio::test]
async fn rows_that_do_not_fit_together_are_refused_here() {
    let check = |rows: Rows, words: &str| {
        let error = rows.build().unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter);
        assert!(error.to_string().contains(words), "{error}");
    };
    check(Rows::new().int64("a", [1, 2]).bool("b", [true]), "a: 2, b: 1");
    check(Rows::new().vectors("v", 3, vec![0.0; 4]), "no whole vectors of 3");
    check(
        Rows::new().packed_vectors("v", vecraft_types::Packed::Bit, 16, vec![0; 3]),
        "no whole vectors of 2 bytes",
    );
    check(
        Rows::new().packed_vectors("v", vecraft_types::Packed::Float16, 3, vec![0; 8]),
        "no whole vectors of 6 bytes",
    );
    check(Rows::new().packed_vectors("v", vecraft_types::Packed::Int8, 0, vec![]), "no whole vectors");
    check(Rows::new().int64("a", [1]).present([true, false]), "present() of 2");
    check(Rows::new().present([true]), "before any column");
    let bits = Rows::new().packed_vectors("v", vecraft_types::Packed::Bit, 16, vec![0; 6]).build().unwrap();
    assert_eq!(bits.batch.rows, 3);
    let rows = Rows::new().double("d", [1.0, 2.0]).present([true, false]).build().unwrap();
    assert!(rows.column("d").unwrap().is_null(1) && !rows.column("d").unwrap().is_null(0));
}

#[tokio::test]
async fn the_server_hears_how_long_the_caller_waits() {
    let fake = Fake::new([]);
    let door = Door::open(&fake).await;
    let client = door.builder().deadline(Duration::from_secs(7)).database("other").connect().await.unwrap();
    let call = vecraft_types::api::Call { database: "x".into(), deadline_ms: Some(1_500), request: None };
    client.server_info(call).await.unwrap();
    collection(&client).await;
    let heard = fake.calls();
    assert_eq!((heard[0].database.as_str(), heard[1].database.as_str()), ("x", "other"));
    assert!((1_000..=1_500).contains(&heard[0].deadline_ms.unwrap()), "{heard:?}");
    assert!((6_000..=7_000).contains(&heard[1].deadline_ms.unwrap()), "{heard:?}");
}

#[tokio::test]
async fn an_embedded_database_has_the_same_builders_names_and_session() {
    let fake = Fake::new([]);
    let client = Client::embedded(fake.clone()).unwrap();
    let c = collection(&client).await;
    let written = c.insert(row(4)).await.unwrap().timestamp;
    assert_eq!(c.search(&[4.0, 0.0]).one().await.unwrap()[0].key, PrimaryKey::Int64(4));
    assert_eq!(fake.names()[0].unwrap().client, client.id());
    assert_eq!(fake.levels(), [Consistency::Session(written)]);
}
