//! `scripts/cluster.sh` signals only processes that it started, whatever stands in its files, and says how they are.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vecraft");

/// A directory with the configuration of so many nodes, on ports that are free.
fn configured(count: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let doors: Vec<_> = (0..4 * count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut ports = doors.iter().map(|door| door.local_addr().unwrap().port());
    let mut text = String::new();
    for id in 1..=count {
        text +=
            &format!("[[node]]\nid = {id}\ndata_dir = \"{}\"\n", dir.path().join(id.to_string()).display());
        for door in ["milvus", "client", "node", "http"] {
            text += &format!("{door}_port = {}\n", ports.next().unwrap());
        }
    }
    let config = dir.path().join("cluster.toml");
    fs::write(&config, text).unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    (dir, config)
}

/// Whether it ended well, and what it said.
fn cluster(dir: &Path, words: &[&str]) -> (bool, String) {
    let (code, said) = cluster_code(dir, words);
    (code == Some(0), said)
}

/// With which code it ended, and what it said.
fn cluster_code(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    cluster_within(dir, words, "60")
}

/// The same, waiting so many seconds for a node to serve.
fn cluster_within(dir: &Path, words: &[&str], seconds: &str) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/cluster.sh");
    let mut command = Command::new("bash");
    command.arg(script).args(words).env("VECRAFT_BIN", PROGRAM).env("SERVE_SECONDS_MAX", seconds);
    command.arg("--config").arg(dir.join("cluster.toml")).arg("--run").arg(dir.join("run"));
    // To a file: a node that it starts would keep a pipe open.
    let said = dir.join("said");
    let file = fs::File::create(&said).unwrap();
    let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    (status.code(), fs::read_to_string(said).unwrap())
}

/// A program of somebody else.
struct Stranger(Child);

impl Stranger {
    fn begin() -> Stranger {
        Stranger(Command::new("sleep").arg("300").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends what a failed test left.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        cluster(self.0, &["down"]);
    }
}

#[test]
fn a_process_id_that_is_another_programs_by_now_is_never_signalled() {
    let (dir, _config) = configured(2);
    let dir = dir.path();
    let mut stranger = Stranger::begin();
    let pid = stranger.0.id();
    // As an older script wrote it; with the start of a process that was there before; and what is no process at all.
    for noted in
        [format!("{pid}\n"), format!("{pid} 1\n"), "0\n".to_owned(), "-1\n".to_owned(), "x y\n".to_owned()]
    {
        fs::write(dir.join("run/node-2.pid"), &noted).unwrap();
        let (is_done, said) = cluster(dir, &["kill", "2"]);
        assert!(!is_done && said.contains("node 2 does not run"), "{noted}: {said}");
        let (is_done, said) = cluster(dir, &["down", "2"]);
        assert!(is_done && said.contains("node 2 does not run"), "{noted}: {said}");
        let (code, said) = cluster_code(dir, &["status"]);
        assert!(code == Some(3) && said.lines().all(|line| line.ends_with("not running")), "{noted}: {said}");
        assert!(stranger.lives(), "{noted}");
    }
}

#[test]
fn from_another_directory_nothing_is_said_to_be_stopped() {
    let (dir, _config) = configured(2);
    fs::remove_dir_all(dir.path().join("run")).unwrap();
    for words in [&["status"][..], &["down"], &["kill", "1"], &["restart", "1"]] {
        let (code, said) = cluster_code(dir.path(), words);
        assert!(code == Some(3) && said.contains("where you called 'up'"), "{words:?}: {said}");
    }
}

#[test]
fn what_it_started_is_known_again_and_stopped() {
    let (dir, config) = configured(2);
    let dir = dir.path();
    // One node alone serves.
    let text = fs::read_to_string(&config).unwrap();
    let second = text.rfind("[[node]]").unwrap();
    fs::write(&config, &text[..second]).unwrap();
    let _down = Down(dir);
    let (is_done, said) = cluster(dir, &["up"]);
    assert!(is_done && said.contains("node 1 serves"), "{said}");
    let noted = fs::read_to_string(dir.join("run/node-1.pid")).unwrap();
    let pid = noted.split_whitespace().next().unwrap();
    assert_eq!(noted.split_whitespace().count(), 2, "its start is noted: {noted}");
    let (_, said) = cluster(dir, &["up"]);
    assert!(said.contains(&format!("node 1 runs already (process {pid})")), "{said}");
    // As an older script wrote it.
    fs::write(dir.join("run/node-1.pid"), format!("{pid}\n")).unwrap();
    let (is_done, said) = cluster(dir, &["status"]);
    assert!(is_done && said.contains(pid) && said.trim_end().ends_with("OK"), "{said}");
    // A node of the file that does not run may be the one that the majority needs.
    fs::write(&config, &text).unwrap();
    let (is_done, said) = cluster(dir, &["restart", "1"]);
    assert!(!is_done && said.contains("node 1 is not taken down: node 2 does not run"), "{said}");
    let (_, said) = cluster(dir, &["status", "1"]);
    assert!(said.contains(pid), "{said}");
    fs::write(&config, &text[..second]).unwrap();
    let (is_done, said) = cluster(dir, &["restart", "1"]);
    assert!(is_done && said.contains("node 1 stopped") && said.contains("node 1 serves"), "{said}");
    let (is_done, said) = cluster(dir, &["kill", "1"]);
    assert!(is_done && said.contains("node 1 killed"), "{said}");
    let (_, said) = cluster(dir, &["status"]);
    assert!(said.trim_end().ends_with("not running"), "{said}");
}

#[test]
fn status_says_which_node_has_no_majority_and_ends_as_a_partial_answer() {
    let (dir, _config) = configured(3);
    let dir = dir.path();
    let _down = Down(dir);
    let (is_done, said) = cluster(dir, &["up"]);
    assert!(is_done, "{said}");
    let (code, said) = cluster_code(dir, &["status"]);
    assert!(code == Some(0) && said.lines().filter(|line| line.ends_with("OK")).count() == 3, "{said}");
    cluster(dir, &["kill", "2"]);
    // The others serve everything; not all that was asked for runs.
    let (code, said) = cluster_code(dir, &["status"]);
    assert!(code == Some(3) && said.contains("node 2   not running"), "{said}");
    cluster(dir, &["kill", "3"]);
    let (code, said) = cluster_code(dir, &["status", "1"]);
    assert!(code == Some(3) && said.lines().count() == 1, "{said}");
    let told = "degraded: group 0 (the metastore) has no majority";
    assert!(said.starts_with("node 1 ") && said.contains(told) && !said.contains("OK"), "{said}");
}

#[test]
fn a_node_that_waits_for_others_is_given_up_in_time_and_told_with_those_that_are_missing() {
    let (dir, _config) = configured(3);
    let dir = dir.path();
    let _down = Down(dir);
    let began = Instant::now();
    let (code, said) = cluster_within(dir, &["up", "1"], "3");
    // Each look takes a moment; they are not what is counted.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}: {said}", began.elapsed());
    assert_eq!(code, Some(1), "{said}");
    for words in
        ["does not serve after 3 s", "these do not run: 2 3;", "up 2 3", "node 1 goes on (process ", "down 1"]
    {
        assert!(said.contains(words), "{words:?} is missing: {said}");
    }
    let (is_done, said) = cluster(dir, &["up", "2", "3"]);
    assert!(is_done, "{said}");
    let (is_done, said) = cluster(dir, &["status"]);
    assert!(is_done, "the first one went on: {said}");
}
