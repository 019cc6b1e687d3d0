//! I11, one log: every replica applies the same entries in the same order under the same members, gives the same
//! answers, and leaves none out.

use crate::cluster::book::Known;
use crate::invariants::{Check, broken, ensure};
use serde::de::DeserializeOwned;
use vecraft_rpc::codec;
use vecraft_state::shard::ShardReply;
use vecraft_types::LogPosition;

const NAME: &str = "I11";

/// A second replica applies what the first one did.
pub fn same(node: u64, position: LogPosition, known: &Known, here: &Known) -> Check {
    ensure(known.mark == here.mark && known.command == here.command, NAME, || {
        format!("node {node} applies another entry at {position} than a replica before it")
    })?;
    ensure(known.reply == here.reply, NAME, || {
        format!("node {node} answers {position} with {:?}, it must be {:?}", here.reply, known.reply)
    })
}

/// An entry that nobody applied before follows the last one that somebody did.
pub fn next(node: u64, position: LogPosition, last: Option<LogPosition>) -> Check {
    let expected = last.map_or(0, |last| last.0 + 1);
    ensure(position.0 == expected, NAME, || {
        format!("node {node} applies {position}, the log has been applied up to before {expected}")
    })
}

/// The answer is the twin's.
pub fn answer(node: u64, position: LogPosition, seen: &ShardReply, expected: &ShardReply) -> Check {
    ensure(seen == expected, NAME, || {
        format!("node {node} answers {position} with {seen:?}, the log means {expected:?}")
    })
}

/// Reads what a replica was given or gave.
pub fn decode<T: DeserializeOwned>(node: u64, position: LogPosition, bytes: &[u8]) -> Check<T> {
    codec::decode(bytes).map_err(|error| broken(NAME, format!("node {node} at {position}: {error}")))
}
