//! Connecting.

use super::carrier::{Carrier, Kind};
use super::{Fate, Net};
use futures::future::BoxFuture;
use std::io;
use std::time::Duration;
use vecraft_rpc::peer::{PeerStream, Roads};

/// Bytes on the way in one direction before a writer waits.
const PIPE_BYTES: usize = 1 << 20;
/// A caller that is cut off hears nothing; its own patience ends first.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// The roads that begin at a node.
pub struct WiredRoads {
    /// The network.
    pub net: Net,
    /// The node.
    pub from: u64,
    /// Which of its processes: one that is dead reaches nobody.
    pub life: u64,
}

impl Roads for WiredRoads {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<PeerStream>> {
        Box::pin(async move {
            let to = address.parse().map_err(|_| io::Error::other(format!("{address:?} is no node")))?;
            // There and back again.
            for (from, to) in [(self.from, to), (to, self.from)] {
                match self.net.fate(from, to) {
                    Fate::Breaks => return Err(io::ErrorKind::ConnectionReset.into()),
                    Fate::Lost => tokio::time::sleep(FOR_EVER).await,
                    Fate::Arrives { after } => tokio::time::sleep(after).await,
                }
            }
            self.net.connect((self.from, self.life), to)
        })
    }
}

impl Net {
    fn connect(&self, (from, life): (u64, u64), to: u64) -> io::Result<PeerStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        if self.0.lock().doors.get(&from).is_none_or(|(current, _)| *current != life) {
            return Err(refused());
        }
        let (dialer, near) = tokio::io::duplex(PIPE_BYTES);
        let (far, listener) = tokio::io::duplex(PIPE_BYTES);
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        let calls = std::sync::Arc::default();
        let there = Carrier::new(self.clone(), from, to, Kind::Questions, &calls);
        let back = Carrier::new(self.clone(), to, from, Kind::Answers, &calls);
        let carried = tokio::spawn(async move {
            // A connection ends as one: with whichever direction ends first.
            tokio::select! {
                biased;
                _ = there.carry(near_read, far_write) => {}
                _ = back.carry(far_read, near_write) => {}
            }
        });
        let mut state = self.0.lock();
        let (_, door) = state.doors.get(&to).ok_or_else(refused)?;
        door.send(Box::new(listener)).map_err(|_| refused())?;
        state.connections.push((from, to, carried.abort_handle()));
        Ok(Box::new(dialer))
    }
}
