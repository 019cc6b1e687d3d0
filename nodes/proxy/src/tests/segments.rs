use super::*;

fn docs() -> CollectionName {
    CollectionName::Name("docs".into())
}

async fn compact(bench: &Bench, bytes_max: Option<u64>) -> Result<CollectionId> {
    bench.proxy.compact(Call::default(), CompactRequest { collection: docs(), bytes_max }).await
}

#[tokio::test]
async fn every_shard_is_asked_and_done_is_what_all_have_done() {
    let bench = Bench::new(schema(), 3);
    let segments = async |name| bench.proxy.segments(Call::default(), name).await;
    assert_eq!(segments(docs()).await.unwrap().asked, None);
    assert_eq!(compact(&bench, Some(77)).await.unwrap(), CollectionId(5));
    assert_eq!((0..3).map(|index| bench.cluster.compactions(index)).collect::<Vec<_>>(), [[77], [77], [77]]);
    for name in [docs(), CollectionName::Id(CollectionId(5))] {
        let told = segments(name).await.unwrap();
        // The second shard is not done.
        assert_eq!(told.asked, Some(AskedInfo { is_done: false, finished: 6, under_way: 1 }));
        let shards: Vec<u32> = told.segments.iter().map(|segment| segment.shard.index).collect();
        assert_eq!((told.collection, shards), (CollectionId(5), vec![0, 1, 2]));
    }
    let error = segments(CollectionName::Id(CollectionId(6))).await.unwrap_err();
    assert_eq!(error.code, Code::CollectionNotFound);
}

#[tokio::test]
async fn p5_a_shard_that_cannot_answer_makes_an_error_that_names_it() {
    let bench = Bench::new(schema(), 2);
    bench.cluster.read_trouble(1, Some(Error::new(Code::Io, "damaged")));
    let error = bench.proxy.segments(Call::default(), docs()).await.unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.to_string().contains("shard=5/1"), "{error}");
    bench.cluster.trouble(0, fakes::Trouble::Refuse(Error::new(Code::DiskFull, "full")));
    let error = compact(&bench, None).await.unwrap_err();
    assert_eq!(error.code, Code::DiskFull);
    assert!(error.to_string().contains("shard=5/0"), "{error}");
    // A leader that is away for a moment is asked again.
    bench.cluster.trouble(0, fakes::Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "electing")));
    compact(&bench, None).await.unwrap();
    assert_eq!(bench.cluster.compactions(0), [0]);
    assert!(compact(&bench, Some(0)).await.unwrap_err().detail.contains("0 bytes"));
}
