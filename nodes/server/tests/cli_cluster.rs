//! What an operator reads, and which exit code a script gets, while part of a cluster is missing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, eventually, vecraft};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn dead_nodes_and_a_lost_majority_are_told_with_an_exit_code_of_their_own() {
    let mut nodes = Nodes::start(3);
    let whole = nodes.list(1);
    assert!(whole.code == 0 && whole.out.contains("everything is where it should be"), "{whole:?}");

    nodes.kill(3);
    let listed = eventually("node 3 is missed", || match nodes.list(1) {
        said if said.code == 3 && said.out.contains("node 3 (127.0.0.1:") => Ok(said),
        said => Err(format!("{said:?}")),
    });
    assert!(listed.out.contains(") has not answered for "), "{listed:?}");
    assert!(!listed.out.contains("where it should be"), "{listed:?}");
    assert!(listed.err.contains("start it with its directory"), "{listed:?}");
    // The two others serve everything.
    nodes.await_serving(1);
    assert!(nodes.status(1).out.contains("node 3 (127.0.0.1:"), "{:?}", nodes.status(1));

    nodes.kill(2);
    let lost = eventually("node 1 misses its majority", || match nodes.status(1) {
        said if said.code == 3 => Ok(said),
        said => Err(format!("{said:?}")),
    });
    assert!(lost.out.contains("state            degraded\n"), "{lost:?}");
    let by_door = vecraft(&["status", "--connect", &nodes.door(1), "--json"]);
    // Nobody sits before a silent terminal: what is waited for after 2 s, the reason within 10 and the machine's slowness.
    let began = Instant::now();
    let listed = nodes.list(1);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for said in [&listed, &by_door] {
        assert_eq!(said.err.matches("waiting for the coordinator").count(), 1, "{said:?}");
    }
    let removed = vecraft(&["node", "remove", "3", "--connect", &nodes.door(1)]);
    assert!(removed.code != 0 && removed.err.contains("waiting for the coordinator"), "{removed:?}");
    for said in [&lost, &by_door, &listed] {
        assert_eq!(said.code, 3, "{said:?}");
        let all = format!("{}{}", said.out, said.err);
        let told = "group 0 (the metastore) has no majority";
        assert!(all.matches(told).count() == 1 && all.contains("Start the nodes that are away"), "{all}");
        assert!(
            all.contains("on nodes 1, 2, 3 and needs a majority of them, and nodes 2, 3 do not answer"),
            "{all}"
        );
    }
    assert!(by_door.out.contains("\"state\": \"degraded\""), "{by_door:?}");

    // For a program: what is known, and why it is not all.
    let config = nodes.config();
    let known = vecraft(&["node", "list", "--json", "--config", processes::text(&config)]);
    assert_eq!(known.code, 3, "{known:?}");
    let json: serde_json::Value = serde_json::from_str(&known.out).unwrap();
    assert!(json["partial"].as_str().unwrap().contains("group 0 (the metastore) has no majority"), "{json}");
    let alive = |json: &serde_json::Value| {
        let nodes = json["nodes"].as_array().unwrap().iter();
        nodes
            .filter(|node| node["is_alive"] == true)
            .map(|node| node["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(alive(&json), [1], "{json}");

    nodes.serve(2);
    nodes.await_serving(1);
    let whole = vecraft(&["node", "list", "--json", "--config", processes::text(&config)]);
    let json: serde_json::Value = serde_json::from_str(&whole.out).unwrap();
    assert!(json.get("partial").is_none() && alive(&json).contains(&2), "{json}");
}

#[test]
fn without_a_door_the_nodes_of_the_cluster_toml_are_asked_in_turn() {
    let mut nodes = Nodes::start(3);
    let dir = nodes.dir.path().to_owned();
    let here = |args: &[&str]| {
        let mut command = Command::new(processes::PROGRAM);
        processes::said(&command.args(args).current_dir(&dir).output().unwrap())
    };
    nodes.kill(1);
    let listed = eventually("node 1 is missed", || match here(&["node", "list"]) {
        said if said.code == 3 && said.out.contains("node 1 (127.0.0.1:") => Ok(said),
        said => Err(format!("{said:?}")),
    });
    assert!(listed.out.contains(") has not answered for "), "{listed:?}");
    (2..=3).for_each(|id| nodes.kill(id));
    let config = nodes.config();
    let file = processes::text(&config);
    for said in [here(&["node", "list"]), here(&["node", "drain", "2", "--config", file])] {
        assert_eq!(said.code, 1, "{said:?}");
        for id in 1..=3 {
            assert!(said.err.contains(&format!("node {id} ({}): ", nodes.door(id))), "{said:?}");
        }
    }
    let both = here(&["node", "list", "--config", file, "--connect", &nodes.door(1)]);
    assert_eq!(both.code, 2, "{both:?}");
    let missing = here(&["node", "list", "--config", "claster.toml"]);
    assert!(missing.code == 1 && missing.err.contains("claster.toml"), "{missing:?}");
}

#[test]
fn removing_a_node_beside_a_dead_one_says_for_whom_it_waits() {
    let mut nodes = Nodes::start(3);
    nodes.kill(2);
    eventually("node 2 is missed", || match nodes.list(1) {
        said if said.out.contains("node 2 (127.0.0.1:") => Ok(()),
        said => Err(format!("{said:?}")),
    });
    let mut removing = Command::new(processes::PROGRAM);
    removing.args(["node", "remove", "3", "--connect", &nodes.door(1)]);
    let mut removing = removing.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(removing.stderr.take().unwrap()).lines();
    // The two that are left of three cannot do without the third: it says so, and the third comes back.
    let mut heard = String::new();
    while !heard.contains("waiting for node 2 (127.0.0.1:") {
        heard.push_str(&lines.next().unwrap_or_else(|| panic!("it ended: {heard}")).unwrap());
    }
    assert!(heard.contains("start it, or look whether the others reach it"), "{heard}");
    nodes.serve(2);
    lines.for_each(|line| heard.push_str(&line.unwrap()));
    assert!(removing.wait().unwrap().success(), "{heard}");
    assert_eq!(heard.matches("waiting for node 2").count(), 1, "{heard}");
    assert!(heard.contains("node 3 is gone"), "{heard}");
}

#[test]
fn a_node_that_waits_says_for_what_at_its_client_door() {
    let mut nodes = Nodes::cold(2, "forming = \"explicit\"");
    nodes.serve(1);
    let door = nodes.door(1);
    // Whatever the file is called with which the nodes were started.
    let init = format!("vecraft cluster init --config {}", nodes.config().display());
    let both = || [vecraft(&["status", "--connect", &door]), vecraft(&["node", "list", "--connect", &door])];
    for wanted in ["waiting for node 2 to answer", init.as_str()] {
        eventually(wanted, || {
            let said = both();
            let is_told = said.iter().all(|said| said.code == 1 && format!("{said:?}").contains(wanted));
            if is_told { Ok(()) } else { Err(format!("{said:?}")) }
        });
        assert!(both()[0].out.contains("state            starting\n"), "{:?}", both()[0]);
        if nodes.has_ended(2) {
            nodes.serve(2);
        }
    }
    let config = nodes.config();
    let formed = vecraft(&["cluster", "init", "--config", processes::text(&config)]);
    assert_eq!(formed.code, 0, "{formed:?}");
    nodes.await_serving(1);
    nodes.await_serving(2);
    assert_eq!(nodes.list(1).code, 0);
}

#[test]
fn a_door_where_nobody_is_names_the_option_that_says_another() {
    let door = format!("127.0.0.1:{}", processes::free_ports(1)[0]);
    for command in [&["node", "list"], &["node", "drain"]] {
        let mut args = command.to_vec();
        if command[1] == "drain" {
            args.push("1");
        }
        let said = vecraft(&[&args[..], &["--connect", &door]].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(&door) && said.err.contains("--connect HOST:PORT"), "{said:?}");
    }
}
