//! How fresh a read must be: Milvus's three fields as one [`Consistency`].

use crate::call::Context;
use std::sync::Arc;
use vecraft_types::api::{CollectionName, Consistency};
use vecraft_types::{CollectionDescriptor, Error, Result, Timestamp};

/// What Bounded means when nobody says more, in milliseconds.
const BOUNDED_MS: u64 = 5_000;

/// Guarantee timestamps with a meaning of their own; every larger one is a point in time.
const EVENTUALLY: u64 = 1;
const BOUNDED: u64 = 2;

/// Whether a guarantee timestamp is a point in time.
pub(crate) fn is_moment(guarantee: u64) -> bool {
    guarantee > BOUNDED
}

/// The freshness fields of a search or query.
pub(crate) struct Wanted {
    /// 0 Strong, 1 Session, 2 Bounded, 3 Eventually, 4 Customized.
    pub level: i32,
    /// The collection's level counts, not `level`.
    pub use_default: bool,
    /// A special value, or the client's last write.
    pub guarantee: u64,
}

impl Wanted {
    /// The collection of a read and the freshness meant. A read that may be old takes the collection as this node knows
    /// it (I19): asking for the newest costs more than such a read, and cannot be answered without a majority.
    ///
    /// # Errors
    /// No such collection, an unknown level.
    pub async fn of_collection(
        &self,
        cx: &Context,
        name: &str,
    ) -> Result<(Arc<CollectionDescriptor>, Consistency)> {
        let name = || CollectionName::Name(name.to_owned());
        let known = cx.db.known_collection(cx.call.clone(), name()).await?;
        let level = self.resolve(known.default_consistency)?;
        if level != Consistency::Strong {
            return Ok((known, level));
        }
        let newest = cx.db.describe_collection(cx.call.clone(), name()).await?;
        let level = self.resolve(newest.default_consistency)?;
        Ok((Arc::new(newest), level))
    }

    /// The freshness meant. `default_level` is the collection's.
    ///
    /// The client's last write comes along with the default level; it is honoured at every level, so that one's
    /// own writes are always seen (P8).
    ///
    /// # Errors
    /// An unknown level.
    pub fn resolve(&self, default_level: i32) -> Result<Consistency> {
        let since = Timestamp(if is_moment(self.guarantee) { self.guarantee } else { 0 });
        let at_least =
            if since == Timestamp::ZERO { Consistency::Eventually } else { Consistency::Session(since) };
        let level = if self.use_default { default_level } else { self.level };
        // Clients older than the level field leave it 0 and say everything with the timestamp.
        if !self.use_default && level == 0 && self.guarantee > 0 {
            return Ok(match self.guarantee {
                EVENTUALLY => Consistency::Eventually,
                BOUNDED => Consistency::Bounded(BOUNDED_MS, Timestamp::ZERO),
                _ => at_least,
            });
        }
        match level {
            0 => Ok(Consistency::Strong),
            2 => Ok(Consistency::Bounded(BOUNDED_MS, since)),
            1 | 3 | 4 => Ok(at_least),
            other => Err(Error::invalid(format!("consistency level {other} is unknown, allowed are 0 to 4"))),
        }
    }
}
