//! Writes to shards that refuse, hang, lose their answers or change their schema, and to a full node.

use super::*;

fn unavailable() -> Error {
    Error::new(Code::ReplicaUnavailable, "no leader")
}

#[tokio::test]
async fn unavailable_shards_are_asked_again_under_the_same_name() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.trouble(0, Trouble::Refuse(unavailable()));
    // I10: the write took place and the answer was lost; the repetition must not double it.
    bench.cluster.trouble(0, Trouble::LoseAnswer(Error::new(Code::NotReady, "leader changed")));
    let reply = bench.insert(rows([1, 2])).await.unwrap();
    assert_eq!((reply.inserted, bench.cluster.entries(), bench.cluster.row_total()), (2, 1, 2));
    let asked = bench.cluster.asked(0);
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| *request == asked[0]));
}

/// I10: what an earlier attempt may have done is not "refused", whatever the later ones are told.
#[tokio::test]
async fn a_write_that_was_sent_and_not_answered_is_never_called_refused() {
    let lost = || Error::new(Code::ReplicaUnavailable, "the connection broke").unanswered();
    let full = || Error::new(Code::DiskFull, "9 bytes left");
    for last in [full, unavailable] {
        let bench = Bench::new(schema(), 1);
        bench.cluster.trouble(0, Trouble::LoseAnswer(lost()));
        for _ in 0..100 {
            bench.cluster.trouble(0, Trouble::Refuse(last()));
        }
        let error = bench.proxy.insert(short(), insert_request(rows([1, 2]))).await.unwrap_err();
        assert_eq!(error.code, Code::OutcomeUnknown, "{error}");
        assert!(error.detail.contains(&last().detail), "{error}");
        assert_eq!(bench.cluster.row_total(), 2);
    }
    // Refused and refused again: certainly not done.
    let bench = Bench::new(schema(), 1);
    (0..100).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(unavailable())));
    let error = bench.proxy.insert(short(), insert_request(rows([1, 2]))).await.unwrap_err();
    assert_eq!(error.code, Code::ReplicaUnavailable, "{error}");
}

#[tokio::test]
async fn a_partial_failure_says_what_was_committed() {
    let config = ProxyConfig { piece_bytes_max: 100, ..ProxyConfig::default() };
    let bench = Bench::with_config(schema(), 4, config);
    // The disk of shard 2 fills up before its first piece.
    bench.cluster.trouble(2, Trouble::Refuse(Error::new(Code::DiskFull, "9 bytes left")));
    let error = bench.insert(rows(0..60)).await.unwrap_err();
    let text = error.to_string();
    let committed = &text[text.find("committed [").unwrap()..text.find("], failed").unwrap()];
    let failed = &text[text.find("failed [").unwrap()..text.find("], not sent").unwrap()];
    let not_sent = &text[text.find("not sent [").unwrap()..];
    assert_eq!(error.code, Code::DiskFull);
    assert!(text.contains("9 bytes left"), "{text}");
    for shard in ["shard 5/0 part 0", "shard 5/1 part 0", "shard 5/3 part 0"] {
        assert!(committed.contains(shard), "{text}");
    }
    assert!(failed.contains("shard 5/2 part 0"), "{text}");
    assert!(!committed.contains("5/2") && not_sent.contains("shard 5/2 part 1"), "{text}");
    // A lane stops at its first failure: shard 2 holds nothing, the others everything.
    assert_eq!(bench.cluster.rows_of(2), vec![]);
    let owned = owned(60);
    assert_eq!(bench.cluster.row_total(), 60 - owned[2].len());
}

#[tokio::test]
async fn a_shard_that_hangs_ends_with_the_deadline() {
    let bench = Bench::new(schema(), 4);
    bench.cluster.trouble(1, Trouble::Hang);
    let error = bench.proxy.insert(short(), insert_request(rows(0..60))).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.code, Code::Deadline, "{text}");
    assert!(text.contains("60 ms") && text.contains("failed [shard 5/1 part 0"), "{text}");
    assert!(text.contains("committed [shard 5/0 part 0"), "{text}");
}

#[tokio::test]
async fn a_schema_that_changed_underneath_is_learnt() {
    let bench = Bench::new(schema(), 2);
    // I11: between the proxy's look at the catalogue and the write, a field is added.
    let add_field = |collection: &mut CollectionDescriptor| {
        let mut added = FieldSchema::new("added", DataType::Int64);
        added.id = FieldId(200);
        added.default_value = Some(Value::Int(4));
        collection.schema.fields.push(added);
        collection.schema.version += 1;
    };
    bench.cluster.trouble(0, Trouble::Alter(add_field));
    let reply = bench.insert(rows(0..20)).await.unwrap();
    assert_eq!((reply.inserted, bench.cluster.row_total()), (20, 20));
    assert_eq!(bench.cluster.stored(&PrimaryKey::Int64(3), "added").data, ints([4]).data);
    // The pieces kept their names.
    assert!(bench.cluster.asked(0).iter().all(|request| *request == bench.cluster.asked(0)[0]));
}

#[tokio::test]
async fn a_mismatch_without_a_newer_schema_is_the_answer() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.trouble(0, Trouble::Refuse(Error::new(Code::SchemaMismatch, "shard is ahead")));
    let error = bench.insert(rows([1])).await.unwrap_err();
    assert_eq!(error.code, Code::SchemaMismatch, "{error}");
}

#[tokio::test]
async fn too_many_bytes_at_once_are_refused_with_a_time_to_wait() {
    let config = ProxyConfig { bytes_in_flight_max: 4 << 10, ..ProxyConfig::default() };
    let bench = Bench::with_config(schema(), 1, config);
    bench.cluster.trouble(0, Trouble::Hang);
    let large = || rows(0..100);
    let first = bench.proxy.insert(short(), insert_request(large()));
    let second = async {
        while bench.cluster.asked(0).is_empty() {
            tokio::task::yield_now().await;
        }
        bench.insert(large()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap_err().code, Code::Deadline);
    let refused = second.unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::RateLimited, Some(100)));
    // The budget is given back.
    assert_eq!(bench.insert(large()).await.unwrap().inserted, 100);
    assert_eq!(bench.proxy.bytes_in_flight(), 0);
}
