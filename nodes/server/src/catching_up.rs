//! Which groups' replicas have not caught up since this node's start: what it lacked while it was away it fetches, row by
//! row or as a copy of files, and until then the group rests on the others. Whoever restarts one node after another has to
//! wait for that, and `/healthz` is what scripts wait for.

use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vecraft_raft_host::Group;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::GroupId;

/// For one look whether what the leader had is here.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// After a look that failed: nobody leads, or too much is still missing.
const AGAIN: Duration = Duration::from_millis(200);

/// The groups of a start that have not caught up yet.
#[derive(Clone, Debug, Default)]
pub struct CatchingUp(Arc<Mutex<BTreeSet<GroupId>>>);

impl CatchingUp {
    /// Watches these groups until each has everything that was acknowledged when it was asked, or has ended.
    pub fn watch(groups: Vec<Group>, shutdown: &Shutdown) -> CatchingUp {
        let lacking = CatchingUp(Arc::new(Mutex::new(groups.iter().map(Group::id).collect())));
        for group in groups {
            let (lacking, shutdown) = (lacking.clone(), shutdown.clone());
            tokio::spawn(async move {
                let watching = async {
                    // A replica out of service is told of by itself.
                    let _ = futures::future::select(caught_up(&group).boxed(), group.ended().boxed()).await;
                };
                let _ = shutdown.unless_triggered(watching).await;
                lacking.0.lock().remove(&group.id());
            });
        }
        lacking
    }

    /// A line, when there are any.
    pub fn reason(&self) -> Option<String> {
        let lacking = self.0.lock();
        let groups: Vec<String> = lacking.iter().map(ToString::to_string).collect();
        let more = if groups.len() == 1 { "group" } else { "groups" };
        (!groups.is_empty()).then(|| {
            format!(
                "catching up with {more} {} since the start: the others serve meanwhile",
                groups.join(", ")
            )
        })
    }
}

/// Returns once the replica shows what the group had when it was asked.
async fn caught_up(group: &Group) {
    loop {
        if let Ok(at) = group.read_index().await
            && group.wait_published(at, LOOK_MAX).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
