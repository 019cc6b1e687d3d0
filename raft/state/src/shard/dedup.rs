//! Recognising retries (I10).

use super::ShardReply;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use vecraft_types::{ClientId, RequestId};

/// Answers kept a shard.
const ANSWERS_MAX: usize = 8_192;
/// Clients whose floor is kept a shard. The one that is forgotten had no answer leave the window while 4,096 others had:
/// for a retry of its to be taken for new, so many processes must write into one shard while a single request waits.
const CLIENTS_MAX: usize = 4_096;

/// The last answers of a shard, by request.
///
/// ```text
/// sequence <= floor(client): outcome unknown, never applied
/// otherwise: in the window -> the same answer again; not in it -> new
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DedupWindow {
    answers: BTreeMap<RequestId, ShardReply>,
    order: VecDeque<RequestId>,
    floors: BTreeMap<ClientId, u64>,
    /// By when one of a client's answers last left the window, the longest ago first.
    floor_order: VecDeque<ClientId>,
}

/// What the window knows about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: apply it.
    New,
    /// It was answered before.
    Answered(ShardReply),
    /// Too old.
    BelowFloor,
}

impl DedupWindow {
    /// What it knows about a request. Leaders look themselves where a request has many entries and some may be there.
    pub fn look_up(&self, request: &RequestId) -> Seen {
        if let Some(answer) = self.answers.get(request) {
            return Seen::Answered(answer.clone());
        }
        match self.floors.get(&request.client) {
            Some(floor) if request.sequence <= *floor => Seen::BelowFloor,
            _ => Seen::New,
        }
    }

    pub(super) fn record(&mut self, request: RequestId, answer: ShardReply) {
        if self.answers.insert(request, answer).is_none() {
            self.order.push_back(request);
        }
        while self.order.len() > ANSWERS_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.answers.remove(&oldest);
            self.raise_floor(oldest);
        }
    }

    fn raise_floor(&mut self, request: RequestId) {
        let client = request.client;
        let floor = self.floors.entry(client).or_default();
        *floor = (*floor).max(request.sequence);
        // Who came first is not who is gone. Found from the back: those who write much are there.
        if let Some(place) = self.floor_order.iter().rposition(|known| *known == client) {
            self.floor_order.remove(place);
        }
        self.floor_order.push_back(client);
        while self.floor_order.len() > CLIENTS_MAX {
            if let Some(client) = self.floor_order.pop_front() {
                self.floors.remove(&client);
            }
        }
    }

    /// Answers kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// True when nothing was answered yet.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}
