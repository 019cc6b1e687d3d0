use super::*;

async fn asked(bench: &Bench, collection: Option<&str>) -> TopologyReply {
    let request = TopologyRequest { collection: collection.map(str::to_owned) };
    bench.proxy.topology(Call::default(), request).await.unwrap()
}

#[tokio::test]
async fn a_client_hears_who_leads_and_who_reads_each_shard_and_by_which_field() {
    let bench = Bench::new(schema(), 3);
    let reply = asked(&bench, Some("docs")).await;
    let place = reply.collection.unwrap();
    assert_eq!((reply.cluster_id.as_str(), reply.node, reply.doors.len()), ("c", NodeId(1), 1));
    assert_eq!((place.key_field.as_deref(), place.shards.len()), (Some("id"), 3));
    let shard = &place.shards[0];
    assert_eq!(shard.leader, Some(NodeId(2)));
    assert_eq!(shard.readers, [NodeId(1), NodeId(2), NodeId(3)]);
}

#[tokio::test]
async fn keys_that_the_server_makes_tell_a_client_nothing() {
    let mut schema = schema();
    schema.fields[0].auto_id = true;
    let place = asked(&Bench::new(schema, 2), Some("docs")).await.collection.unwrap();
    assert_eq!((place.key_field, place.shards.len()), (None, 2));
}

#[tokio::test]
async fn what_is_not_known_here_is_no_error_and_nobody_is_asked() {
    let bench = Bench::new(schema(), 1);
    assert_eq!(asked(&bench, Some("nowhere")).await.collection, None);
    assert_eq!(asked(&bench, None).await.collection, None);
    let elsewhere = Call { database: "other".to_owned(), ..Call::default() };
    let error = bench.proxy.topology(elsewhere, TopologyRequest::default()).await.unwrap_err();
    assert_eq!(error.code, Code::DatabaseNotFound);
}
