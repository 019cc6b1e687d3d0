//! Reads on any replica: up to where they must see, and waiting until this replica shows that much.

use crate::state_machine::Published;
use crate::{Error, Group};
use std::time::Duration;
use vecraft_types::LogPosition;

/// A read that waits for so long asks again whether there is a leader. Longer than a replica that follows lags.
const LOOK: Duration = Duration::from_secs(2);

impl Group {
    /// A position that includes everything acknowledged before the call (I16), on any replica: one that does not lead
    /// asks the leader. Wait until it is published, then load the view.
    ///
    /// # Errors
    /// [`Error::NotLeader`] when there is none or it lost its majority, [`Error::Unreachable`] also when this replica's own
    /// core stands at a disk that hangs, [`Error::Stopped`]. One of them, or the position, comes within seconds.
    pub async fn read_index(&self) -> Result<LogPosition, Error> {
        self.read_index.get().await
    }

    /// Returns once the views of this replica include `at` (I15).
    ///
    /// # Errors
    /// [`Error::Lagging`] when the deadline passes first, [`Error::Stopped`]; and those of [`Group::read_index`] when it takes
    /// long and nobody leads any more: what this replica lacks comes from a leader.
    pub async fn wait_published(&self, at: LogPosition, deadline: Duration) -> Result<(), Error> {
        let is_there = |now: &Published| now.at >= at && !now.is_closed;
        if is_there(&self.published.borrow()) {
            return Ok(());
        }
        let mut published = self.published.clone();
        let waited = async {
            tokio::select! {
                biased;
                seen = published.wait_for(is_there) => seen.map(drop).map_err(|_| self.machine_ended()),
                error = self.not_led() => Err(error),
            }
        };
        let lagging = |_| Error::Lagging { group: self.id, published: self.published(), wanted: at };
        tokio::time::timeout(deadline, waited).await.map_err(lagging)?
    }

    /// The position that this replica's views include.
    pub fn published(&self) -> LogPosition {
        self.published.borrow().at
    }

    /// Returns once nobody leads the group, of whom this replica could hear.
    async fn not_led(&self) -> Error {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.read_index().await {
                return error;
            }
        }
    }

    fn machine_ended(&self) -> Error {
        Error::Stopped { group: self.id, reason: "its machine has ended".into() }
    }
}
