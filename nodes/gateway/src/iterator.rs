//! Iterators in Milvus's words: which moment a page is of.
//!
//! ```text
//! first call   iterator = True, guarantee_timestamp 0 (1 and 2 are levels)   session_ts T
//! a page       iterator = True, guarantee_timestamp T                        rows of the moment T
//! ```
//! What it does not do: it remembers nothing; T says everything, at any door (I18).

use crate::call::Context;
use crate::consistency::{Wanted, is_moment};
use crate::params::Params;
use std::sync::Arc;
use vecraft_types::api::{CollectionName, Consistency, Moment};
use vecraft_types::{CollectionDescriptor, Error, Result, Timestamp};

/// What every call of an iterator says.
#[derive(Debug)]
pub(crate) struct Said {
    /// The call is one of an iterator.
    pub is_iterator: bool,
    collection: Option<i64>,
}

impl Said {
    /// Takes the words that concern iterators.
    ///
    /// # Errors
    /// A wrong value.
    pub fn read(params: &mut Params) -> Result<Said> {
        Ok(Said { is_iterator: params.switch("iterator")?, collection: params.integer("collection_id")? })
    }

    /// The collection of a call, how fresh it must be, and the moment of which it reads. A page takes the collection as this
    /// node knows it: its moment is behind us.
    ///
    /// # Errors
    /// No such collection; an unknown level; another collection than the one the iterator began with.
    pub async fn of_collection(
        &self,
        cx: &Context,
        name: &str,
        wanted: &Wanted,
    ) -> Result<(Arc<CollectionDescriptor>, Consistency, Moment)> {
        let moment = self.moment(wanted.guarantee);
        let (found, level) = match moment {
            Moment::Of(_) => {
                let name = CollectionName::Name(name.to_owned());
                (cx.db.known_collection(cx.call.clone(), name).await?, Consistency::Eventually)
            }
            _ => wanted.of_collection(cx, name).await?,
        };
        self.check(&found)?;
        Ok((found, level, moment))
    }

    fn moment(&self, guarantee: u64) -> Moment {
        match self.is_iterator {
            false => Moment::Present,
            true if is_moment(guarantee) => Moment::Of(Timestamp(guarantee)),
            true => Moment::Begin,
        }
    }

    /// The client's collection is the one that the name means now.
    fn check(&self, found: &CollectionDescriptor) -> Result<()> {
        match self.collection {
            Some(id) if u64::try_from(id) != Ok(found.id.0) => {
                let text = format!(
                    "collection_id is {id}, and the collection of that name is {}: it was made anew since; begin again",
                    found.id
                );
                Err(Error::invalid(text).with("collection", &found.name))
            }
            _ => Ok(()),
        }
    }
}
