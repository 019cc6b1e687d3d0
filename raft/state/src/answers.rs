//! Recognising retries (I10): the last answers of a state machine, by request.
//!
//! What it does not do: it decides nothing about what is answered, and which refusals are worth remembering is the machine's.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use vecraft_types::{ClientId, RequestId};

/// The last `ANSWERS` answers, and below which request of each of `CLIENTS` clients there were others.
///
/// ```text
/// sequence <= floor(client): outcome unknown, never applied
/// otherwise: in the window -> the same answer again; not in it -> new
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerWindow<A, const ANSWERS: usize, const CLIENTS: usize> {
    answers: BTreeMap<RequestId, A>,
    order: VecDeque<RequestId>,
    floors: BTreeMap<ClientId, u64>,
    /// By when one of a client's answers last left the window, the longest ago first.
    floor_order: VecDeque<ClientId>,
}

impl<A, const ANSWERS: usize, const CLIENTS: usize> Default for AnswerWindow<A, ANSWERS, CLIENTS> {
    fn default() -> Self {
        AnswerWindow {
            answers: BTreeMap::new(),
            order: VecDeque::new(),
            floors: BTreeMap::new(),
            floor_order: VecDeque::new(),
        }
    }
}

/// What the window knows about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<A> {
    /// Nothing: apply it.
    New,
    /// It was answered before.
    Answered(A),
    /// Too old.
    BelowFloor,
}

impl<A: Clone, const ANSWERS: usize, const CLIENTS: usize> AnswerWindow<A, ANSWERS, CLIENTS> {
    /// What it knows about a request. Leaders look themselves where a request has many entries and some may be there.
    pub fn look_up(&self, request: &RequestId) -> Seen<A> {
        if let Some(answer) = self.answers.get(request) {
            return Seen::Answered(answer.clone());
        }
        match self.floors.get(&request.client) {
            Some(floor) if request.sequence <= *floor => Seen::BelowFloor,
            _ => Seen::New,
        }
    }

    pub(crate) fn record(&mut self, request: RequestId, answer: A) {
        if self.answers.insert(request, answer).is_none() {
            self.order.push_back(request);
        }
        while self.order.len() > ANSWERS {
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
        while self.floor_order.len() > CLIENTS {
            if let Some(client) = self.floor_order.pop_front() {
                self.floors.remove(&client);
            }
        }
    }

    /// Answers kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Memory that it takes, about, what answers point to left out (I21).
    pub fn bytes(&self) -> usize {
        // Each request stands in the map and in the order; a map's nodes are half full at worst and three quarters as a rule.
        let answer = (size_of::<RequestId>() + size_of::<A>()) * 4 / 3 + size_of::<RequestId>();
        let floor = (size_of::<ClientId>() + size_of::<u64>()) * 4 / 3 + size_of::<ClientId>();
        self.answers.len() * answer + self.floors.len() * floor
    }

    /// True when nothing was answered yet.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}
