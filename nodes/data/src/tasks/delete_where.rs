//! Delete by filter: the leader resolves, the log decides (I12).
//!
//! ```text
//! read index -> published -> evaluate on the view -> propose (key, place)* -> rows that changed meanwhile? again
//! ```
//! The entries of a request are numbered through. Asked again after its leader was lost, it finds fewer rows than at
//! first, so its first entry is not the old first one: it counts what the window holds of it (I10) and goes on behind.
//!
//! From its first entry on, only rows that were written before that entry go. Otherwise a key that this request deleted
//! and somebody else wrote since would be deleted twice by one request: an acknowledged row would be gone. What was written
//! later over a row that the filter meant counts as written after the delete.

use crate::group::{DataGroup, refused};
use crate::node::DataNode;
use std::time::Duration;
use vecraft_expr::Filter;
use vecraft_rpc::services::ShardWritten;
use vecraft_segment::exec::{self, Cancel};
use vecraft_state::shard::{Applied, Refusal, Seen, ShardCommand};
use vecraft_types::{Code, Error, LogPosition, PartitionId, PrimaryKey, RequestId, Result, RowRef, ShardId};

/// Keys an entry.
pub(crate) const KEYS_MAX: usize = 10_000;
/// Looks at rows that keep changing under the delete.
const ROUNDS_MAX: u32 = 64;
/// Part numbers of the entries of one part: apart from those of other parts. Far more than the dedup window keeps, and
/// when it forgets the first entry of a request, the outcome of the request is unknown.
const ENTRIES_A_PART: u32 = 1 << 20;

/// The entries of one request, this attempt's and those of earlier ones, and what they did.
struct Entries {
    request: RequestId,
    count: u32,
    total: ShardWritten,
    /// Where the first one is.
    first: Option<LogPosition>,
}

impl Entries {
    fn of(request: RequestId) -> Entries {
        Entries { request, count: 0, total: ShardWritten::default(), first: None }
    }

    /// Whether a row that the filter matches now was there to be deleted.
    fn may_take(&self, row: RowRef) -> bool {
        self.first.is_none_or(|first| row.position < first)
    }

    /// The name of the first entry that is not counted.
    fn next(&self) -> RequestId {
        entry_name(self.request, self.count)
    }

    fn add(&mut self, applied: Applied) {
        self.count += 1;
        self.first.get_or_insert(applied.position);
        self.total.deleted += applied.deleted;
        self.total.position = self.total.position.max(applied.position);
        self.total.timestamp = self.total.timestamp.max(applied.timestamp);
    }

    /// Counts those that were applied here before.
    fn add_applied(&mut self, group: &DataGroup, shard: ShardId) -> Result<()> {
        let machine = group.machine.lock();
        let Some(state) = machine.replica.state.shards.get(&shard) else { return Err(gone(shard)) };
        loop {
            match state.dedup.look_up(&self.next()) {
                Seen::New => return Ok(()),
                Seen::Answered(reply) => self.add(reply.map_err(|refusal| refused(shard, refusal))?),
                Seen::BelowFloor => return Err(refused(shard, Refusal::OutcomeUnknown)),
            }
        }
    }
}

/// The name of an entry of a resolved delete.
pub(crate) fn entry_name(request: RequestId, entry: u32) -> RequestId {
    let part = (request.part + 1).wrapping_mul(ENTRIES_A_PART).wrapping_add(entry);
    RequestId { part, ..request }
}

impl DataNode {
    pub(crate) async fn delete_where(
        &self,
        shard: ShardId,
        request: RequestId,
        partitions: &[PartitionId],
        filter: &str,
        deadline: Duration,
    ) -> Result<ShardWritten> {
        let mut entries = Entries::of(request);
        let done = self.delete_matching(shard, &mut entries, partitions, filter, deadline).await;
        // What is gone is gone, whatever kept the rest from going.
        done.map_err(|error| if entries.count > 0 { error.unanswered() } else { error })?;
        Ok(entries.total)
    }

    async fn delete_matching(
        &self,
        shard: ShardId,
        entries: &mut Entries,
        partitions: &[PartitionId],
        filter: &str,
        deadline: Duration,
    ) -> Result<()> {
        let group = self.group_of(shard)?;
        for _ in 0..ROUNDS_MAX {
            let at = group.raft.read_index().await?;
            group.raft.wait_published(at, deadline).await?;
            let look = {
                let (node, partitions, filter) = (self.clone(), partitions.to_vec(), filter.to_owned());
                move || node.resolve(shard, &partitions, &filter)
            };
            let mut rows = group.io.run(look).await.map_err(|e| Error::internal(e.to_string()))??;
            // After the look: what deleted rows that it did not see any more is in the window.
            entries.add_applied(&group, shard)?;
            rows.retain(|(_, row)| entries.may_take(*row));
            let mut conflicts = 0;
            for chunk in rows.chunks(KEYS_MAX) {
                conflicts += delete_rows(&group, shard, entries, chunk, deadline).await?;
            }
            if conflicts == 0 {
                if entries.count == 0 {
                    let view = self.views.get(shard);
                    entries.total.timestamp = view.map(|view| view.timestamp).unwrap_or_default();
                }
                return Ok(());
            }
        }
        Err(Error::new(Code::Unavailable, "rows keep changing under the delete; some are gone, try again"))
    }

    pub(crate) fn resolve(
        &self,
        shard: ShardId,
        partitions: &[PartitionId],
        filter: &str,
    ) -> Result<Vec<(PrimaryKey, RowRef)>> {
        let view = self.views.get(shard).ok_or_else(|| gone(shard))?;
        let filter = Filter::parse(filter, &view.schema)?;
        let only = (!partitions.is_empty()).then_some(partitions);
        exec::keys(&view, only, Some(&filter), Cancel::never()).map_err(|error| self.unreadable(shard, error))
    }
}

/// Deletes these rows with an entry of its own; returns how many changed meanwhile and stay.
async fn delete_rows(
    group: &DataGroup,
    shard: ShardId,
    entries: &mut Entries,
    rows: &[(PrimaryKey, RowRef)],
    deadline: Duration,
) -> Result<u64> {
    loop {
        let command = ShardCommand::DeleteVersions { request: entries.next(), rows: rows.to_vec() };
        let (position, applied) = group.propose_at(shard, command, deadline).await?;
        entries.add(applied);
        // Another position is that of an entry which an earlier attempt had under way (I10): it counts, and it says
        // nothing about these rows.
        if applied.position == position {
            return Ok(applied.conflicts);
        }
    }
}

fn gone(shard: ShardId) -> Error {
    Error::unknown_shard("the shard was dropped", shard)
}
