//! What happened, as one number to compare and a few lines to read.

use std::collections::VecDeque;
use std::fmt;

/// Events kept for a failure's message.
const TAIL: usize = 40;

/// A running hash, FNV-1a: the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Takes in bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.feed(text.as_bytes());
        Ok(())
    }
}

/// The events of one life of a seed.
#[derive(Debug, Default)]
pub struct Trace {
    hash: Hash,
    events: u64,
    tail: VecDeque<String>,
}

impl Trace {
    /// Notes an event. Its text is part of the hash, so it must not depend on addresses or hash seeds.
    pub fn note(&mut self, event: String) {
        self.hash.feed(event.as_bytes());
        self.hash.feed(b"\n");
        self.events += 1;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(event);
    }

    /// Stands for everything that happened.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The last events, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
