//! Making a fetched snapshot this replica's checkpoint and state.
//!
//! ```text
//! files here, synced ── one synced batch ── restore from it ── swap under the machine's lock ── remove what is unnamed
//!            the old checkpoint holds | the new one holds
//! ```
//! A crash on either side starts with a whole checkpoint (I3). No checkpoint of this node's own is written meanwhile,
//! and nothing is applied: Raft waits.

use super::content::Content;
use super::fetch::localise;
use super::pull::on;
use crate::checkpoint::{self, encode, fetch_key, group_key, load, shard_key};
use crate::error::Result;
use crate::group::Surroundings;
use crate::machine::DataMachine;
use parking_lot::Mutex;
use std::sync::Arc;
use vecraft_raft_host::Incoming;
use vecraft_storage::{KeyRange, Table, WriteBatch, failpoint};
use vecraft_types::GroupId;

/// Installs a snapshot whose files were fetched.
///
/// # Errors
/// Any: the replica stops; its next start goes on with whichever checkpoint is in force.
pub(crate) async fn install(machine: Arc<Mutex<DataMachine>>, snapshot: Incoming) -> Result<()> {
    let (around, writing) = {
        let machine = machine.lock();
        (machine.around.clone(), machine.writing.clone())
    };
    let mut no_checkpoint = writing.lock_owned().await;
    let io = around.io.clone();
    on(&io, move || {
        // Until the replica is the one of the records, nobody may remove what it does not name (I13).
        no_checkpoint.is_in_doubt = true;
        replace(&machine, &around, &snapshot)?;
        no_checkpoint.is_in_doubt = false;
        Ok(())
    })
    .await
}

fn replace(machine: &Mutex<DataMachine>, around: &Surroundings, snapshot: &Incoming) -> Result<()> {
    let (group, routes, views, options) = {
        let replica = &machine.lock().replica;
        (replica.group, replica.routes.clone(), replica.views.clone(), replica.options)
    };
    let mut content = Content::decode(&snapshot.content, group, snapshot.mark.position())?;
    content.record.mark = snapshot.mark.encode()?.to_vec();
    localise(around.disk.as_ref(), &mut content)?;
    failpoint::hit("snapshot.before_records")?;
    around.kv.write(&records(&content)?, true)?;
    failpoint::hit("snapshot.after_records")?;
    let (replica, _) = load(&around.disk, around.kv.as_ref(), group, routes, views, options)?;
    let unnamed = {
        let mut machine = machine.lock();
        machine.become_snapshot(replica, snapshot.mark.clone());
        let unnamed = checkpoint::unnamed(around.disk.as_ref(), &machine.replica.named());
        unnamed.map(|unnamed| machine.replica.pins.removable(unnamed))
    };
    around.segments_changed.notify_one();
    match unnamed {
        Ok(unnamed) => checkpoint::remove(around.disk.as_ref(), &unnamed),
        // The snapshot is in force all the same; the next start looks again.
        Err(error) => tracing::warn!(%group, %error, "cannot look for files that no checkpoint names"),
    }
    Ok(())
}

/// The batch that puts the snapshot in the place of the group's records.
fn records(content: &Content) -> Result<WriteBatch> {
    let group: GroupId = content.group;
    let prefix = KeyRange::prefix(&group_key(group));
    let mut batch = WriteBatch::new();
    batch.delete_range(Table::Shard, prefix.clone());
    batch.delete_range(Table::Deletes, prefix);
    for shard in &content.shards {
        batch.put(Table::Shard, shard_key(group, shard.state.id), encode("a shard", shard)?);
    }
    for (key, list) in &content.deletes {
        batch.put(Table::Deletes, key.to_vec(), list.to_vec());
    }
    batch.put(Table::Group, group_key(group), encode("a group", &content.record)?);
    checkpoint::put_digest(&mut batch, group, content.chain);
    batch.delete(Table::Group, fetch_key(group));
    Ok(batch)
}
