//! The secret between nodes: with one the cluster forms, without one only on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vecraft_config::{Config, NodeConfig};
use vecraft_server::Server;
use vecraft_test_cluster::{PATIENCE, Sandbox, create, rows};

fn secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_share_a_secret_form_a_cluster_and_serve() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    secret(&file, "only the nodes of this test know it\n");
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.cluster.secret_file = Some(file);
    // The file's way: as an operator writes it, checked as `serve --config` checks it.
    sandbox.config = Config::from_toml(&sandbox.config.effective_toml(), "cluster.toml").unwrap();
    sandbox.start_all().await;
    create(&sandbox.client(2), "books").await.insert(rows(0, 10)).await.unwrap();
    for node in 1..=3 {
        assert_eq!(sandbox.client(node).collection("books").count().await.unwrap(), 10);
    }
    sandbox.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_other_hosts_without_a_secret_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut sandbox = Sandbox::cold(3);
    let elsewhere = NodeConfig { host: "192.0.2.1".to_owned(), ..sandbox.config.nodes[2].clone() };
    sandbox.config.nodes[2] = elsewhere;
    let started = tokio::time::timeout(PATIENCE, Server::start(&sandbox.config, 1)).await.unwrap();
    let refusal = started.err().expect("it is refused").to_string();
    assert!(refusal.contains("cluster.secret_file"), "{refusal}");
    let file = directory.path().join("short");
    secret(&file, "short");
    sandbox.config.cluster.secret_file = Some(file);
    let started = tokio::time::timeout(PATIENCE, Server::start(&sandbox.config, 1)).await.unwrap();
    let refusal = started.err().expect("it is refused").to_string();
    assert!(refusal.contains("fewer than 16 bytes"), "{refusal}");
}
