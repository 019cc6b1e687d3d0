//! P6: a replica that a full disk stopped begins again by itself once there is room, on a file system that really has none.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vecraft_storage::failpoint;
use vecraft_test_cluster::{Sandbox, create, eventually, found, metric, rows};
use vecraft_types::api::Consistency;

/// This test's name, and the variable that says that it runs in mounts of its own.
const NAME: &str = "p6_a_replica_that_a_full_disk_stopped_begins_again_when_there_is_room";
const INSIDE: &str = "VECRAFT_TEST_OWN_MOUNTS";
/// Names a file that gets a line for each test that this machine cannot run; `scripts/test.sh` counts them.
const SKIPPED: &str = "VECRAFT_SKIPPED";

const DISK_BYTES: u64 = 512 << 20;
/// Less than a replica needs to begin, and more than the cluster writes meanwhile.
const LEFT_BYTES: u64 = 40 << 20;
/// Longer than the pause between two looks whether there is room.
const TWO_LOOKS: Duration = Duration::from_secs(12);
const OUT: &str = "vecraft_groups_out_of_service";

#[test]
fn p6_a_replica_that_a_full_disk_stopped_begins_again_when_there_is_room() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.unwrap().block_on(live_through_it());
    }
    // Mounts of a process of its own: they go with it, however it ends.
    let ways = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let may_mount = |way: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut probe = Command::new("unshare");
        probe.args(way).args(["mount", "-t", "tmpfs", "none"]).arg(dir.path());
        probe.output().map_err(|error| error.to_string()).and_then(|done| match done.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        })
    };
    let mut refusals = Vec::new();
    for way in ways {
        match may_mount(way) {
            Ok(()) => {
                let mut inside = Command::new("unshare");
                inside.args(way).arg(std::env::current_exe().unwrap()).args(["--exact", NAME, "--nocapture"]);
                assert!(inside.env(INSIDE, "1").status().unwrap().success());
                return;
            }
            Err(why) => refusals.push(why),
        }
    }
    skipped(&format!("full disk, no file system can be mounted here: {}", refusals.join("; ")));
}

/// Past the capture of what tests print: one that did nothing must not look like one that passed.
fn skipped(what: &str) {
    let line = format!("skipped: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(list) = std::env::var_os(SKIPPED) {
        let mut list = File::options().append(true).create(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

async fn live_through_it() {
    let mut sandbox = Sandbox::cold(3);
    sandbox.config.data.follower_log_bytes = 0;
    sandbox.config.log.segment_bytes = 4 << 20;
    let disk = sandbox.config.nodes[2].data_dir.clone();
    mount(&disk);
    sandbox.start_all().await;
    create(&sandbox.client(1), "books").await.insert(rows(0, 100)).await.unwrap();
    sandbox.stop(3).await;
    // More than the logs of the others keep.
    let writer = sandbox.client(1);
    let mut written = 100;
    let until = Instant::now() + Duration::from_secs(3);
    while written < 2_000 || Instant::now() < until {
        for _ in 0..20 {
            writer.collection("books").insert(rows(written, 10)).await.unwrap();
            written += 10;
        }
        writer.collection("books").flush().await.unwrap();
    }

    // The fetch has found room and is held up; meanwhile the disk fills, and the snapshot's records do not fit.
    failpoint::configure("snapshot.before_rename=1*sleep:5000;snapshot.before_records=1*no_space").unwrap();
    sandbox.start_all().await;
    eventually("node 3 fetches", async || has_part(&disk)).await;
    let ballast = fill(&disk);
    eventually("a replica leaves service", async || metric(&sandbox, 3, OUT).await == 1.0).await;
    let since = Instant::now();
    while since.elapsed() < TWO_LOOKS {
        assert_eq!(metric(&sandbox, 3, OUT).await, 1.0, "it began again without room");
        assert_eq!(found(&writer, "books", Consistency::Strong).await, Ok(written as usize));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // The others take writes all the while.
    writer.collection("books").insert(rows(written, 10)).await.unwrap();
    written += 10;

    std::fs::remove_file(ballast).unwrap();
    eventually("it begins again", async || metric(&sandbox, 3, OUT).await == 0.0).await;
    let local = sandbox.client(3);
    eventually("node 3's own replica has all rows", async || {
        found(&local, "books", Consistency::Eventually).await == Ok(written as usize)
    })
    .await;
    drop((local, writer));
    sandbox.stop_all().await;
    failpoint::clear();
}

fn mount(at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    let size = format!("size={DISK_BYTES}");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).status();
    assert!(mounted.unwrap().success());
}

/// Leaves [`LEFT_BYTES`]; what it wrote for that.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("ballast");
    let mut ballast = File::create(&path).unwrap();
    let zeros = vec![0; 1 << 20];
    while free(disk) > LEFT_BYTES {
        ballast.write_all(&zeros).unwrap();
    }
    path
}

fn free(disk: &Path) -> u64 {
    use vecraft_storage::Disk;
    vecraft_storage::RealDisk::new(disk).unwrap().free_bytes().unwrap()
}

/// Whether a file of a snapshot is on its way.
fn has_part(root: &Path) -> bool {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => has_part(&path),
        false => path.extension().is_some_and(|extension| extension == "part"),
    })
}
