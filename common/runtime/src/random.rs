//! Randomness, as an argument.
//!
//! Ids that must never collide (cluster id, client id, I1 and I10) come from the operating system; a
//! simulation passes a seeded twin, so that a seed brings a failure back. Inner loops that want fast
//! pseudo-random numbers (index levels) take a seed from here and run their own generator.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{
    RngCore, SeedableRng,
    rngs::{OsRng, StdRng},
};

/// A source of random numbers. Two implementations: [`OsRandom`] and [`SeededRandom`].
pub trait Random: Send + Sync + 'static {
    /// 64 uniformly random bits.
    fn next_u64(&self) -> u64;

    /// 128 uniformly random bits, for ids that nobody else may draw.
    fn next_u128(&self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl OsRandom {
    /// As a trait object, the form in which it is passed around.
    pub fn shared() -> Arc<dyn Random> {
        Arc::new(Self)
    }
}

impl Random for OsRandom {
    /// # Panics
    /// When the operating system has no random numbers to give: no id can be made then, and going on
    /// with a predictable one would be worse.
    fn next_u64(&self) -> u64 {
        rand::rand_core::UnwrapErr(OsRng).next_u64()
    }
}

/// The seeded twin: the same seed gives the same numbers in the same order. Clones share the sequence.
#[derive(Debug, Clone)]
pub struct SeededRandom {
    generator: Arc<Mutex<StdRng>>,
}

impl SeededRandom {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self { generator: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))) }
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        self.generator.lock().next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_brings_the_sequence_back() {
        let draw = |seed| {
            let random = SeededRandom::new(seed);
            (random.next_u64(), random.next_u128(), random.next_u64())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_os_does_not_repeat_itself() {
        assert_ne!(OsRandom.next_u128(), OsRandom.next_u128());
    }
}
