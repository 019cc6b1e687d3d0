//! Small parts on their own.

use crate::block::IdBlock;
use crate::locks::Locks;
use crate::machine::{CheckpointPolicy, MetaMachine};
use futures::FutureExt;
use std::sync::Arc;
use vecraft_storage::{SimKv, Table};
use vecraft_types::CollectionId;

#[test]
fn a_block_gives_each_id_once() {
    let mut block = IdBlock::new(10, 5);
    assert_eq!(block.take(2), Some(10));
    assert_eq!(block.take(4), None, "only three are left");
    assert_eq!(block.take(3), Some(12));
    assert_eq!(block.take(1), None);
    assert_eq!(IdBlock::default().take(1), None);
    assert_eq!(IdBlock::new(i64::MAX, 5).take(2), None);
}

#[tokio::test]
async fn a_lock_is_gone_with_its_last_user() {
    let locks = Locks::default();
    let first = locks.hold(CollectionId(1)).await;
    let other = locks.hold(CollectionId(2)).await;
    {
        let gives_up = locks.hold(CollectionId(1));
        futures::pin_mut!(gives_up);
        assert!(gives_up.as_mut().now_or_never().is_none(), "it is held");
    }
    let waits = locks.hold(CollectionId(1));
    futures::pin_mut!(waits);
    assert!(futures::poll!(&mut waits).is_pending());
    drop(first);
    let second = waits.await;
    assert_eq!(locks.count(), 2);
    drop((second, other));
    assert_eq!(locks.count(), 0);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_refused() {
    let kv = SimKv::new(1);
    vecraft_storage::Kv::put(&kv, Table::Catalog, b"root", b"nonsense", true).unwrap();
    let error = MetaMachine::open(Arc::new(kv), CheckpointPolicy::default()).err().unwrap();
    assert!(error.to_string().contains("row root"), "{error}");
}

#[test]
fn i24_an_entry_that_is_no_command_fails_the_replica() {
    let mut machine = MetaMachine::open(Arc::new(SimKv::new(1)), CheckpointPolicy::default()).unwrap();
    let before = machine.state().clone();
    assert!(machine.apply_bytes(b"nonsense").is_err());
    assert_eq!(machine.state(), &before);
}
