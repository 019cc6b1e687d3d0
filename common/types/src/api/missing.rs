//! Where a row is that somebody missed among the hits of a search.

use crate::{LogPosition, PrimaryKey, SegmentId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of one key in a search. What is told of its rank is computed by comparing every matching row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyExplanation {
    /// The key.
    #[serde(with = "plain_key")]
    pub key: PrimaryKey,
    /// What became of it.
    pub verdict: KeyVerdict,
    /// The same as a sentence.
    pub words: String,
    /// The number of the shard that owns it.
    pub shard: u32,
    /// The segment that has the row.
    pub segment: Option<SegmentId>,
    /// Its partition.
    pub partition: Option<String>,
    /// Its real place among all matching rows, from 1: rows that are nearer, and of those as near the ones that come first in the fixed
    /// order (shard, segment, row).
    pub rank: Option<u64>,
    /// Its place among the hits, from 1, those that an offset left out included.
    pub place: Option<u64>,
    /// Its score.
    pub score: Option<f32>,
    /// The entry of the shard's log that deleted it.
    pub deleted_at: Option<LogPosition>,
    /// The parts of the filter that are not true of it.
    pub failed: Vec<FailedPart>,
    /// What lost it, and what would find it.
    pub lost: Option<LostByIndex>,
    /// False when rows were written to another shard between the search and the counting of ranks there: the rank may be off by
    /// those.
    pub is_of_one_view: bool,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyVerdict {
    /// It is among the hits.
    Found,
    /// It is nearer than the first hit shown: the offset left it out.
    BeforeOffset,
    /// It matches, and so many rows are nearer that the limit leaves it out.
    BeyondLimit,
    /// Its real rank is within the limit, and the index did not return it.
    LostByIndex,
    /// It matches the filter, and its distance is not in the range asked for.
    OutOfRange,
    /// The filter is not true of it.
    FilteredOut,
    /// It is in a partition that was not searched.
    OtherPartition,
    /// It was written behind what this read shows: a fresher level shows it.
    NotVisibleYet,
    /// It was deleted, or replaced and the new row is not visible.
    Deleted,
    /// There is no row with this key, and none that was deleted lies about still.
    Absent,
}

/// A part of a filter that is not true of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedPart {
    /// The part, as it was planned.
    pub part: String,
    /// Whether it is unknown (a null, or a missing key of a document), and not false.
    pub is_unknown: bool,
}

/// An index that did not return a row that it should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostByIndex {
    /// What the index is.
    pub kind: String,
    /// `ef` or `nprobe`.
    pub parameter: String,
    /// What the search used.
    pub used: u64,
    /// Candidates whose exact distance it took; 0 for an index that goes by exact distances anyway.
    pub refined: u64,
    /// The least of the efforts tried that returns the row.
    pub found_with: Option<u64>,
    /// The efforts tried, the least first; candidates refined rise in the same steps.
    pub tried: Vec<u64>,
}

impl KeyExplanation {
    /// Nothing is known of a key yet.
    pub fn new(key: PrimaryKey, verdict: KeyVerdict) -> KeyExplanation {
        KeyExplanation {
            key,
            verdict,
            words: String::new(),
            shard: 0,
            segment: None,
            partition: None,
            rank: None,
            place: None,
            score: None,
            deleted_at: None,
            failed: Vec::new(),
            lost: None,
            is_of_one_view: true,
        }
    }
}

/// One sentence.
impl fmt::Display for KeyExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rank, score) = (self.rank.unwrap_or(0), self.score.unwrap_or(f32::NAN));
        match self.verdict {
            KeyVerdict::Found => {
                let place = self.place.unwrap_or(0);
                write!(f, "found: hit {place}, real rank {rank}, score {score}")
            }
            KeyVerdict::BeforeOffset => {
                write!(f, "left out by the offset: real rank {rank}, score {score}")
            }
            KeyVerdict::BeyondLimit => {
                write!(f, "beyond the limit: real rank {rank}, score {score}")
            }
            KeyVerdict::LostByIndex => {
                write!(f, "lost by the index: real rank {rank}, score {score}")?;
                self.lost.as_ref().map_or(Ok(()), |lost| write!(f, "; {lost}"))
            }
            KeyVerdict::OutOfRange => write!(f, "out of the range: score {score}"),
            KeyVerdict::FilteredOut => {
                f.write_str("filtered out: ")?;
                for (at, failed) in self.failed.iter().enumerate() {
                    let what = if failed.is_unknown { "unknown" } else { "false" };
                    write!(f, "{}{} is {what}", if at == 0 { "" } else { "; " }, failed.part)?;
                }
                Ok(())
            }
            KeyVerdict::OtherPartition => {
                let partition = self.partition.as_deref().unwrap_or("?");
                write!(f, "in partition {partition}, which was not searched")
            }
            KeyVerdict::NotVisibleYet => f.write_str(
                "written behind what this read shows: ask at a fresher level or for a later moment",
            ),
            KeyVerdict::Deleted => match self.deleted_at {
                Some(at) => write!(f, "deleted by entry {} of the shard's log", at.0),
                None => f.write_str("deleted"),
            },
            KeyVerdict::Absent => {
                f.write_str("no such row: never written, or deleted and cleaned away since")
            }
        }?;
        if self.is_of_one_view { Ok(()) } else { f.write_str(" (other shards were written to meanwhile)") }
    }
}

impl fmt::Display for LostByIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LostByIndex { kind, parameter, used, .. } = self;
        write!(f, "{kind} looked with {parameter} {used}")?;
        match (self.found_with, self.tried.last()) {
            (Some(enough), _) => write!(f, ", {parameter} {enough} finds it"),
            (None, Some(most)) => {
                write!(f, ", and {parameter} {most} does not find it either; recall 1 compares every row")
            }
            (None, None) => Ok(()),
        }
    }
}

/// A key as people write it where people read (JSON), and as it is elsewhere.
mod plain_key {
    use super::PrimaryKey;
    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::fmt;
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(key: &PrimaryKey, to: S) -> Result<S::Ok, S::Error> {
        match key {
            key if !to.is_human_readable() => key.serialize(to),
            PrimaryKey::Int64(key) => to.serialize_i64(*key),
            PrimaryKey::VarChar(key) => to.serialize_str(key),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PrimaryKey, D::Error> {
        if from.is_human_readable() { from.deserialize_any(Plain) } else { PrimaryKey::deserialize(from) }
    }

    struct Plain;

    impl Visitor<'_> for Plain {
        type Value = PrimaryKey;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an int64 or a text")
        }

        fn visit_i64<E: Error>(self, key: i64) -> Result<PrimaryKey, E> {
            Ok(PrimaryKey::Int64(key))
        }

        fn visit_u64<E: Error>(self, key: u64) -> Result<PrimaryKey, E> {
            i64::try_from(key).map(PrimaryKey::Int64).map_err(|_| E::custom("the key does not fit int64"))
        }

        fn visit_str<E: Error>(self, key: &str) -> Result<PrimaryKey, E> {
            Ok(PrimaryKey::VarChar(Arc::from(key)))
        }
    }
}
