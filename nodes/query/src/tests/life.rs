//! The actor: report, drain, end.

use super::*;
use crate::{Drain, QueryActor, Report};
use std::time::Duration;
use tokio::runtime::Handle;
use vecraft_rpc::services::ShardReader;
use vecraft_runtime::actors::{ActorHost, RoleEnd, RolePolicy};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_lets_reads_finish_and_refuses_new_ones() {
    let bench = bench(0, QueryConfig::default());
    let host = ActorHost::new(Handle::current(), SystemClock::shared()).await.unwrap();
    let (node, main) = (bench.node.clone(), Handle::current());
    let factory = move || QueryActor::new(node.clone(), main.clone());
    let role = host.start("query", RolePolicy::default(), factory).await.unwrap();
    let reading = tokio::spawn({
        let node = bench.node.clone();
        async move { node.query(query("")).await }
    });
    while bench.barrier.waited.lock().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(role.ask(Report, SOON).await.unwrap().under_way, 1);
    let draining = tokio::spawn({
        let role = role.clone();
        async move { role.ask(Drain, SOON).await }
    });
    let refused = loop {
        match bench.node.query(ShardQuery { deadline_ms: 1, ..query("") }).await {
            Err(error) if error.code == Code::NotReady => break error,
            other => assert_eq!(other.unwrap_err().code, Code::Deadline),
        }
    };
    assert!(refused.is_retriable() && !draining.is_finished());
    bench.barrier.passes.add_permits(100);
    assert_eq!(reading.await.unwrap().unwrap().count, 20);
    draining.await.unwrap().unwrap();
    assert_eq!(role.stop().await, RoleEnd::Asked);
    assert_eq!(bench.node.query(query("")).await.unwrap_err().code, Code::NotReady);
}
