//! I13: files that no log names go at start and by the hour.

use super::rig::Rig;
use crate::clean_up;
use std::time::Duration;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_storage::{Disk, OpenMode};

#[tokio::test]
async fn i13_unnamed_files_go_by_the_hour_and_named_ones_stay() {
    let mut rig = Rig::new();
    rig.wishes.set(&[(1, "HNSW")]);
    rig.seal(1, 300);
    let life = rig.live().await;
    life.until(|report| report.attached == 1).await;
    let named = [rig.named_file(1, 1)];
    let litter = |path: &str| rig.disk.open(path, OpenMode::Create).map(drop).unwrap();

    let (stop, hour) = (Shutdown::new(), Duration::from_millis(5));
    litter("indexes/3-0/9-9.new.tmp");
    let running = tokio::spawn(clean_up(life.node.clone(), hour, stop.clone()));
    life.until(|_| rig.index_files() == named).await;
    // A build that lost, and one of a segment that vanished.
    litter("indexes/3-0/1-1-00000000000000aa.idx");
    litter("indexes/3-0/7-1-00000000000000aa.idx");
    life.until(|_| rig.index_files() == named).await;
    stop.trigger("the test is over");
    running.await.unwrap().unwrap();
    assert_eq!(life.node.report().attached, 1);
    life.end().await;
}
