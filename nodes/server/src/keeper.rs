//! Keeps this node's replicas of the pool as the metastore wants them: starts those that are wanted and not here, and
//! removes those that are here and wanted no more.
//!
//! ```text
//! wanted, nothing here ────────────────> written down, started, waits for its group's leader (I1: a new id each time)
//! here, wanted no more ── its group's leader proves that it is no member ──> stopped, log, records, files removed
//! ```
//! A replica that left service only because the disk was full is begun again once there is room (P6); what is damaged or
//! differs from its group is not (I22, I24).
//!
//! The metastore alone does not decide a removal: this node's copy of it may be old, and a replica that still counts
//! must not lose what it acknowledged. What fails is tried again.

use crate::Error;
use crate::data_role::{Role, wanted_here};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_coordinator::Metastore;
use vecraft_coordinator::placement::Hosts;
use vecraft_raft_host::Birth;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::{Code, GroupId, ReplicaId};

/// After a round that left something undone.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether a replica that a full disk stopped may begin again, and between two tries.
const ROOM_LOOK: Duration = Duration::from_secs(10);

/// See the [module](self).
pub struct Keeper {
    role: Arc<Role>,
    metastore: Metastore,
    hosts: Hosts,
    /// Groups whose replica of this id was started in this life of the process, or is out of service with the reason.
    begun: BTreeSet<(GroupId, ReplicaId)>,
    /// When those that a full disk stopped were last begun again.
    room_tried: Option<Instant>,
}

impl Keeper {
    /// `role` has started what was here.
    pub fn new(role: Arc<Role>, metastore: Metastore, hosts: Hosts) -> Keeper {
        Keeper { role, metastore, hosts, begun: BTreeSet::new(), room_tried: None }
    }

    /// Runs until shutdown; sleeps while nothing changes.
    ///
    /// # Errors
    /// None; the type is what background tasks return.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Infallible> {
        let mut placed = self.metastore.placed();
        let (wanted, _) = wanted_here(&self.metastore, self.role.node);
        let here = self.role.here().unwrap_or_default();
        let begun = wanted.into_iter().map(|(group, (replica, _))| (group, replica));
        self.begun = begun.filter(|(group, replica)| here.get(group) == Some(replica)).collect();
        let mut pause = AGAIN;
        loop {
            placed.mark_unchanged();
            let Some(round) = shutdown.unless_triggered(self.round()).await else { return Ok(()) };
            let is_done = round.unwrap_or_else(|error| {
                tracing::warn!(%error, "this node's replicas are not as wanted yet");
                false
            });
            let now = pause;
            let wake = async {
                match is_done {
                    // An error means that the metastore has ended, and the node with it.
                    true => tokio::select! {
                        changed = placed.changed() => drop(changed),
                        () = room_for(&self.role) => {}
                    },
                    false => tokio::select! {
                        () = tokio::time::sleep(now) => {}
                        changed = placed.changed() => drop(changed),
                    },
                }
            };
            pause = if is_done { AGAIN } else { (pause * 2).min(AGAIN_MAX) };
            if shutdown.unless_triggered(wake).await.is_none() {
                return Ok(());
            }
        }
    }

    /// One look; true when everything is as wanted.
    async fn round(&mut self) -> Result<bool, Error> {
        let mut is_done = true;
        let (wanted, _) = wanted_here(&self.metastore, self.role.node);
        for (group, replica) in self.role.here()? {
            if wanted.get(&group).is_some_and(|(own, _)| *own == replica) {
                continue;
            }
            match self.is_let_go(group, replica).await {
                Ok(true) => {
                    self.role.end(group, replica).await?;
                    self.begun.remove(&(group, replica));
                }
                Ok(false) => is_done = false,
                Err(error) => {
                    tracing::debug!(%group, %replica, %error, "cannot tell yet whether a replica may go");
                    is_done = false;
                }
            }
        }
        let (wanted, _) = wanted_here(&self.metastore, self.role.node);
        let here = self.role.here()?;
        // Another replica's records are here: those go first.
        let is_free = |group, replica| here.get(&group).is_none_or(|other| *other == replica);
        let wanted = wanted.into_iter().map(|(group, (replica, _))| (group, replica));
        let wanted = wanted.filter(|(group, replica)| is_free(*group, *replica)).collect();
        if self.room_tried.is_none_or(|tried| tried.elapsed() >= ROOM_LOOK) {
            let again = self.role.data.may_begin_again();
            if has_not_begun(&mut self.begun, &again) {
                self.room_tried = Some(Instant::now());
            }
        }
        let role = &self.role;
        let begin = |group, replica| role.begin(group, replica, Birth::Join);
        Ok(begin_missing(&mut self.begun, wanted, begin).await && is_done)
    }

    /// Whether the committed members of the group, as its proven leader has them, lack the replica.
    async fn is_let_go(&self, group: GroupId, replica: ReplicaId) -> vecraft_types::Result<bool> {
        self.metastore.catch_up().await?;
        let holders: Vec<_> = self.metastore.read(|state| {
            let row = state.root().groups.get(&group);
            row.map(|row| row.replicas.values().copied().collect()).unwrap_or_default()
        });
        let mut failed =
            vecraft_types::Error::new(Code::ReplicaUnavailable, "nobody holds it").with("group", group);
        for holder in holders.into_iter().filter(|node| *node != self.role.node) {
            let asked = async {
                let nobody =
                    || vecraft_types::Error::new(Code::ReplicaUnavailable, "no leader").with("group", group);
                let leader = (self.hosts)(holder).leader(group).await?.ok_or_else(nobody)?;
                (self.hosts)(leader).led(group).await
            };
            match asked.await {
                Ok(report) => {
                    let is_member =
                        report.voters.contains_key(&replica) || report.learners.contains_key(&replica);
                    return Ok(report.is_committed && !is_member);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// Returns when the disk has room for a replica that a full one stopped.
async fn room_for(role: &Role) {
    loop {
        tokio::time::sleep(ROOM_LOOK).await;
        if !role.data.may_begin_again().is_empty() {
            return;
        }
    }
}

/// Takes note that the replicas of these groups have to begin again; false when there is none.
fn has_not_begun(begun: &mut BTreeSet<(GroupId, ReplicaId)>, again: &[GroupId]) -> bool {
    let before = begun.len();
    begun.retain(|(group, _)| !again.contains(group));
    begun.len() < before
}

/// Begins the replicas that have not begun; true when all have. One that fails does not keep the others from it, and is
/// begun again in the next round.
async fn begin_missing<F: Future<Output = Result<(), Error>>>(
    begun: &mut BTreeSet<(GroupId, ReplicaId)>,
    wanted: Vec<(GroupId, ReplicaId)>,
    begin: impl Fn(GroupId, ReplicaId) -> F,
) -> bool {
    let mut is_done = true;
    for (group, replica) in wanted {
        if begun.contains(&(group, replica)) {
            continue;
        }
        tracing::info!(%group, %replica, "a replica begins here");
        match begin(group, replica).await {
            Ok(()) => {
                begun.insert((group, replica));
            }
            Err(error) => {
                tracing::warn!(%group, %replica, %error, "a replica could not begin; trying again");
                is_done = false;
            }
        }
    }
    is_done
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[tokio::test]
    async fn a_replica_that_could_not_begin_is_begun_in_the_next_round_and_keeps_no_other_from_it() {
        let (one, two) = ((GroupId(1), ReplicaId(4)), (GroupId(2), ReplicaId(5)));
        let tried = Mutex::new(Vec::new());
        let begin = |group, replica| {
            let mut tried = tried.lock();
            tried.push((group, replica));
            let is_first = tried.len() == 1;
            async move {
                match is_first {
                    true => Err(Error::Other { what: "storage", why: "once".to_owned() }),
                    false => Ok(()),
                }
            }
        };
        let mut begun = BTreeSet::new();
        let mut rounds = Vec::new();
        for _ in 0..3 {
            rounds.push(begin_missing(&mut begun, vec![one, two], begin).await);
        }
        assert_eq!(rounds, [false, true, true]);
        assert_eq!(*tried.lock(), [one, two, one]);
        // P6: a full disk stopped the second one, and has room again.
        assert!(!has_not_begun(&mut begun, &[]));
        assert!(has_not_begun(&mut begun, &[two.0]));
        assert!(begin_missing(&mut begun, vec![one, two], begin).await);
        assert_eq!(*tried.lock(), [one, two, one, two]);
    }
}
