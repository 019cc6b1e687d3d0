//! The metastore of a stopped node: what it would be with all that its log holds, and the command that lets the node
//! go on alone. What this does *not* do: it writes nothing; `raft/host` forces the log.

use crate::checkpoint;
use crate::error::Error;
use bytes::Bytes;
use vecraft_raft_host::Mark;
use vecraft_rpc::codec;
use vecraft_state::meta::{ClusterId, MetaChange, MetaCommand, MetaState};
use vecraft_storage::Kv;
use vecraft_types::{NodeId, Timestamp};

/// The newest checkpoint of the metastore in `kv`.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Storage`].
pub fn stored(kv: &dyn Kv) -> Result<(Option<Mark>, MetaState), Error> {
    Ok(checkpoint::read(kv)?
        .map_or_else(|| (None, MetaState::default()), |(mark, state)| (Some(mark), state)))
}

/// Applies what the log holds after the checkpoint. What the commands answer has been answered, or is asked by nobody.
///
/// # Errors
/// Bytes that are no command: this program is older than the log.
pub fn replay(state: &mut MetaState, commands: &[Bytes]) -> Result<(), Error> {
    for bytes in commands {
        let _ = state.apply(codec::decode::<MetaCommand>(bytes)?);
    }
    Ok(())
}

/// The command by which `survivor` goes on alone as another cluster.
///
/// # Errors
/// A bug of the codec.
pub fn recovery(now_ms: u64, cluster: ClusterId, survivor: NodeId) -> Result<Bytes, Error> {
    let change = MetaChange::Recover { cluster, survivor };
    let command = MetaCommand { suggested: Timestamp::from_millis(now_ms), change };
    Ok(Bytes::from(codec::encode(&command)?))
}
