//! Commands that wait for the cluster: they end when it is done and not before, and say how to leave them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, eventually, said, text, vecraft};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn removing_a_node_ends_when_it_is_gone_and_may_be_left() {
    let mut nodes = Nodes::start(3);
    let removed = vecraft(&["node", "remove", "3", "--connect", &nodes.door(3)]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(removed.err.contains("node 3 is gone"), "{removed:?}");
    let two_of_three = "there are nodes for 2 of the 3 wanted copies";
    assert!(
        removed.out.contains(two_of_three) && removed.out.ends_with("nothing is under way\n"),
        "{removed:?}"
    );
    assert!(!removed.out.contains("under way:"), "{removed:?}");
    let listed = nodes.list(1);
    assert!(listed.code == 0 && listed.out.contains(two_of_three), "{listed:?}");
    eventually("its process ends", || if nodes.has_ended(3) { Ok(()) } else { Err(String::new()) });

    // This one waits for a node that nobody starts.
    let mut adding = Command::new(processes::PROGRAM);
    adding.args(["node", "add", "4", "127.0.0.1:9", "--connect", &nodes.door(1)]);
    let mut adding = adding.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(adding.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("node 4 is expected"));
    let mut heard = String::new();
    // From then on it listens.
    while !heard.contains("Ctrl-C ends the waiting only") {
        heard.push_str(&lines.next().unwrap().unwrap());
    }
    let interrupted = Command::new("kill").args(["-INT", &adding.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    lines.for_each(|line| heard.push_str(&line.unwrap()));
    assert_eq!(adding.wait().unwrap().code(), Some(1), "{heard}");
    assert!(heard.contains("the cluster goes on with it") && heard.contains("vecraft node list"), "{heard}");
    let said = vecraft(&["node", "drain", "9", "--connect", &nodes.door(1)]);
    assert!(said.code == 1 && said.err.contains("there is no node 9: the cluster has 1, 2, 4"), "{said:?}");
    // An announced node is not missed.
    let listed = nodes.list(1);
    assert!(listed.code == 0 && listed.out.contains("expected"), "{listed:?}");
    // It never comes: its id is free again, and another address may have it.
    for address in ["127.0.0.1:9", "127.0.0.1:8"] {
        let removed = vecraft(&["node", "remove", "4", "--connect", &nodes.door(2)]);
        assert!(removed.code == 0 && removed.err.contains("its id may be announced again"), "{removed:?}");
        assert!(!removed.out.contains("expected"), "{removed:?}");
        let added = vecraft(&["node", "add", "4", address, "--no-wait", "--connect", &nodes.door(1)]);
        assert!(added.code == 0 && added.out.contains(address), "{added:?}");
    }
}

#[test]
fn a_copy_of_a_running_nodes_directory_is_not_taken_for_the_node() {
    let nodes = Nodes::start(1);
    let copy = nodes.dir.path().join("copy");
    let copied = Command::new("cp").arg("-a").arg(nodes.data_dir(1)).arg(&copy).status().unwrap();
    assert!(copied.success());
    let said = vecraft(&["status", "--data-dir", text(&copy)]);
    assert_eq!(said.code, 1, "{said:?}");
    for words in
        ["state            stopped\n", "no process serves it", "a copy of a running node's", "no backup"]
    {
        assert!(said.out.contains(words), "{words:?} is missing: {said:?}");
    }
    assert!(!said.out.contains(&nodes.door(1)) && !said.out.contains("collections"), "{said:?}");
    nodes.await_serving(1);
}

#[test]
fn the_script_does_not_wait_for_a_person_but_says_what_to_run() {
    let mut nodes = Nodes::cold(2, "forming = \"explicit\"");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/cluster.sh");
    let config = nodes.config();
    let script = |verb: &str| {
        let mut command = Command::new("bash");
        command.arg(&path).arg(verb).args(["--config", text(&config), "--run", "run"]);
        command.current_dir(nodes.dir.path()).env("VECRAFT_BIN", processes::PROGRAM);
        said(&command.output().unwrap())
    };
    let up = script("up");
    let line = up.out.lines().find(|line| line.contains(" cluster init --config ")).map(str::to_owned);
    let formed = line.as_ref().map(|line| {
        said(&Command::new("bash").args(["-c", line]).current_dir(nodes.dir.path()).output().unwrap())
    });
    let again = script("up");
    let down = script("down");
    assert_eq!(up.code, 0, "{up:?}");
    assert!(up.out.contains("waits for a person's word"), "{up:?}");
    assert_eq!(formed.map(|formed| formed.code), Some(0), "{up:?}");
    assert!(again.code == 0 && again.out.matches(" serves http://").count() == 2, "{again:?}");
    assert!(down.out.matches("stopped").count() == 2, "{down:?}");
    assert!(nodes.has_ended(1));
}
