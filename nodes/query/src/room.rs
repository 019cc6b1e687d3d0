//! Memory for answers that are being gathered (I21).
//!
//! A request of a few bytes can ask for rows of gigabytes. So a read takes room before it gathers anything: for its hits
//! before it searches, for its rows before they are copied. One that asks for more than an answer may have is refused for
//! good; one for which the others have left no room is told to come again.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vecraft_types::{Code, Error, Result};

/// Granularity, in bytes.
const UNIT: u64 = 1 << 10;

/// What all reads of this node may hold together.
#[derive(Debug)]
pub(crate) struct AnswerMemory {
    free: Arc<Semaphore>,
    units: u64,
    /// What the rows of one answer may have.
    reply_bytes_max: u64,
    retry_after_ms: u64,
}

/// Room that one read holds until its answer has left the role.
#[derive(Debug)]
pub(crate) struct AnswerRoom {
    memory: Arc<AnswerMemory>,
    taken: Option<OwnedSemaphorePermit>,
}

impl AnswerMemory {
    pub(crate) fn new(bytes: u64, reply_bytes_max: u64, retry_after_ms: u64) -> AnswerMemory {
        let units = (bytes / UNIT).clamp(1, u64::from(u32::MAX >> 4));
        AnswerMemory {
            free: Arc::new(Semaphore::new(units as usize)),
            units,
            reply_bytes_max,
            retry_after_ms,
        }
    }

    /// No room yet.
    pub(crate) fn room(self: &Arc<Self>) -> AnswerRoom {
        AnswerRoom { memory: self.clone(), taken: None }
    }

    /// Bytes that reads hold now.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.units.saturating_sub(self.free.available_permits() as u64) * UNIT
    }
}

impl AnswerRoom {
    /// Room for what a read remembers of hits before it knows which of them it returns.
    ///
    /// # Errors
    /// [`Code::ParameterTooLarge`] when the node never has so much, [`Code::RateLimited`] when not now.
    pub(crate) fn for_hits(&mut self, bytes: u64) -> Result<()> {
        self.take(bytes, "the hits to be compared")
    }

    /// Room for the rows of an answer.
    ///
    /// # Errors
    /// As [`AnswerRoom::for_hits`], and [`Code::ParameterTooLarge`] for more than one answer may have.
    pub(crate) fn for_rows(&mut self, bytes: u64) -> Result<()> {
        let max = self.memory.reply_bytes_max;
        if bytes > max {
            let text = format!(
                "the answer of this shard would have {bytes} bytes, at most {max} are allowed; ask for fewer rows, \
                 queries or output fields"
            );
            return Err(Error::new(Code::ParameterTooLarge, text));
        }
        self.take(bytes, "the rows of the answer")
    }

    fn take(&mut self, bytes: u64, what: &str) -> Result<()> {
        let units = bytes.div_ceil(UNIT);
        let held = self.taken.as_ref().map_or(0, |taken| taken.num_permits() as u64);
        if held + units > self.memory.units {
            let text = format!(
                "{what} would take {bytes} bytes beside {} of this read, all reads of a node have {} (query.answer_bytes_max); \
                 ask for fewer rows, queries or output fields",
                held * UNIT,
                self.memory.units * UNIT
            );
            return Err(Error::new(Code::ParameterTooLarge, text));
        }
        // At most `units` of the memory, which are fewer than 2^28.
        let taken = self.memory.free.clone().try_acquire_many_owned(units as u32).map_err(|_| {
            let text = format!(
                "{what} would take {bytes} bytes, other reads hold {} of {}",
                self.memory.taken_bytes(),
                self.memory.units * UNIT
            );
            Error::new(Code::RateLimited, text).retry_after(self.memory.retry_after_ms)
        })?;
        match &mut self.taken {
            Some(all) => all.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn i21_reads_share_one_room_and_give_it_back() {
        let memory = Arc::new(AnswerMemory::new(100 << 10, 80 << 10, 50));
        let mut first = memory.room();
        first.for_hits(40 << 10).unwrap();
        first.for_rows(20 << 10).unwrap();
        assert_eq!(memory.taken_bytes(), 60 << 10);
        // Not now, and never.
        let mut second = memory.room();
        let error = second.for_rows(41 << 10).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (Code::RateLimited, Some(50)));
        assert_eq!(second.for_rows(81 << 10).unwrap_err().code, Code::ParameterTooLarge);
        assert_eq!(
            first.for_hits(41 << 10).unwrap_err().code,
            Code::ParameterTooLarge,
            "it could wait for ever"
        );
        drop(first);
        second.for_rows(41 << 10).unwrap();
        drop(second);
        assert_eq!(memory.taken_bytes(), 0);
    }
}
