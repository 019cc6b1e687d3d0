//! I1 with real processes: one is killed, or loses its directory, in the middle of forming an empty cluster of three nodes.
//!
//! Here and not with the other cluster tests, because it needs the program itself: SIGKILL leaves a process no time for
//! anything, and what counts is what it had written down.
#![allow(clippy::unwrap_used)]
// The processes, files and sockets of a test are its own.
#![allow(clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, PATIENCE, PROGRAM, until};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Three nodes that wait for a person.
fn waiting() -> Nodes {
    let mut nodes = Nodes::cold(3, "forming = \"explicit\"\nreplication = 3");
    (1..=3).for_each(|id| nodes.serve(id));
    (1..=3).for_each(|id| nodes.says(id, "waiting for a person"));
    nodes
}

/// A person says that the cluster is to be formed.
fn init(nodes: &Nodes) -> Child {
    Command::new(PROGRAM)
        .args(["cluster", "init", "--wait", "60", "--config"])
        .arg(nodes.config())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether the health door says OK.
fn is_well(nodes: &Nodes, id: usize) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(nodes.health(id))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Waits until all serve, in one cluster; its id.
fn formed(nodes: &Nodes) -> String {
    // The health door says OK a moment before the file does.
    let of = |id: usize| {
        until(&format!("node {id} is well"), || is_well(nodes, id).then_some(()));
        until(&format!("node {id} says where it serves"), || {
            let run = fs::read(nodes.data_dir(id).join("run.json")).ok()?;
            let run: serde_json::Value = serde_json::from_slice(&run).ok()?;
            let is_its = run["pid"] == nodes.pid(id) && run["is_starting"] == false;
            is_its.then(|| run["cluster_id"].as_str().unwrap().to_owned())
        })
    };
    let found: BTreeSet<String> = (1..=3).map(of).collect();
    assert_eq!(found.len(), 1, "one cluster: {found:?}");
    found.into_iter().next().unwrap()
}

/// Kills node 1 once a node has said this, and starts it again.
fn killed_when(speaker: usize, words: &str) {
    let mut nodes = waiting();
    let mut first = init(&nodes);
    nodes.says(speaker, words);
    nodes.kill(1);
    let _ = first.kill();
    let _ = first.wait();
    nodes.serve(1);
    // What a person said is forgotten with the process, unless it had begun; said again it does no harm.
    let mut again = init(&nodes);
    let cluster = formed(&nodes);
    assert!(until("the command ends", || again.try_wait().unwrap()).success());
    for id in 1..=3 {
        nodes.kill(id);
        nodes.serve(id);
    }
    assert_eq!(formed(&nodes), cluster, "the same after a restart of all");
}

#[test]
fn i1_the_node_that_leads_the_forming_is_killed_before_anything_was_proposed() {
    killed_when(1, "a person says that the cluster is to be formed");
}

#[test]
fn i1_the_node_that_leads_the_forming_is_killed_when_the_others_have_the_clusters_name() {
    killed_when(2, "this node's cluster has its name");
}

#[test]
fn i1_a_node_that_is_emptied_in_the_middle_of_forming_does_not_come_back_as_who_it_was() {
    let mut nodes = waiting();
    let mut first = init(&nodes);
    // From here on it may vote.
    nodes.says(3, "this node's cluster has its name");
    nodes.kill(1);
    nodes.kill(3);
    let _ = first.kill();
    let _ = first.wait();
    fs::remove_dir_all(nodes.data_dir(3)).unwrap();
    nodes.serve(3);
    nodes.serve(1);
    // Refused by those that are forming, or by the cluster that they have formed meanwhile.
    assert!(!nodes.ended(3).success());
    let why = nodes.log(3);
    assert!(why.contains("of which node 3 had the name") || why.contains("with another directory"), "{why}");
    // Nor a moment later; the others have not served yet, and cannot without what it was to hold.
    nodes.serve(3);
    assert!(!nodes.ended(3).success());
    // So nothing is lost with the way out that it names.
    for id in [1, 2] {
        nodes.kill(id);
        fs::remove_dir_all(nodes.data_dir(id)).unwrap();
    }
    let _ = fs::remove_dir_all(nodes.data_dir(3));
    (1..=3).for_each(|id| nodes.serve(id));
    let mut again = init(&nodes);
    formed(&nodes);
    assert!(until("the command ends", || again.try_wait().unwrap()).success());
}
