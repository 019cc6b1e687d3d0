//! P6: a node starts again on a disk that is full to the last byte, and says what it needs when it cannot.
//!
//! That takes a file system of its own: a tmpfs, mounted for a process that runs the second test here. Where mounting is
//! not allowed the first one says so and checks nothing; what gives the room up is checked on a simulated disk too
//! (`common/storage/src/reserve.rs`).
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vecraft_config::Config;
use vecraft_server::Server;

/// Where the file system is mounted.
const MOUNT: &str = "VECRAFT_TEST_MOUNT";
const MIB: usize = 96;

/// A shell in a mount namespace of its own that mounts `$1` and goes on with `then`.
fn mounted(at: &Path, then: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={MIB}m tmpfs \"$1\" && {then}");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(at);
    command
}

#[test]
fn p6_a_node_starts_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let tried = mounted(dir.path(), "true").output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this user may not mount a tmpfs ({tried:?})");
        return;
    }
    let run = "exec \"$2\" --exact --ignored --nocapture on_a_file_system_of_its_own";
    let mut inner = mounted(dir.path(), run);
    inner.arg(std::env::current_exe().unwrap()).env(MOUNT, dir.path());
    let output = inner.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn start(dir: &Path) -> Result<Server, String> {
    Server::start(&Config::embedded(dir).with_free_ports(), 1).await.map_err(|error| error.to_string())
}

async fn until_there(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} is not made", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes to `path` until there is no byte left.
fn fill(path: &Path) {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for step in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![1; step]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other test, on a file system of its own"]
async fn on_a_file_system_of_its_own() {
    let Some(mount) = std::env::var_os(MOUNT).map(PathBuf::from) else { return };
    let (dir, others) = (mount.join("node"), mount.join("others"));
    let reserve = dir.join("kv-reserve");
    let server = start(&dir).await.unwrap();
    until_there(&reserve).await;
    server.stop("the test says so").await;

    fill(&others);
    let server = start(&dir).await.expect("it starts on a full disk");
    assert!(!reserve.exists(), "what it had in reserve is what it started with");
    server.stop("the test says so").await;

    fill(&others);
    let why = start(&dir).await.err().expect("it starts without room and without a reserve");
    let said = [
        "no room to start on the file system of",
        &dir.display().to_string(),
        "are needed there and 0 MiB are free",
    ];
    assert!(said.iter().all(|part| why.contains(part)), "{why}");

    std::fs::remove_file(&others).unwrap();
    let server = start(&dir).await.unwrap();
    until_there(&reserve).await;
    server.stop("the test says so").await;
}
