//! The network between simulated nodes: what is lost, late, overtaken or cut off.
//!
//! Below the product's own dialling, handshake, lanes and frames; in the place of TCP. A connection is two byte pipes
//! with a [`carrier`] each, which takes the stream apart into frames and decides the fate of every one. As with TCP, what
//! follows a lost frame on its connection does not arrive either, and nothing on a connection overtakes; frames of the two
//! lanes of a pair, of questions and answers, and of an old connection and its successor do.

mod carrier;
mod files;
mod roads;

pub use files::WiredFiles;
pub use roads::WiredRoads;

use super::bug::Bug;
use crate::rng::Rng;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use vecraft_rpc::files::GroupFiles;
use vecraft_rpc::peer::PeerStream;

/// What becomes of frames where nothing is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Frames lost, per thousand.
    pub loss: u64,
    /// Microseconds on the way, at least and at most.
    pub delay_us: (u64, u64),
    /// Frames that are twenty times as late, and all behind them, in percent.
    pub late: u64,
}

impl Weather {
    /// The same, but every frame arrives. Each loss ends a connection, half of them without a word: a network that goes
    /// on so is trouble, of which nobody can say how soon a follower catches up.
    pub fn without_loss(self) -> Weather {
        Weather { loss: 0, ..self }
    }
}

/// The network. Clones are the same.
#[derive(Clone)]
pub struct Net(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    bug: Option<Bug>,
    weather: Weather,
    /// From, to: nothing passes.
    cuts: BTreeSet<(u64, u64)>,
    /// Who listens: a node's life and where its connections go.
    doors: BTreeMap<u64, (u64, mpsc::UnboundedSender<PeerStream>)>,
    files: BTreeMap<u64, Arc<dyn GroupFiles>>,
    /// Carriers of a connection, with both its ends.
    connections: Vec<(u64, u64, AbortHandle)>,
    /// When a question of the second last reached the first.
    heard: BTreeMap<(u64, u64), Instant>,
    frames: u64,
}

/// What happens to a frame.
enum Fate {
    Lost,
    /// The connection breaks, and both ends know.
    Breaks,
    Arrives {
        after: Duration,
    },
}

impl Net {
    /// A network in which everybody reaches everybody.
    pub fn new(rng: Rng, bug: Option<Bug>, weather: Weather) -> Net {
        Net(Arc::new(Mutex::new(State {
            rng,
            bug,
            weather,
            cuts: BTreeSet::new(),
            doors: BTreeMap::new(),
            files: BTreeMap::new(),
            connections: Vec::new(),
            heard: BTreeMap::new(),
            frames: 0,
        })))
    }

    /// Another weather from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.0.lock().weather = weather;
    }

    /// Cuts one direction.
    pub fn cut(&self, from: u64, to: u64) {
        self.0.lock().cuts.insert((from, to));
    }

    /// Mends everything.
    pub fn mend(&self) {
        self.0.lock().cuts.clear();
    }

    /// A node listens from now on: connections to it, and its files.
    pub fn open(
        &self,
        node: u64,
        life: u64,
        files: Arc<dyn GroupFiles>,
    ) -> mpsc::UnboundedReceiver<PeerStream> {
        let (door, accepted) = mpsc::unbounded_channel();
        let mut state = self.0.lock();
        state.doors.insert(node, (life, door));
        state.files.insert(node, files);
        accepted
    }

    /// A node is dead: its connections break.
    pub fn close(&self, node: u64) {
        let mut state = self.0.lock();
        state.doors.remove(&node);
        state.files.remove(&node);
        state.connections.retain(|(from, to, carrier)| {
            let is_its = *from == node || *to == node;
            if is_its {
                carrier.abort();
            }
            !is_its && !carrier.is_finished()
        });
    }

    /// How long ago `node` heard a question of `other`.
    pub fn heard_ago(&self, node: u64, other: u64) -> Option<Duration> {
        self.0.lock().heard.get(&(node, other)).map(Instant::elapsed)
    }

    /// Frames that were sent.
    pub fn frames(&self) -> u64 {
        self.0.lock().frames
    }

    fn fate(&self, from: u64, to: u64) -> Fate {
        let mut state = self.0.lock();
        state.frames += 1;
        let weather = state.weather;
        if state.cuts.contains(&(from, to)) {
            return Fate::Lost;
        }
        if state.rng.below(1_000) < weather.loss {
            return if state.rng.chance(50) { Fate::Lost } else { Fate::Breaks };
        }
        let mut after = state.rng.between(weather.delay_us.0, weather.delay_us.1);
        if state.rng.chance(weather.late) {
            after += state.rng.below(20 * weather.delay_us.1 + 1);
        }
        Fate::Arrives { after: Duration::from_micros(after) }
    }
}
