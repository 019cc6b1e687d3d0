//! What the answers of a group's replicas say about this one (I22). Pure.

use std::collections::{BTreeMap, BTreeSet};
use vecraft_rpc::services::GroupDigest;
use vecraft_types::{LogPosition, NodeId, SegmentId, ShardId};

/// What a comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A majority of the voters holds the same, and this replica too. `strangers` hold something else.
    Agreed { upto: Option<LogPosition>, strangers: BTreeSet<NodeId> },
    /// A majority holds the same, and this replica something else: it must leave service.
    Differs { what: String },
    /// Everybody answered and no majority holds the same: nobody may be trusted more than another.
    NoMajority { what: String },
    /// Too few have got as far, or answered.
    NotYet,
}

/// One replica's value of something.
type Votes = BTreeMap<NodeId, u64>;

/// Judges the replica on `own` by its answer and those of the other voters; `voters` counts all of them, this one
/// included.
pub fn judge(
    own: NodeId,
    mine: &GroupDigest,
    others: &BTreeMap<NodeId, GroupDigest>,
    voters: usize,
) -> Verdict {
    let majority = voters / 2 + 1;
    let mut strangers = BTreeSet::new();
    let mut upto = None;
    if let Some((position, votes)) = newest_common(own, mine, others, majority) {
        match count(own, &votes, voters) {
            Counted::Agreed(others) => strangers.extend(others),
            Counted::Alone => {
                return differs(format!("its hash at entry {position} is not that of the majority"));
            }
            Counted::Torn => return torn(format!("hashes at entry {position} {votes:x?}")),
            Counted::Open => return Verdict::NotYet,
        }
        upto = Some(position);
    }
    for (file, votes) in files(own, mine, others) {
        let (shard, segment) = file;
        match count(own, &votes, voters) {
            Counted::Agreed(others) => strangers.extend(others),
            Counted::Alone => {
                let what =
                    format!("its file of segment {segment} of shard {shard} is not that of the majority");
                return differs(what);
            }
            Counted::Torn => return torn(format!("files of segment {segment} of shard {shard} {votes:x?}")),
            // Not durable on enough of them yet.
            Counted::Open => {}
        }
    }
    match upto {
        None if strangers.is_empty() => Verdict::NotYet,
        upto => Verdict::Agreed { upto, strangers },
    }
}

fn differs(what: String) -> Verdict {
    Verdict::Differs { what }
}

fn torn(what: String) -> Verdict {
    Verdict::NoMajority { what }
}

/// The newest mark that this replica and a majority have.
fn newest_common(
    own: NodeId,
    mine: &GroupDigest,
    others: &BTreeMap<NodeId, GroupDigest>,
    majority: usize,
) -> Option<(LogPosition, Votes)> {
    mine.marks.iter().rev().find_map(|(position, value)| {
        let theirs = others.iter().filter_map(|(node, digest)| {
            let mark = digest.marks.iter().find(|(at, _)| at == position)?;
            Some((*node, mark.1))
        });
        let mut votes: Votes = theirs.collect();
        votes.insert(own, *value);
        (votes.len() >= majority).then_some((*position, votes))
    })
}

/// The files that this replica and another have.
fn files(
    own: NodeId,
    mine: &GroupDigest,
    others: &BTreeMap<NodeId, GroupDigest>,
) -> BTreeMap<(ShardId, SegmentId), Votes> {
    let mut all: BTreeMap<_, Votes> = BTreeMap::new();
    for (shard, segment, checksum) in &mine.files {
        all.entry((*shard, *segment)).or_default().insert(own, *checksum);
    }
    for (node, digest) in others {
        for (shard, segment, checksum) in &digest.files {
            if let Some(votes) = all.get_mut(&(*shard, *segment)) {
                votes.insert(*node, *checksum);
            }
        }
    }
    all
}

enum Counted {
    /// With the majority; these are not.
    Agreed(Vec<NodeId>),
    Alone,
    /// All have voted, none has a majority.
    Torn,
    Open,
}

fn count(own: NodeId, votes: &Votes, voters: usize) -> Counted {
    let mut by_value: BTreeMap<u64, usize> = BTreeMap::new();
    for value in votes.values() {
        *by_value.entry(*value).or_default() += 1;
    }
    let winner = by_value.iter().find(|(_, count)| **count > voters / 2).map(|(value, _)| *value);
    match winner {
        Some(value) if votes.get(&own) == Some(&value) => Counted::Agreed(
            votes.iter().filter(|(_, other)| **other != value).map(|(node, _)| *node).collect(),
        ),
        Some(_) => Counted::Alone,
        None if votes.len() >= voters => Counted::Torn,
        None => Counted::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecraft_types::CollectionId;

    const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };

    fn digest(marks: &[(u64, u64)], files: &[(u64, u64)]) -> GroupDigest {
        GroupDigest {
            marks: marks.iter().map(|(at, value)| (LogPosition(*at), *value)).collect(),
            files: files.iter().map(|(segment, sum)| (SHARD, SegmentId(*segment), *sum)).collect(),
        }
    }

    fn judged(mine: GroupDigest, others: &[GroupDigest]) -> Verdict {
        let others = (2..).map(NodeId).zip(others.iter().cloned()).collect();
        judge(NodeId(1), &mine, &others, 3)
    }

    #[test]
    fn i22_the_minority_is_told_apart_at_the_newest_common_mark() {
        let good = || digest(&[(1_024, 7), (2_048, 8)], &[]);
        let behind = digest(&[(1_024, 7)], &[]);
        let agreed = |upto, strangers: &[u64]| Verdict::Agreed {
            upto: Some(LogPosition(upto)),
            strangers: strangers.iter().copied().map(NodeId).collect(),
        };
        assert_eq!(judged(good(), &[good(), good()]), agreed(2_048, &[]));
        // One is behind, or away: two of three are enough.
        assert_eq!(judged(good(), &[good(), behind.clone()]), agreed(2_048, &[]));
        assert_eq!(judged(behind, &[good(), good()]), agreed(1_024, &[]));
        let other = || digest(&[(1_024, 7), (2_048, 9)], &[]);
        assert_eq!(judged(good(), &[good(), other()]), agreed(2_048, &[3]));
        assert!(
            matches!(judged(other(), &[good(), good()]), Verdict::Differs { what } if what.contains("2048"))
        );
    }

    #[test]
    fn i22_without_a_majority_nobody_leaves() {
        let value = |value| digest(&[(1_024, value)], &[]);
        assert!(matches!(judged(value(1), &[value(2), value(3)]), Verdict::NoMajority { .. }));
        // One against one while the third is away: the third decides when it is back.
        assert_eq!(judged(value(1), &[value(2)]), Verdict::NotYet);
        assert_eq!(judged(value(1), &[]), Verdict::NotYet);
        assert_eq!(judged(digest(&[], &[]), &[value(1), value(1)]), Verdict::NotYet);
    }

    #[test]
    fn i22_column_files_are_compared_where_they_are() {
        let with = |files: &[(u64, u64)]| digest(&[(1_024, 1)], files);
        assert!(matches!(judged(with(&[(4, 5)]), &[with(&[]), with(&[])]), Verdict::Agreed { .. }));
        assert!(matches!(
            judged(with(&[(4, 5)]), &[with(&[(4, 6)]), with(&[(4, 6)])]),
            Verdict::Differs { what } if what.contains("segment 4")
        ));
        // Files alone, when the hash is of a program that kept none.
        let files = |sum| digest(&[], &[(4, sum)]);
        let strangers = BTreeSet::from([NodeId(3)]);
        assert_eq!(judged(files(5), &[files(5), files(6)]), Verdict::Agreed { upto: None, strangers });
    }
}
