//! One voter: a node on its own.

use crate::{Birth, Committed, Error, Failed, Group, GroupSpec, Host, Machine, Mark};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_storage::{Disk, OpenMode, SimDisk};
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

const WAIT: Duration = Duration::from_secs(10);

/// Remembers what it applied; refuses to go on at the command "broken".
#[derive(Default)]
pub struct Journal {
    applied: Vec<(LogPosition, Bytes)>,
    last: Option<Mark>,
    checkpoint: Option<Mark>,
}

impl Machine for Journal {
    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        Err(Failed(format!("kept nowhere: {why}")))
    }

    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        match entry.command.as_ref() {
            b"broken" => return Err(Failed("as asked".into())),
            b"panic" => panic!("as asked"),
            _ => {}
        }
        self.last = Some(entry.mark);
        self.applied.push((entry.position, entry.command));
        Ok(Bytes::from(self.applied.len().to_string()))
    }

    fn advance(&mut self, mark: Mark) {
        self.last = Some(mark);
    }

    fn checkpoint(&self) -> Option<Mark> {
        self.checkpoint.clone()
    }
}

pub fn lone(group: u64, replica: u64, is_new: bool) -> GroupSpec {
    let (node, replica) = (NodeId(1), ReplicaId(replica));
    GroupSpec { group: GroupId(group), node, replica, birth: Birth::lone(is_new, replica, node) }
}

async fn start(disk: &SimDisk, journal: Journal, bootstrap: bool) -> (Host, Group, Arc<Mutex<Journal>>) {
    let (log, _) = NodeLog::open(Arc::new(disk.clone()), "log", LogOptions::default()).unwrap();
    let host = Host::new(log).unwrap();
    let machine = Arc::new(Mutex::new(journal));
    let spec = lone(1, 7, bootstrap);
    let group = host.start_group(spec, machine.clone()).await.unwrap();
    (host, group, machine)
}

async fn stop(host: Host, group: Group) {
    group.shutdown().await;
    host.log().close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i15_an_answer_means_published_and_a_restart_applies_again() {
    let disk = SimDisk::new(1);
    let (host, group, _) = start(&disk, Journal::default(), true).await;
    for n in 1..=20 {
        let done = group.propose(Bytes::from(format!("{n}")), WAIT).await.unwrap();
        assert_eq!(done.reply, n.to_string());
        assert!(group.published() >= done.position);
        assert!(group.read_index().await.unwrap() >= done.position);
    }
    stop(host, group).await;
    disk.crash();

    let (host, group, machine) = start(&disk, Journal::default(), false).await;
    assert_eq!(machine.lock().applied.len(), 20);
    let done = group.propose(Bytes::from("21"), WAIT).await.unwrap();
    assert_eq!(done.reply, "21");
    stop(host, group).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_checkpoint_lets_the_log_below_go_and_only_the_rest_is_applied_again() {
    let disk = SimDisk::new(2);
    let (host, group, machine) = start(&disk, Journal::default(), true).await;
    for n in 0..300 {
        group.propose(Bytes::from(format!("{n}")), WAIT).await.unwrap();
    }
    let mark = machine.lock().last.clone().unwrap();
    let mark = Mark::decode(&mark.encode().unwrap()).unwrap();
    group.checkpointed(&mark).await.unwrap();
    group.propose(Bytes::from("after"), WAIT).await.unwrap();
    stop(host, group).await;

    let restored = Journal { checkpoint: Some(mark.clone()), ..Journal::default() };
    let (host, group, machine) = start(&disk, restored, false).await;
    let applied: Vec<Bytes> = machine.lock().applied.iter().map(|(_, command)| command.clone()).collect();
    assert_eq!(applied, ["after"]);
    assert!(group.published() > mark.position());
    stop(host, group).await;

    // Without the checkpoint the purged part is gone, and the replica must say so instead of serving less.
    assert!(refusal(&disk, Journal::default()).await.contains("there is no checkpoint"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i4_a_lone_replica_keeps_little_of_large_entries_below_a_checkpoint() {
    const ENTRY_BYTES: usize = 512 << 10;
    let disk = SimDisk::new(9);
    let (host, group, machine) = start(&disk, Journal::default(), true).await;
    for _ in 0..40 {
        group.propose(Bytes::from(vec![7; ENTRY_BYTES]), WAIT).await.unwrap();
    }
    let mark = machine.lock().last.clone().unwrap();
    group.checkpointed(&mark).await.unwrap();
    group.propose(Bytes::from("after"), WAIT).await.unwrap();
    let figures = || host.log().metrics();
    tokio::time::timeout(WAIT, async {
        while figures().file_bytes > 4 * ENTRY_BYTES as u64 {
            host.log().rested().await;
        }
    })
    .await
    .unwrap();
    let kept = figures().live_bytes;
    assert!(kept > ENTRY_BYTES as u64, "{kept} bytes: an entry is kept below the checkpoint");
    stop(host, group).await;
    disk.crash();

    let restored = Journal { checkpoint: Some(mark), ..Journal::default() };
    let (host, group, machine) = start(&disk, restored, false).await;
    assert_eq!(machine.lock().applied.iter().map(|(_, it)| it.as_ref()).collect::<Vec<_>>(), [b"after"]);
    stop(host, group).await;
}

/// Why a replica does not start.
async fn refusal(disk: &SimDisk, journal: Journal) -> String {
    let (log, _) = NodeLog::open(Arc::new(disk.clone()), "log", LogOptions::default()).unwrap();
    let host = Host::new(log).unwrap();
    let spec = lone(1, 7, false);
    match host.start_group(spec, Arc::new(Mutex::new(journal))).await {
        Err(Error::Stopped { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("started"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_log_that_is_lost_or_older_than_the_checkpoint_is_refused() {
    let disk = SimDisk::new(5);
    let (host, group, _) = start(&disk, Journal::default(), true).await;
    group.propose(Bytes::from("early"), WAIT).await.unwrap();
    stop(host, group).await;
    let older = SimDisk::new(6);
    older.create_dir_all("log").unwrap();
    for file in disk.list("log").unwrap() {
        let path = format!("log/{}", file.name);
        let bytes = disk.read_all(&path).unwrap();
        older.open(&path, OpenMode::Create).unwrap().write_at(0, &bytes).unwrap();
    }
    let (host, group, machine) = start(&disk, Journal::default(), false).await;
    group.propose(Bytes::from("late"), WAIT).await.unwrap();
    let mark = machine.lock().last.clone().unwrap();
    stop(host, group).await;

    let checkpointed = || Journal { checkpoint: Some(mark.clone()), ..Journal::default() };
    assert!(refusal(&SimDisk::new(7), checkpointed()).await.contains("the log is empty"));
    assert!(refusal(&older, checkpointed()).await.contains("the log ends at entry"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_a_machine_that_fails_or_panics_stops_its_group_only() {
    for poison in ["broken", "panic"] {
        let disk = SimDisk::new(3);
        let (host, group, machine) = start(&disk, Journal::default(), true).await;
        let spec = lone(2, 8, true);
        let other = host.start_group(spec, Arc::new(Mutex::new(Journal::default()))).await.unwrap();
        group.propose(Bytes::from("good"), WAIT).await.unwrap();
        assert!(matches!(group.propose(Bytes::from(poison), WAIT).await, Err(Error::Stopped { .. })));
        assert!(matches!(group.propose(Bytes::from("late"), WAIT).await, Err(Error::Stopped { .. })));
        assert!(matches!(group.read_index().await, Err(Error::Stopped { .. })));
        other.propose(Bytes::from("unhurt"), WAIT).await.unwrap();
        // Whoever starts the node again needs the store that the machine holds.
        group.ended().await;
        let held = Arc::downgrade(&machine);
        drop(machine);
        super::rig::until("the machine is released", async || held.strong_count() == 0).await;
        stop(host, group).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_directory_without_state_is_not_formed_again() {
    let disk = SimDisk::new(4);
    let (log, _) = NodeLog::open(Arc::new(disk), "log", LogOptions::default()).unwrap();
    let host = Host::new(log).unwrap();
    let spec = lone(1, 7, false);
    let refused = host.start_group(spec, Arc::new(Mutex::new(Journal::default()))).await;
    assert!(matches!(refused, Err(Error::Stopped { .. })));
}
