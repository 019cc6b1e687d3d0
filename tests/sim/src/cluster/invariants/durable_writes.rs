//! P1, durable writes: what was acknowledged is in the logs of a majority, and in the group's one log with the answer
//! that was given.

use crate::cluster::book::{Ack, Known};
use crate::invariants::{Check, broken, ensure};
use std::collections::BTreeMap;
use vecraft_types::LogPosition;

const NAME: &str = "P1";

/// At the moment of the acknowledgement a majority has it.
pub fn majority(ack: &Ack, holders: usize, voters: usize) -> Check {
    ensure(2 * holders > voters, NAME, || {
        format!("{:?} was acknowledged at {} with {holders} of {voters} logs", ack.request, ack.position)
    })
}

/// The entry there is that write, and answers what the client heard.
pub fn in_the_log(ack: &Ack, log: &BTreeMap<LogPosition, Known>) -> Check {
    let missing = || broken(NAME, format!("nobody applied {} for {:?}", ack.position, ack.request));
    let known = log.get(&ack.position).ok_or_else(missing)?;
    let is_its = known.request.is_some_and(|(shard, found)| {
        (shard, found.client, found.sequence) == (ack.shard, ack.request.client, ack.request.sequence)
    });
    ensure(is_its, NAME, || {
        format!("{:?} was acknowledged at {}, where {:?} is", ack.request, ack.position, known.request)
    })?;
    if known.request != Some((ack.shard, ack.request)) {
        // One of the entries of a delete by filter: the client heard of all of them together.
        return Ok(());
    }
    let heard = (ack.written.timestamp, ack.written.inserted, ack.written.deleted);
    let is_answer = known.reply.as_ref().is_some_and(|reply| {
        reply.as_ref().is_ok_and(|applied| (applied.timestamp, applied.inserted, applied.deleted) == heard)
    });
    ensure(is_answer, NAME, || {
        format!("{:?} at {} heard {heard:?}, the log says {:?}", ack.request, ack.position, known.reply)
    })
}
