//! I18, moments: a timestamp that was pinned shows the rows that there were, whatever was written, sealed, checkpointed or
//! replayed since; for an hour of log time, and then it is refused.

use super::{Check, broken, ensure};
use crate::node::Shards;
use crate::picture;
use crate::twin::{Twin, TwinRow, TwinShard};
use vecraft_state::shard::Unreadable;
use vecraft_types::{LogPosition, RowRef, SegmentId, ShardId, Timestamp};

const NAME: &str = "I18";
const HOUR_MS: u64 = 3_600_000;

/// The shard's moments are the twin's, and show the rows that the twin had.
pub fn check(here: &Shards, twin: &Twin, shard: ShardId) -> Check {
    let Some(expected) = twin.shards.get(&shard) else { return Ok(()) };
    for (moment, (position, rows)) in &expected.pins {
        let wrong = |what: String| broken(NAME, format!("shard {shard} at the moment {moment}: {what}"));
        let found = here.replica.pinned(shard, *moment, &[]).ok_or_else(|| wrong("no shard".to_owned()))?;
        let Some(found) = readable(found, expected, *moment).map_err(wrong)? else { continue };
        ensure(found == *position, NAME, || {
            format!("shard {shard} at the moment {moment} is at {found}, the log pinned {position}")
        })?;
        let view = here.views.get(shard).ok_or_else(|| wrong("no view".to_owned()))?;
        let then = view.at(found, *moment).map_err(|error| wrong(error.to_string()))?;
        // A compaction has given rows other names since.
        let seen = unnamed(&picture::of(&then).map_err(wrong)?);
        let rows = unnamed(rows);
        ensure(seen == rows, NAME, || {
            let difference = picture::difference(&seen, &rows);
            format!("shard {shard} at the moment {moment} shows {difference}")
        })?;
    }
    Ok(())
}

/// Rows by what they are and who wrote them.
fn unnamed(rows: &[TwinRow]) -> Vec<TwinRow> {
    let unnamed = |row: &TwinRow| {
        let place = RowRef { segment: SegmentId(0), row: 0, ..row.place };
        TwinRow { place, ..row.clone() }
    };
    let mut rows: Vec<TwinRow> = rows.iter().map(unnamed).collect();
    rows.sort();
    rows
}

/// The position, or none when the refusal is right.
fn readable(
    found: Result<LogPosition, Unreadable>,
    expected: &TwinShard,
    moment: Timestamp,
) -> Result<Option<LogPosition>, String> {
    let is_old = moment.millis() + HOUR_MS <= expected.now.millis();
    match found {
        Ok(_) if is_old => Err("it should have ended".to_owned()),
        Ok(position) => Ok(Some(position)),
        Err(Unreadable::Ended) if is_old => Ok(None),
        Err(Unreadable::PartitionDropped(id)) if expected.closed_partitions.contains(&id) => Ok(None),
        Err(why) => Err(format!("refused: {why:?}")),
    }
}
