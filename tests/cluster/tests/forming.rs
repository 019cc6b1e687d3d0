//! Nodes that wait with empty directories until a person says that they are to be a cluster.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use vecraft_client::Client;
use vecraft_config::{Config, FormingMode};
use vecraft_server::cli::cluster::{Outcome, init};
use vecraft_server::{Error, Server};
use vecraft_test_cluster::{PATIENCE, Sandbox, create, eventually, rows};

/// Long enough for a look at nodes of this machine, short where one is missing on purpose.
const SHORT: Duration = Duration::from_secs(1);

type Starting = JoinHandle<Result<Server, Error>>;

fn start(config: &Config, id: u64) -> Starting {
    let config = config.clone();
    tokio::spawn(async move { Server::start(&config, id).await })
}

async fn started(starting: Vec<Starting>) -> Vec<Server> {
    let mut servers = Vec::new();
    for start in starting {
        servers
            .push(tokio::time::timeout(PATIENCE, start).await.expect("it does not start").unwrap().unwrap());
    }
    servers
}

async fn stop(servers: Vec<Server>) {
    for server in servers {
        server.stop("the test says so").await;
    }
}

/// Waits until a node's health door says this.
async fn says(config: &Config, id: u64, words: &str) {
    let node = config.node(id).unwrap();
    let address = node.address(node.http_port);
    let ask = async || -> std::io::Result<String> {
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    eventually(&format!("node {id} says {words:?}"), async || {
        ask().await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 503") && answer.contains(words))
    })
    .await;
}

async fn asked(config: &Config, wait: Duration) -> Result<Outcome, String> {
    init(config, wait, |line| println!("{line}")).await
}

fn explicit(nodes: u64) -> (Sandbox, Config) {
    let mut sandbox = Sandbox::cold(nodes);
    sandbox.config.cluster.forming = FormingMode::Explicit;
    let config = Config::from_toml(&sandbox.config.effective_toml(), "cluster.toml").unwrap();
    (sandbox, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_nodes_wait_for_a_person_and_form_once() {
    let (_directories, config) = explicit(3);
    let mut starting = vec![start(&config, 1), start(&config, 2)];
    says(&config, 1, "waiting for node 3 to answer\nnode 3 is unreachable: 127.0.0.1").await;
    let why = asked(&config, SHORT).await.unwrap_err();
    assert!(why.contains("nothing was begun") && why.contains("node 3 does not answer"), "{why}");

    starting.push(start(&config, 3));
    for id in 1..=3 {
        says(&config, id, "waiting for a person to say `vecraft cluster init").await;
    }
    let mut other = config.clone();
    other.cluster.replication = 1;
    let why = asked(&other, PATIENCE).await.unwrap_err();
    assert!(why.contains("nothing was begun") && why.contains("another cluster.toml"), "{why}");
    says(&config, 1, "waiting for a person").await;

    let formed = asked(&config, PATIENCE).await.unwrap();
    assert!(formed.is_new && formed.rest.is_empty(), "{formed:?}");
    let servers = started(starting).await;
    assert!(servers.iter().all(|server| server.cluster_id() == formed.cluster_id));
    let client = |server: &Server| Client::embedded(server.database()).unwrap();
    create(&client(&servers[1]), "books").await.insert(rows(0, 10)).await.unwrap();

    let again = asked(&config, PATIENCE).await.unwrap();
    assert_eq!((again.is_new, &again.cluster_id), (false, &formed.cluster_id));
    stop(servers).await;

    // A formed cluster waits for nobody when it starts again.
    let starting = (1..=3).map(|id| start(&config, id)).collect();
    let servers = started(starting).await;
    assert_eq!(client(&servers[2]).collection("books").count().await.unwrap(), 10);
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_an_emptied_node_is_not_formed_anew_beside_its_cluster() {
    let (_directories, mut config) = explicit(2);
    let starting = (1..=2).map(|id| start(&config, id)).collect();
    let formed = asked(&config, PATIENCE).await.unwrap();
    let mut servers = started(starting).await;
    servers.remove(1).stop("the test says so").await;
    config.nodes[1].data_dir = config.nodes[1].data_dir.with_extension("new");
    let refused = tokio::time::timeout(PATIENCE, Server::start(&config, 2)).await.unwrap();
    let why = refused.err().expect("it is refused").to_string();
    assert!(why.contains("I1"), "{why}");
    let found = asked(&config, PATIENCE).await.unwrap();
    assert_eq!((found.is_new, &found.cluster_id), (false, &formed.cluster_id));
    assert!(found.rest[0].contains("node 2 does not answer"), "{found:?}");
    stop(servers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_node_waits_too_when_it_is_told_to() {
    let (_directories, config) = explicit(1);
    let starting = start(&config, 1);
    says(&config, 1, "waiting for a person").await;
    let formed = asked(&config, PATIENCE).await.unwrap();
    let servers = started(vec![starting]).await;
    assert_eq!((formed.is_new, formed.cluster_id.as_str()), (true, servers[0].cluster_id()));
    stop(servers).await;
}
