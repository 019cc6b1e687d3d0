//! All doors of the cluster: those the caller named, and those that the servers told of.
//!
//! ```text
//!            a call ──> nearest doors of the map ──> other doors ──> named ones ──> the first that opens
//!                            ^                            (one that was lately out of reach goes last)
//!  a miss: asked first ──────┤
//!  old or doubted: asked behind the caller's back
//! ```
//! What holds at all times: a door of another cluster than the first one met is never used, whatever address it was told
//! under; with nothing known, every named door is tried in turn.

use crate::door::{Door, Open, ask_topology};
use crate::map::{Aim, Knowledge, Map};
use crate::options::ClientBuilder;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_types::api::{TopologyReply, TopologyRequest};
use vecraft_types::{Code, Error, Result};

/// How long a call waits to hear where a collection is before it goes anywhere.
const ASK_MAX: Duration = Duration::from_millis(500);
/// How long a door may take to open while there are others to try.
const OPEN_MAX: Duration = Duration::from_millis(1_500);
/// How long a server may take to say it before another is asked.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(crate) struct Doors {
    named: Vec<String>,
    timeout: Duration,
    follows_topology: bool,
    cluster: OnceLock<String>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    map: Map,
    doors: BTreeMap<String, Arc<Door>>,
    /// The door of calls that no node is nearer to: the one that opened last for such a call.
    usual: Option<String>,
    /// Counts calls that take turns.
    turn: usize,
}

impl Doors {
    pub(crate) fn new(options: &ClientBuilder) -> Doors {
        Doors {
            named: options.addresses.clone(),
            timeout: options.connect_timeout,
            follows_topology: options.follows_topology,
            cluster: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    /// An open door for a call, the best that can be reached; those in `avoided` only when all others fail,
    /// in their order.
    pub(crate) async fn open(
        self: &Arc<Self>,
        aim: Option<&dyn Aim>,
        avoided: &[String],
    ) -> Result<(Arc<Door>, Open)> {
        if let Some(aim) = aim.filter(|_| self.follows_topology) {
            self.look_up(aim.collection()).await;
        }
        let (door, open) = self.first_of(self.order(aim, avoided)).await?;
        if aim.is_none() {
            self.known.lock().usual = Some(door.address().to_owned());
        }
        Ok((door, open))
    }

    /// Whether a call that one door does not answer has another to go to.
    pub(crate) fn are_several(&self) -> bool {
        self.named.len() > 1 || self.known.lock().map.has_choice()
    }

    /// A call found a collection elsewhere than the map says.
    pub(crate) fn doubt(&self, aim: Option<&dyn Aim>) {
        if let Some(aim) = aim {
            self.known.lock().map.doubt(aim.collection());
        }
    }

    /// Doors in the order in which they are tried.
    fn order(&self, aim: Option<&dyn Aim>, avoided: &[String]) -> Vec<Arc<Door>> {
        let mut known = self.known.lock();
        let mut addresses = Vec::new();
        if let Some(aim) = aim {
            known.turn = known.turn.wrapping_add(1);
            addresses = known.map.nearest(aim, known.turn);
        }
        addresses.extend(known.usual.clone());
        addresses.extend(self.named.iter().cloned());
        addresses.extend(known.map.doors().cloned());
        let mut doors: Vec<Arc<Door>> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if doors.iter().all(|door| door.address() != address) {
                let new = || Arc::new(Door::new(address.clone(), self.follows_topology));
                doors.push(known.doors.entry(address.clone()).or_insert_with(new).clone());
            }
        }
        let failed = |door: &Door| avoided.iter().position(|address| address == door.address());
        doors.sort_by_key(|door| (failed(door).map_or(0, |at| at + 1), door.is_down()));
        doors
    }

    async fn first_of(self: &Arc<Self>, doors: Vec<Arc<Door>>) -> Result<(Arc<Door>, Open)> {
        let mut failures = Vec::new();
        let last = doors.len().saturating_sub(1);
        for (at, door) in doors.into_iter().enumerate() {
            // A node that is cut off answers nothing at all: with others left it gets less time.
            let patience = if at < last { self.timeout.min(OPEN_MAX) } else { self.timeout };
            match door.get(patience, |reply| self.meet(&reply)).await {
                Ok(open) => return Ok((door, open)),
                Err(why) => failures.push(format!("{}: {why}", door.address())),
            }
        }
        Err(Error::new(Code::Unavailable, format!("cannot connect to {}", failures.join(", "))))
    }

    /// Hears from a new connection which cluster it leads into and what other doors there are.
    fn meet(&self, reply: &TopologyReply) -> std::result::Result<(), String> {
        let ours = self.cluster.get_or_init(|| reply.cluster_id.clone());
        if *ours != reply.cluster_id {
            return Err(format!("it leads into cluster {}, not {ours}", reply.cluster_id));
        }
        self.learn_nodes(reply);
        Ok(())
    }

    fn learn_nodes(&self, reply: &TopologyReply) {
        let known = &mut *self.known.lock();
        known.map.learn_nodes(reply);
        let (map, usual) = (&known.map, &known.usual);
        known.doors.retain(|address, _| {
            self.named.contains(address)
                || usual.as_ref() == Some(address)
                || map.doors().any(|door| door == address)
        });
    }

    /// Sees to it that the map has the collection, as far as anybody says.
    async fn look_up(self: &Arc<Self>, collection: &str) {
        let (knowledge, has_choice) = {
            let map = &mut self.known.lock().map;
            (map.knowledge(collection, Instant::now()), map.has_choice())
        };
        match knowledge {
            Knowledge::Enough => {}
            // In a task: a caller that goes away leaves no question without an end.
            Knowledge::None if has_choice => {
                let _ = tokio::time::timeout(ASK_MAX, self.asking(collection)).await;
            }
            Knowledge::None | Knowledge::Old => drop(self.asking(collection)),
        }
    }

    fn asking(self: &Arc<Self>, collection: &str) -> tokio::task::JoinHandle<()> {
        let (doors, collection) = (self.clone(), collection.to_owned());
        tokio::spawn(async move { doors.ask(collection).await })
    }

    async fn ask(self: Arc<Self>, collection: String) {
        let mut answer = None;
        for door in self.order(None, &[]) {
            let Ok(Open { rpc, generation }) = door.get(OPEN_MAX, |reply| self.meet(&reply)).await else {
                continue;
            };
            let request = TopologyRequest { collection: Some(collection.clone()) };
            match ask_topology(&rpc, request, Instant::now() + ANSWER_MAX).await {
                Ok(reply) => {
                    answer = reply.map(|reply| {
                        self.learn_nodes(&reply);
                        reply.collection
                    });
                    break;
                }
                Err(_) => {
                    door.broke(generation).await;
                    door.fell_silent();
                }
            }
        }
        self.known.lock().map.learn_place(&collection, answer, Instant::now());
    }
}
