//! What a slip of the pen gets: a refusal that names the place and says what to do, and nothing made or changed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod processes;

use processes::{Nodes, Said, text, vecraft};
use std::path::Path;
use std::process::Command;

/// It ends with this code, and says all of these.
fn check(said: &Said, code: i32, wanted: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    for words in wanted {
        assert!(said.err.contains(words) || said.out.contains(words), "{words:?} is missing: {said:?}");
    }
}

fn script(name: &str, args: &[&str], dir: &Path) -> Said {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name);
    let mut command = Command::new("bash");
    command.arg(path).args(args).current_dir(dir).env("VECRAFT_BIN", processes::PROGRAM);
    processes::said(&command.output().unwrap())
}

#[test]
fn commands_for_a_stopped_node_make_no_directory_and_take_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, empty, other) =
        (dir.path().join("tpyo"), dir.path().join("empty"), dir.path().join("other"));
    std::fs::create_dir_all(&empty).unwrap();
    std::fs::create_dir_all(other.join("kv")).unwrap();
    for (place, why) in [(&missing, "it is not there"), (&empty, "no store"), (&other, "no store")] {
        let recover = vecraft(&["node", "recover", "--data-dir", text(place)]);
        let skip = vecraft(&["group", "skip", "--data-dir", text(place), "--group", "1", "--entry", "2"]);
        for said in [recover, skip] {
            check(&said, 1, &[text(place), "is not the directory of a node", why, "--data-dir"]);
            assert!(!said.err.contains("empty or a new"), "{said:?}");
        }
    }
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(other.join("kv")).unwrap().count(), 0);
}

#[test]
fn a_cluster_on_several_hosts_without_a_secret_is_refused_by_all_alike() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cluster.toml");
    let node =
        |id: u64| format!("[[node]]\nid = {id}\nhost = \"10.0.0.{id}\"\ndata_dir = \"/srv/vecraft\"\n");
    std::fs::write(&config, format!("{}{}", node(1), node(2))).unwrap();
    let file = text(&config);
    let words = ["cluster.secret_file: is missing", "openssl rand -hex 32"];
    check(&vecraft(&["config", "print", "--config", file]), 1, &words);
    check(&vecraft(&["serve", "--config", file, "--node", "1"]), 1, &words);
    check(&vecraft(&["cluster", "init", "--config", file]), 1, &words);
    // The file of the current directory is what it takes, and it says which that is.
    let deployed = script("deploy.sh", &["--dry-run", "--binary", processes::PROGRAM], dir.path());
    check(&deployed, 1, &words);
    check(&deployed, 1, &[&format!("{file} is not valid")]);
    std::fs::remove_file(&config).unwrap();
    let deploy = |more: &[&str]| {
        script("deploy.sh", &[&["--dry-run", "--binary", processes::PROGRAM], more].concat(), dir.path())
    };
    check(&deploy(&[]), 1, &[&format!("there is no {file}"), "--config FILE"]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cluster.toml");
    check(&deploy(&["--config", text(&sample)]), 1, &["for trying out", "--config FILE"]);
}

#[test]
fn a_port_a_file_and_a_node_that_cannot_be_had_come_with_what_to_change() {
    let nodes = Nodes::cold(1, "");
    let config = nodes.config();
    let file = text(&config);
    let door = nodes.door(1);
    let taken = std::net::TcpListener::bind(&door).unwrap();
    let said = vecraft(&["serve", "--config", file, "--node", "1"]);
    check(&said, 1, &[&door, "client_port", "another program listens there", "cluster.toml", "--listen"]);
    drop(taken);
    check(&vecraft(&["serve", "--config", file, "--node", "7"]), 2, &["no node 7", "it has 1", "--node"]);
    let missing = nodes.dir.path().join("claster.toml");
    let said = vecraft(&["serve", "--config", text(&missing), "--node", "1"]);
    check(&said, 1, &["claster.toml", "vecraft config print > cluster.toml"]);
}

#[test]
fn options_that_cannot_be_understood_end_as_the_help_says() {
    let help = vecraft(&["--help"]);
    check(&help, 0, &["2 when its options are wrong"]);
    for (args, words) in [
        (&["serve", "--listen", "19530"][..], &["--listen", "HOST:PORT"][..]),
        (&["serve", "--listen", "127.0.0.1:one"], &["--listen", "HOST:PORT"]),
        (&["serve", "--log-level", "loud"], &["--log-level", "loud"]),
        (&["demo", "--log-level", "loud"], &["--log-level", "loud"]),
        (&["demo", "--connect", "https://localhost:19540"], &["--connect", "HOST:PORT", "https"]),
        (&["status", "--connect", "localhost:one"], &["--connect", "HOST:PORT", "port"]),
        (&["node", "list", "--connect", "::1:19540"], &["--connect", "[::1]:19540"]),
        (&["node", "add", "0", "h:1"], &["from 1 to 65535"]),
        (&["node", "add", "4", "10.0.0.4"], &["HOST:NODE_PORT"]),
    ] {
        check(&vecraft(args), 2, words);
    }
}

#[test]
fn a_door_may_be_named_as_people_name_it() {
    let nodes = Nodes::start(1);
    let port = nodes.door(1).rsplit_once(':').unwrap().1.to_owned();
    for door in [format!("localhost:{port}"), format!("http://127.0.0.1:{port}/")] {
        for command in [&["status"][..], &["node", "list"]] {
            check(&vecraft(&[command, &["--connect", &door]].concat()), 0, &[]);
        }
    }
}

#[test]
fn options_of_the_quickstart_are_checked_before_it_builds() {
    let dir = tempfile::tempdir().unwrap();
    for (args, why) in [
        (&["--nodes", "2"][..], "1, 3 or 5"),
        (&["--nodes=x"], "1, 3 or 5"),
        (&["--kills", "3"], "--nodes 3"),
        (&["--nodes", "3", "--kills", "0"], "1 to 1000"),
        (&["--nodes", "3", "--kills"], "needs a number"),
        (&["--nodes", "3", "--kills="], "1 to 1000"),
        (&["--nodes", "3", "--kills", ""], "1 to 1000"),
    ] {
        let said = script("quickstart.sh", args, dir.path());
        check(&said, 2, &[why]);
        assert!(!said.out.contains("Building"), "{said:?}");
    }
}

#[test]
fn a_cluster_of_the_script_and_a_node_of_the_readme_keep_to_their_own_directories() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cluster.toml");
    let said = vecraft(&["config", "print", "--config", text(&sample)]);
    let dirs: Vec<&str> = said.out.lines().filter(|line| line.starts_with("data_dir = ")).collect();
    assert_eq!(dirs.len(), 3, "{said:?}");
    // The default of `vecraft serve` is `data`.
    assert!(dirs.iter().all(|line| line.starts_with("data_dir = \"cluster-data/")), "{dirs:?}");
    let help = script("cluster.sh", &["--help"], Path::new("."));
    check(&help, 0, &["default: cluster-data/run"]);
}

#[test]
fn the_port_for_milvus_clients_is_told_from_the_client_door() {
    let nodes = Nodes::start(1);
    let milvus = nodes.milvus(1);
    let told = format!("{milvus} is no client door, it is the port for Milvus's clients");
    for command in [&["demo"][..], &["status"], &["node", "list"]] {
        let said = vecraft(&[command, &["--connect", &milvus]].concat());
        check(&said, 1, &[&told, "--connect HOST:PORT", "client_port", "19540"]);
        assert!(!said.err.contains("frame size"), "{said:?}");
    }
    let health = nodes.health(1);
    let said = vecraft(&["demo", "--connect", &health]);
    check(&said, 1, &[&format!("{health} is no client door"), "--connect HOST:PORT"]);
}

#[test]
fn a_status_without_a_directory_says_what_to_name() {
    let dir = tempfile::tempdir().unwrap();
    let status = || {
        let mut command = Command::new(processes::PROGRAM);
        processes::said(&command.arg("status").current_dir(dir.path()).output().unwrap())
    };
    check(&status(), 1, &["there is no directory data", "--data-dir DIR", "--connect HOST:PORT"]);
    for made in ["cluster-data/2", "cluster-data/10", "cluster-data/run"] {
        std::fs::create_dir_all(dir.path().join(made)).unwrap();
    }
    let said = status();
    check(
        &said,
        1,
        &[
            "are in cluster-data/2, cluster-data/10:",
            "vecraft status --data-dir cluster-data/2,",
            "cluster.sh status",
        ],
    );
    assert!(!dir.path().join("data").exists());
}

#[test]
fn the_readme_and_the_quickstart_promise_the_same_time() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let help = script("quickstart.sh", &["--help"], Path::new("."));
    for text in [readme, help.out] {
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains("ten to twenty minutes on two cores"), "{text}");
    }
}
