//! I11, self-contained shard logs: exactly the shards of the log exist, under their schema, and a write that names
//! another schema, a dropped partition or no shard changes nothing.

use super::{Check, ensure};
use crate::node::{GROUP, Shards};
use crate::twin::Twin;
use vecraft_state::shard::{Refusal, ShardCommand, ShardEntry, ShardReply};
use vecraft_types::ShardId;

const NAME: &str = "I11";

/// The shards here are the twin's, with their schemas and routes.
pub fn shards(here: &Shards, twin: &Twin) -> Check {
    let expected: Vec<ShardId> = twin.shards.keys().copied().collect();
    let found = [here.replica.shard_ids(), here.views.shards()];
    ensure(found.iter().all(|shards| *shards == expected), NAME, || {
        format!("replica and views show {found:?}, the log says {expected:?}")
    })?;
    for (id, shard) in &twin.shards {
        ensure(here.routes.group_of(*id) == Some(GROUP), NAME, || format!("shard {id} has no route"))?;
        let schema = here.views.get(*id).map(|view| view.schema.clone());
        let is_same = schema.is_some_and(|schema| *schema == shard.schema);
        ensure(is_same, NAME, || format!("shard {id} is shown under another schema"))?;
    }
    Ok(())
}

/// A refusal that the log demands is given.
pub fn refused(entry: &ShardEntry, before: &Twin, reply: &ShardReply) -> Check {
    let ShardCommand::Insert { schema_version, .. } = &entry.command else { return Ok(()) };
    let is_refused = match before.shards.get(&entry.shard) {
        None => *reply == Err(Refusal::UnknownShard),
        Some(shard) if shard.schema.version != *schema_version => reply.is_err(),
        Some(_) => true,
    };
    ensure(is_refused, NAME, || format!("an insert into {} was answered {reply:?}", entry.shard))
}
