//! A node that joins a cluster of one is killed the moment that it has installed a snapshot (I3), and joins all the same.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, eventually, vecraft};
use vecraft_client::types::api::Consistency;
use vecraft_client::types::{CollectionSchema, DataType, FieldSchema, Metric};
use vecraft_client::{Client, Rows};

const ROWS: i64 = 300;

async fn connect(address: &str) -> Client {
    Client::builder().address(address).follow_topology(false).connect().await.unwrap()
}

/// One row an entry, so that the log is long.
async fn fill(address: &str, name: &str) {
    let client = connect(address).await;
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim: 2 }),
    ]);
    let rows = client.create(name, schema).await.unwrap();
    rows.index("vector", "FLAT", Metric::L2).await.unwrap();
    for id in 0..ROWS {
        rows.insert(Rows::new().int64("id", [id]).vectors("vector", 2, vec![id as f32, 0.0])).await.unwrap();
    }
}

/// Rows that a node's own replica shows.
async fn shown(address: &str, name: &str) -> usize {
    let collection = connect(address).await.collection(name);
    let found = collection.query("id >= 0").limit(1_000).consistency(Consistency::Eventually).rows().await;
    found.map_or(0, |found| found.rows.batch.rows)
}

#[test]
fn i3_a_node_killed_right_after_a_lone_voters_snapshot_joins_all_the_same() {
    let mut nodes = Nodes::cold(2, "replication = 3");
    // Node 1 knows nothing of a second one.
    let whole = std::fs::read_to_string(nodes.config()).unwrap();
    let lone = nodes.dir.path().join("lone.toml");
    let second = whole.rfind("[[node]]").unwrap();
    std::fs::write(&lone, &whole[..second]).unwrap();
    nodes.serve_from(1, &lone);
    nodes.await_serving(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let names = ["one", "two", "three"];
    names.iter().for_each(|name| runtime.block_on(fill(&nodes.door(1), name)));
    // The checkpoints of a clean stop, and a log that begins there.
    nodes.stop(1);
    nodes.serve_from(1, &lone);
    nodes.await_serving(1);

    let added = vecraft(&["node", "add", "2", &nodes.node_door(2), "--no-wait", "--connect", &nodes.door(1)]);
    assert_eq!(added.code, 0, "{added:?}");
    // Most often that of the metastore; a group's is tested with the raft host alone.
    nodes.serve(2);
    nodes.says(2, "installed a snapshot");
    nodes.kill(2);
    nodes.serve(2);
    nodes.await_serving(2);
    eventually("node 2 has all that two nodes can have", || match nodes.list(1) {
        said if said.code == 0 && said.out.ends_with("nothing is under way\n") => Ok(()),
        said => Err(format!("{said:?}\n{}", nodes.log(2))),
    });
    for name in names {
        eventually("node 2 has all rows", || match runtime.block_on(shown(&nodes.door(2), name)) {
            rows if rows == ROWS as usize => Ok(()),
            rows => Err(format!("{rows} of {name}")),
        });
    }
    // And writes go on, on both disks.
    runtime.block_on(fill(&nodes.door(2), "four"));
}
