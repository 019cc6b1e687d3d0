//! What a machine gives: hosts of their own, disks of their own. What it does not give is skipped and counted.

use super::disks::Disk;
use super::network::Network;
use super::plan::{Fault, Need};
use crate::Trouble;
use std::collections::BTreeMap;
use std::path::Path;

/// What was made for the nodes of a run.
pub struct Ground {
    /// Hosts, or why there are none.
    pub network: Result<Network, Trouble>,
    /// Filesystems by node, or why there are none.
    pub disks: Result<Vec<Disk>, Trouble>,
}

impl Ground {
    /// Makes what these faults need; what they do not need is left away, for it would only cost.
    pub fn make(dir: &Path, count: usize, faults: &[Fault], entered: &Result<(), Trouble>) -> Ground {
        let needs = |some: &[Need]| faults.iter().any(|fault| some.contains(&fault.needs()));
        let unasked = || "no chosen fault needs it".to_owned();
        let network = match needs(&[Need::Network, Need::Bandwidth]) {
            true => entered.clone().and_then(|()| Network::make(count)),
            false => Err(unasked()),
        };
        let disks = match needs(&[Need::Disks]) {
            true => entered.clone().and_then(|()| {
                (1..=count).map(|number| Disk::make(&dir.join(format!("disk-{number}")))).collect()
            }),
            false => Err(unasked()),
        };
        Ground { network, disks }
    }

    /// Why a fault cannot happen here; `None`: it can.
    pub fn lacks(&self, fault: Fault) -> Option<Trouble> {
        match fault.needs() {
            Need::Processes => None,
            Need::Network => self.network.as_ref().err().cloned(),
            Need::Bandwidth => match &self.network {
                Ok(network) => network.can_limit.as_ref().err().cloned(),
                Err(why) => Some(why.clone()),
            },
            Need::Disks => self.disks.as_ref().err().cloned(),
        }
    }

    /// Parts the chosen faults into those that can happen here, and those that are skipped with the reason.
    pub fn part(&self, faults: &[Fault]) -> (Vec<Fault>, BTreeMap<String, Trouble>) {
        let (mut possible, mut skipped) = (Vec::new(), BTreeMap::new());
        for fault in faults {
            match self.lacks(*fault) {
                None => possible.push(*fault),
                Some(why) => _ = skipped.insert(fault.name(), why),
            }
        }
        (possible, skipped)
    }
}
