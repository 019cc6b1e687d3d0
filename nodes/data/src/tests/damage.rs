//! I24: what a shard with a damaged file still takes, and when it is whole again.

use super::rig::{GROUP, PARTITION, Rig, SHARD};
use vecraft_rpc::services::{RowChange, ShardAdmin, ShardWriter};
use vecraft_types::{Code, PrimaryKey};

/// So many that every column has blocks of its own: a block has 64 KiB.
const ROWS: i64 = 20_000;

/// A node whose only column file has a bad byte in the middle of the column `n`, which opening does not look at.
async fn damaged() -> (Rig, String) {
    let mut rig = Rig::new().await;
    for first in (0..ROWS).step_by(5_000) {
        rig.insert(first..first + 5_000).await;
    }
    rig.flush().await;
    let [file] = &rig.files()[..] else { panic!("{:?}", rig.files()) };
    let file = file.clone();
    // Keys, vectors and `n` take 8 bytes a row each.
    rig.disk.corrupt(&file, 8 * ROWS as u64 * 5 / 2, 0x40).unwrap();
    rig.crash().await;
    (rig, file)
}

fn by_filter() -> RowChange {
    RowChange::DeleteWhere { partitions: vec![], filter: "n < 5".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i24_a_delete_by_filter_that_meets_damage_takes_the_shard_out() {
    let (mut rig, file) = damaged().await;
    let keys = || RowChange::DeleteKeys { partition: None, keys: vec![PrimaryKey::Int64(3)] };
    assert_eq!(rig.write(keys()).await.unwrap().deleted, 1, "nobody knows yet");
    assert_eq!(rig.node.views.damaged(), []);

    let error = rig.write(by_filter()).await.unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.detail.contains(&file) && error.detail.contains("at byte"), "{error}");
    let [(shard, why)] = &rig.node.views.damaged()[..] else { panic!("nobody was told") };
    assert!(*shard == SHARD && why.contains(&file), "{why}");
    assert_eq!(rig.node.stats(SHARD).await.unwrap().damage.as_ref(), Some(why));

    // A lone replica takes nothing that nobody could read.
    for change in [keys(), by_filter()] {
        let error = rig.write(change).await.unwrap_err();
        assert_eq!(error.code, Code::Io);
        assert!(error.detail.contains("out of service") && error.detail.contains(&file), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_goes_with_the_partition_whose_file_it_is() {
    let (mut rig, _) = damaged().await;
    rig.write(by_filter()).await.unwrap_err();
    rig.node.drop_partition(GROUP, SHARD, PARTITION).await.unwrap();
    assert_eq!(rig.node.views.damaged(), []);
    assert_eq!(rig.write(by_filter()).await.unwrap().deleted, 0);
}
