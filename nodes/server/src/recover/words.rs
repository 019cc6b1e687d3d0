//! What a survey says to the person who decides.

use super::{Recovery, Surveyed};
use std::collections::BTreeSet;
use std::fmt;
use vecraft_types::{GroupId, LogPosition, NodeId};

impl Surveyed {
    /// What the replica counts for, and who else does.
    fn words(&self) -> String {
        let own = match () {
            () if self.members.voters.contains_key(&self.at.replica) => "a voter",
            () if self.members.learners.contains_key(&self.at.replica) => "only a follower, it may lack much",
            () => "no member, it may lack much",
        };
        let voters: BTreeSet<NodeId> = self.members.voters.values().copied().collect();
        let voters: Vec<String> = voters.iter().map(ToString::to_string).collect();
        let name = if self.group == GroupId::META { " (metastore)" } else { "" };
        let (term, LogPosition(last)) = self.last;
        let missing = self.missing().map_or_else(String::new, |missing| {
            format!(
                ";\n    INCOMPLETE: a copy up to entry {} was being fetched: at least {missing} entries are missing here",
                last + missing
            )
        });
        format!(
            "  group {}{name}: voters on node {}; here up to term {term} entry {last}, {own}{missing}",
            self.group,
            voters.join(", "),
        )
    }

    /// How many entries are known to be missing: another node had them, and their copy had not arrived.
    fn missing(&self) -> Option<u64> {
        let fetching = self.fetching?.0;
        fetching.checked_sub(self.last.1.0).filter(|missing| *missing > 0)
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<String> = self.others.iter().map(ToString::to_string).collect();
        writeln!(
            f,
            "Node {} of cluster {} holds {} collections.",
            self.identity.node,
            self.cluster_id(),
            self.collections
        )?;
        writeln!(f, "Each of these groups would be forced to this node as its only member:")?;
        for surveyed in &self.groups {
            writeln!(f, "{}", surveyed.words())?;
        }
        let amended = self.amended();
        if !amended.is_empty() {
            writeln!(f, "The catalogue on this node is newer than these groups:")?;
            for what in amended {
                writeln!(f, "  {what}")?;
            }
        }
        writeln!(f, "\nWHAT THIS MEANS")?;
        let incomplete = self.groups.iter().filter(|surveyed| surveyed.missing().is_some());
        let incomplete: Vec<String> = incomplete.map(|surveyed| surveyed.group.to_string()).collect();
        if !incomplete.is_empty() {
            writeln!(
                f,
                "  THIS NODE IS THE WORST CHOICE: its copies of group {} were still on their way. Take any other node that is",
                incomplete.join(", ")
            )?;
            writeln!(
                f,
                "  left, whatever terms and entries it shows. Here most rows of those groups may be LOST."
            )?;
        }
        writeln!(
            f,
            "  Acknowledged writes that only the other nodes have are LOST, and nobody can say how many."
        )?;
        writeln!(f, "  Writes that were never acknowledged, and are in this node's log, become valid.")?;
        if !others.is_empty() {
            writeln!(f, "  Removed for ever: node {}. Their ids are never used again.", others.join(", "))?;
        }
        writeln!(
            f,
            "  The cluster gets a new id, so that no old node can speak to this one. If the old nodes start again"
        )?;
        writeln!(
            f,
            "  all the same, and are a majority, the OLD cluster serves beside the new one: empty their disks first."
        )?;
        write!(
            f,
            "  If any of them can be brought back with its directory, bring it back instead of doing this."
        )
    }
}
