//! What users notice about writes: keys in order, nothing doubled, partial failures told.

mod troubles;

use super::fakes::{DEFAULT, OLD, Trouble};
use super::*;

/// Keys of 0..n by the shard, of four, that owns them.
fn owned(n: i64) -> Vec<Vec<PrimaryKey>> {
    let mut owned = vec![Vec::new(); 4];
    int_keys(0..n).into_iter().for_each(|key| owned[key.shard_index(4) as usize].push(key));
    owned
}

#[tokio::test]
async fn rows_go_to_the_shard_of_their_key_and_keys_come_back_in_request_order() {
    let bench = Bench::new(schema(), 4);
    let keys: Vec<i64> = (0..200).rev().collect();
    let reply = bench.insert(rows(keys.clone())).await.unwrap();
    assert_eq!(reply.keys, int_keys(keys));
    assert_eq!((reply.inserted, reply.upserted, reply.deleted), (200, 0, 0));
    for (index, owned) in owned(200).into_iter().enumerate() {
        assert!(!owned.is_empty());
        assert_eq!(bench.cluster.rows_of(index as u32), owned);
    }
    // One entry a shard; the reply's timestamp is the largest (I20): 10 + shard index in the fake.
    assert_eq!((bench.cluster.entries(), reply.timestamp), (4, Timestamp(13)));
}

#[tokio::test]
async fn what_is_not_given_is_filled_in() {
    let bench = Bench::new(schema(), 2);
    bench.insert(rows([1])).await.unwrap();
    let key = PrimaryKey::Int64(1);
    assert!(bench.cluster.stored(&key, "year").is_null(0));
    assert_eq!(bench.cluster.stored(&key, "rank").data, ColumnData::Double(vec![1.5]));
    assert_eq!(bench.cluster.stored(&key, "$meta").data, json(["{}"]).data);

    let mut given = rows([2, 3]);
    let mut rank = Column::new(FieldId(3), ColumnData::Double(vec![0.0, 7.0]));
    rank.validity = Some([false, true].into_iter().collect());
    given.names.push("rank".into());
    given.batch.columns.push(rank);
    bench.insert(given).await.unwrap();
    let rank = |key| bench.cluster.stored(&PrimaryKey::Int64(key), "rank").data;
    assert_eq!((rank(2), rank(3)), (ColumnData::Double(vec![1.5]), ColumnData::Double(vec![7.0])));
}

#[tokio::test]
async fn the_last_row_of_a_key_wins() {
    let bench = Bench::new(schema(), 2);
    let twice = named(vec![
        ("id", ints([1, 2, 1])),
        ("title", texts(["first", "other", "last"])),
        ("vector", vectors(vec![0.0; 6])),
    ]);
    let reply = bench.insert(twice.clone()).await.unwrap();
    assert_eq!((reply.keys, reply.inserted), (int_keys([1, 2, 1]), 2));
    assert_eq!(bench.cluster.stored(&PrimaryKey::Int64(1), "title").data, texts(["last"]).data);
    let reply = bench.proxy.upsert(Call::default(), insert_request(twice)).await.unwrap();
    assert_eq!((reply.inserted, reply.upserted, reply.deleted), (0, 2, 2));
}

#[tokio::test]
async fn made_keys_are_never_given_twice() {
    let bench =
        Bench::with_config(auto_id_schema(), 4, ProxyConfig { id_range: 100, ..ProxyConfig::default() });
    let batch = |n: usize| named(vec![("vector", vectors(vec![0.0; 2 * n]))]);
    let mut seen = std::collections::BTreeSet::new();
    for n in [1, 60, 60, 250, 3] {
        let reply = bench.insert(batch(n)).await.unwrap();
        assert_eq!((reply.keys.len(), reply.inserted), (n, n as u64));
        reply.keys.into_iter().for_each(|key| assert!(seen.insert(key)));
    }
    assert_eq!(bench.cluster.row_total(), seen.len());
    // An upsert names the row it replaces.
    let none = bench.proxy.upsert(Call::default(), insert_request(batch(1))).await.unwrap_err();
    assert!(none.to_string().contains("field=id"), "{none}");
}

#[tokio::test]
async fn made_varchar_keys_are_the_numbers_text() {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("name", DataType::VarChar { max_length: 30 }).primary(true),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM }),
    ]);
    let bench = Bench::new(schema, 1);
    let reply = bench.insert(named(vec![("vector", vectors(vec![0.0; 2]))])).await.unwrap();
    assert_eq!(reply.keys, vec![PrimaryKey::VarChar("1000".into())]);
}

#[tokio::test]
async fn a_repeated_request_is_the_same_request_also_with_made_keys() {
    let bench = Bench::new(auto_id_schema(), 4);
    let mut request = insert_request(named(vec![("vector", vectors(vec![0.0; 100]))]));
    request.request = Some(RequestId { client: ClientId(9), sequence: 3, part: 0 });
    let first = bench.proxy.insert(Call::default(), request.clone()).await.unwrap();
    let again = bench.proxy.insert(Call::default(), request).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.cluster.row_total(), 50);
}

/// I10: the answer was lost, the node was started anew, and the client sends the request again under its name.
#[tokio::test]
async fn i10_made_keys_survive_a_restart_between_a_request_and_its_repetition() {
    let config = || ProxyConfig { piece_bytes_max: 100, id_range: 50, ..ProxyConfig::default() };
    let mut bench = Bench::with_config(auto_id_schema(), 4, config());
    let name = |sequence| RequestId { client: ClientId(9), sequence, part: 0 };
    let named = |sequence| {
        let mut request = insert_request(named(vec![("vector", vectors(vec![0.0; 2 * 50]))]));
        request.request = Some(name(sequence));
        request
    };
    let mut homes = std::collections::BTreeSet::new();
    for sequence in 1..=20 {
        let first = bench.proxy.insert(Call::default(), named(sequence)).await.unwrap();
        let shards: std::collections::BTreeSet<u32> = first.keys.iter().map(|k| k.shard_index(4)).collect();
        assert_eq!(shards.len(), 1, "all rows of a named request have one home");
        homes.extend(shards);
        bench.restart(config());
        assert_eq!(bench.proxy.insert(Call::default(), named(sequence)).await.unwrap(), first);
        assert_eq!(bench.cluster.row_total() as u64, sequence * 50);
    }
    assert_eq!(homes.len(), 4, "requests spread over the shards");

    // The first try got as far as its third piece.
    let home = crate::ids::Home::new(name(21), 4, false).shard();
    for trouble in [Trouble::Pass, Trouble::Pass, Trouble::Refuse(Error::new(Code::DiskFull, "full"))] {
        bench.cluster.trouble(home, trouble);
    }
    bench.proxy.insert(Call::default(), named(21)).await.unwrap_err();
    let before = bench.cluster.rows_of(home);
    bench.restart(config());
    let reply = bench.proxy.insert(Call::default(), named(21)).await.unwrap();
    assert_eq!((reply.inserted, bench.cluster.row_total()), (50, 21 * 50));
    let stored = bench.cluster.rows_of(home);
    assert!(
        before.iter().all(|key| stored.contains(key)) && reply.keys.iter().all(|key| stored.contains(key))
    );
}

#[tokio::test]
async fn large_batches_are_cut_by_bytes_and_named_by_part() {
    let config = ProxyConfig { piece_bytes_max: 100, ..ProxyConfig::default() };
    let bench = Bench::with_config(schema(), 2, config);
    let reply = bench.insert(rows(0..30)).await.unwrap();
    assert_eq!(reply.inserted, 30);
    for index in 0..2 {
        let asked = bench.cluster.asked(index);
        assert!(asked.len() > 2, "{asked:?}");
        // I10: one request, parts counted from 0, in order.
        let parts: Vec<u32> = asked.iter().map(|request| request.part).collect();
        assert_eq!(parts, (0..asked.len() as u32).collect::<Vec<_>>());
        assert!(asked.iter().all(|r| (r.client, r.sequence) == (ClientId(7), asked[0].sequence)));
    }
    assert_eq!(bench.cluster.row_total(), 30);
}

/// I10: part 0 of the one door is not part 0 of the other, and the shard knows the number alone.
#[tokio::test]
async fn i10_a_repetition_that_is_cut_otherwise_never_loses_rows_in_silence() {
    let config = |piece_bytes_max| ProxyConfig { piece_bytes_max, ..ProxyConfig::default() };
    for (first, second) in [(100, 1 << 20), (400, 100)] {
        let mut bench = Bench::with_config(schema(), 1, config(first));
        let mut request = insert_request(rows(0..30));
        request.request = Some(RequestId { client: ClientId(9), sequence: 3, part: 0 });
        // The first door ends after its first piece.
        bench.cluster.trouble(0, Trouble::Pass);
        bench.cluster.trouble(0, Trouble::Refuse(Error::new(Code::DiskFull, "gone")));
        bench.proxy.insert(Call::default(), request.clone()).await.unwrap_err();
        let stored = bench.cluster.row_total();
        assert!((1..30).contains(&stored), "{stored}");

        bench.restart(config(second));
        let error = bench.proxy.insert(Call::default(), request.clone()).await.unwrap_err();
        assert_eq!(error.code, Code::OutcomeUnknown, "{error}");
        assert_eq!(bench.cluster.row_total(), stored);
        // Cut as at first, the request goes on where it stopped.
        bench.restart(config(first));
        let reply = bench.proxy.insert(Call::default(), request).await.unwrap();
        assert_eq!((reply.inserted, bench.cluster.row_total()), (30, 30));
    }
}

#[tokio::test]
async fn i10_deletes_by_key_are_cut_alike_at_every_door() {
    let config = |piece_bytes_max| ProxyConfig { piece_bytes_max, ..ProxyConfig::default() };
    let mut bench = Bench::with_config(schema(), 1, config(100));
    bench.insert(rows((0..30).chain(39_990..40_000))).await.unwrap();
    let request = DeleteRequest {
        collection: "docs".into(),
        partition: None,
        rows: DeleteRows::Keys(int_keys(0..40_000)),
        request: Some(RequestId { client: ClientId(9), sequence: 3, part: 0 }),
    };
    bench.cluster.trouble(0, Trouble::Pass);
    bench.cluster.trouble(0, Trouble::Refuse(Error::new(Code::DiskFull, "gone")));
    bench.proxy.delete(Call::default(), request.clone()).await.unwrap_err();
    bench.restart(config(1 << 20));
    let reply = bench.proxy.delete(Call::default(), request).await.unwrap();
    assert_eq!((reply.deleted, bench.cluster.row_total()), (40, 0));
}

#[tokio::test]
async fn deletes_by_key_ask_only_the_owners() {
    let bench = Bench::new(schema(), 4);
    bench.insert(rows(0..40)).await.unwrap();
    let delete = |rows, partition: Option<&str>| {
        let partition = partition.map(str::to_owned);
        let request = DeleteRequest { collection: "docs".into(), partition, rows, request: None };
        bench.proxy.delete(Call::default(), request)
    };
    let before = bench.cluster.entries();
    let reply = delete(DeleteRows::Filter("id in [3, 3, 99]".into()), None).await.unwrap();
    assert_eq!((reply.deleted, bench.cluster.row_total()), (1, 39));
    assert!(bench.cluster.entries() - before <= 2);
    let reply = delete(DeleteRows::Keys(int_keys([1, 2, 3])), Some("old")).await.unwrap();
    assert_eq!(
        (reply.deleted, bench.cluster.row_total()),
        (0, 39),
        "those rows are in {DEFAULT}, not in {OLD}"
    );
    let reply = delete(DeleteRows::Filter("id == 5".into()), None).await.unwrap();
    assert_eq!((reply.deleted, bench.cluster.row_total()), (1, 38));
    // Any other filter is resolved by every shard's leader (I12).
    let before = bench.cluster.entries();
    let reply = delete(DeleteRows::Filter("year > 2000".into()), None).await.unwrap();
    assert_eq!((reply.deleted, bench.cluster.entries() - before), (38, 4));
}
