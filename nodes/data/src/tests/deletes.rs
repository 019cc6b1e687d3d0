//! Delete by filter, asked again under its name after its leader was lost between two entries.

use super::rig::{PARTITION, Rig, SHARD};
use crate::tasks::delete_where::{KEYS_MAX, entry_name};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinSet;
use vecraft_rpc::services::{RowChange, ShardWrite, ShardWriter, ShardWritten};
use vecraft_state::shard::ShardCommand;
use vecraft_types::*;

const REQUEST: RequestId = RequestId { client: ClientId(77), sequence: 1, part: 0 };
const ROWS: usize = 25_000;

async fn filled() -> Rig {
    let mut rig = Rig::new().await;
    for first in (0..ROWS as i64).step_by(5_000) {
        rig.insert(first..first + 5_000).await;
    }
    rig
}

fn left(rig: &Rig) -> usize {
    keys_left(rig).count()
}

/// An attempt that got as far as so many entries.
async fn cut_off_after(rig: &Rig, entries: usize) {
    let rows = rig.node.resolve(SHARD, &[], "n >= 0").unwrap();
    for (entry, chunk) in rows.chunks(KEYS_MAX).take(entries).enumerate() {
        let request = entry_name(REQUEST, entry as u32);
        let command = ShardCommand::DeleteVersions { request, rows: chunk.to_vec() };
        rig.group().propose(SHARD, command, Duration::from_secs(30)).await.unwrap();
    }
}

async fn ask(rig: &Rig) -> Result<ShardWritten> {
    let change = RowChange::DeleteWhere { partitions: vec![], filter: "n >= 0".into() };
    let deadline_ms = 30_000;
    rig.node
        .write(ShardWrite { shard: SHARD, schema_version: 1, request: REQUEST, deadline_ms, change })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_delete_by_filter_goes_on_where_an_earlier_attempt_was_cut_off() {
    for entries in 0..=3 {
        let rig = filled().await;
        cut_off_after(&rig, entries).await;
        assert_eq!(left(&rig), ROWS.saturating_sub(entries * KEYS_MAX));
        let done = ask(&rig).await.unwrap();
        assert_eq!((done.deleted, left(&rig)), (ROWS as u64, 0), "after {entries} entries");
        // Once more: the same answer, and no further entry.
        assert_eq!(ask(&rig).await.unwrap(), done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_delete_by_filter_whose_entries_are_forgotten_has_an_unknown_outcome() {
    let rig = filled().await;
    cut_off_after(&rig, 3).await;
    // The window keeps 8,192 answers.
    let mut writes = JoinSet::new();
    for sequence in 1..=8_192 {
        let (group, request) = (rig.group(), RequestId { client: ClientId(78), sequence, part: 0 });
        let command = ShardCommand::DeleteKeys { request, partition: Some(PARTITION), keys: vec![] };
        writes.spawn(async move { group.propose(SHARD, command, Duration::from_secs(30)).await.unwrap() });
    }
    writes.join_all().await;
    assert_eq!(ask(&rig).await.unwrap_err().code, Code::OutcomeUnknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_delete_by_filter_whose_answer_was_lost_does_not_take_what_was_inserted_since() {
    let mut rig = Rig::new().await;
    rig.insert(0..10).await;
    // Done; the answer is lost on the way.
    assert_eq!(ask(&rig).await.unwrap().deleted, 10);
    // Another client sees that the rows are gone, and inserts its own.
    assert_eq!(left(&rig), 0);
    rig.insert(0..5).await;
    // The first one asks again under the same name, which the window knows.
    let again = ask(&rig).await.unwrap();
    assert_eq!((again.deleted, left(&rig)), (10, 5), "acknowledged rows are gone: the delete was done twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_delete_by_filter_that_goes_on_leaves_what_was_written_since_it_began() {
    let mut rig = filled().await;
    cut_off_after(&rig, 1).await;
    let kept: BTreeSet<PrimaryKey> = keys_left(&rig).collect();
    let back = (0..ROWS as i64).find(|key| !kept.contains(&PrimaryKey::Int64(*key))).unwrap();
    // One of those that are gone comes back, and one more row that the filter matches is new.
    rig.insert(back..back + 1).await;
    rig.insert(ROWS as i64..ROWS as i64 + 1).await;
    let done = ask(&rig).await.unwrap();
    let left: Vec<PrimaryKey> = keys_left(&rig).collect();
    let since = [back, ROWS as i64].map(PrimaryKey::Int64);
    assert_eq!((done.deleted, left), (ROWS as u64, since.to_vec()), "acknowledged rows are gone");
}

fn keys_left(rig: &Rig) -> impl Iterator<Item = PrimaryKey> {
    rig.node.resolve(SHARD, &[], "n >= 0").unwrap().into_iter().map(|(key, _)| key)
}
