//! What a monitor of a cluster sees: lag, leaders, quorum; and the example alerts, which ask for nothing that is not there.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vecraft_test_cluster::{Sandbox, create, eventually, rows};

/// The example alerts, as operators get them.
const ALERTS: &str = include_str!("../../../docs/ops/alerts.yml");

/// Figures by name and labels.
async fn scrape(sandbox: &Sandbox, id: u64) -> BTreeMap<String, f64> {
    let address = sandbox.http_address(id);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let figures = lines.map(|line| line.rsplit_once(' ').unwrap());
    figures.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn names(figures: &BTreeMap<String, f64>) -> impl Iterator<Item = &str> {
    figures.keys().map(|name| name.split('{').next().unwrap())
}

/// The values of a metric, all labels together.
fn values(figures: &BTreeMap<String, f64>, name: &str) -> Vec<f64> {
    let all = figures.iter().filter(|(key, _)| key.split('{').next() == Some(name));
    all.map(|(_, value)| *value).collect()
}

/// Words of the rules' expressions that begin like our metrics.
fn asked_for() -> BTreeSet<&'static str> {
    let expressions = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let words = expressions.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words
        .filter(|word| ["vecraft_", "milvus_", "process_"].iter().any(|ours| word.starts_with(ours)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_lag_and_quorum_are_told_and_the_alerts_ask_for_what_is_there() {
    let mut sandbox = Sandbox::start(3).await;
    let books = create(&sandbox.client(1), "books").await;
    books.insert(rows(0, 100)).await.unwrap();
    sandbox.at_rest(1, 3).await;
    let mut seen = BTreeSet::new();
    let (mut leaders, mut quorums) = (0.0, 0.0);
    let mut followers = 0;
    for id in 1..=3 {
        let figures = scrape(&sandbox, id).await;
        seen.extend(names(&figures).map(str::to_owned));
        leaders += values(&figures, "vecraft_group_is_leader").iter().sum::<f64>();
        followers += values(&figures, "vecraft_group_follower_lag_entries").len();
        quorums += values(&figures, "vecraft_group_has_quorum").iter().sum::<f64>();
        assert!(
            values(&figures, "vecraft_group_voters_heard").iter().all(|heard| *heard >= 2.0),
            "{figures:?}"
        );
    }
    // Group 0 and three of the pool, each with one leader and two followers.
    assert_eq!((leaders, quorums, followers), (4.0, 4.0, 8));
    let missing: Vec<_> = asked_for().into_iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "alerts ask for what no node tells: {missing:?}");
    assert!(asked_for().len() > 10, "the expressions are not found: {:?}", asked_for());

    // One node away: its lag grows at the leaders, and all have a quorum.
    sandbox.stop(3).await;
    books.insert(rows(1_000, 100)).await.unwrap();
    eventually("node 3's lag is told", async || {
        let mut lag = 0.0f64;
        for id in 1..=2 {
            let figures = scrape(&sandbox, id).await;
            let of_three = figures.iter().filter(|(name, _)| name.contains("follower=\"3\""));
            lag = of_three.map(|(_, lag)| *lag).fold(lag, f64::max);
        }
        lag > 0.0
    })
    .await;
    // Two away: no group has one, whoever led it.
    sandbox.stop(2).await;
    eventually("no group has a quorum", async || {
        let figures = scrape(&sandbox, 1).await;
        values(&figures, "vecraft_group_has_quorum").iter().all(|has| *has == 0.0)
    })
    .await;
    drop(books);
    sandbox.start_all().await;
    eventually("all have a quorum again", async || {
        let mut quorums = 0.0;
        for id in 1..=3 {
            quorums += values(&scrape(&sandbox, id).await, "vecraft_group_has_quorum").iter().sum::<f64>();
        }
        quorums == 4.0
    })
    .await;
    sandbox.stop_all().await;
}

#[test]
fn every_alert_says_what_it_means_and_what_to_do() {
    let count = |what: &str| ALERTS.lines().filter(|line| line.trim().starts_with(what)).count();
    let alerts = count("- alert: Vecraft");
    assert!(alerts > 10);
    for what in ["expr: ", "labels: {severity: ", "summary: \"", "action: \""] {
        assert_eq!(count(what), alerts, "{what}");
    }
    for file in ["docs/ops/nodes.md", "docs/ops/recover.md", "docs/ops/alerts.md"] {
        assert!(ALERTS.contains(file));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        assert!(path.exists(), "{file}");
    }
}
