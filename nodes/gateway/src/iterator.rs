//! Iterators in Milvus's words: which moment a call is of, and where a page lies.
//!
//! ```text
//! first call   iterator = True, guarantee_timestamp 0 (1 and 2 are levels)   session_ts T, token of T
//! a page       iterator = True, guarantee_timestamp T                        rows of the moment T
//! of a search  search_iter_v2 = True, search_iter_batch_size = n,            last_bound: the last score
//!              search_iter_last_bound = that of the page before, search_iter_id = token
//! ```
//! Older clients iterate a search with ranges (`radius`, `range_filter`) and leave the second version's words out: theirs is
//! an ordinary search of the moment.
//!
//! What it does not do: it remembers nothing; T says everything, at any door (I18). The token is T once more.

use crate::call::Context;
use crate::consistency::{Wanted, is_moment};
use crate::params::Params;
use crate::proto::schema::SearchIteratorV2Results;
use std::sync::Arc;
use vecraft_types::api::{CollectionName, Consistency, Moment, SearchPage, SearchReply};
use vecraft_types::limits::TOPK_MAX;
use vecraft_types::{CollectionDescriptor, Error, Result, Timestamp};

/// Words of the second version of search iterators.
const BATCH_SIZE: &str = "search_iter_batch_size";
const LAST_BOUND: &str = "search_iter_last_bound";
const TOKEN: &str = "search_iter_id";
const SECOND: &str = "search_iter_v2";
/// All words about iterators, for who looks for them among others.
pub(crate) const WORDS: &[&str] = &["iterator", "collection_id", SECOND, BATCH_SIZE, LAST_BOUND, TOKEN];

/// What every call of an iterator says.
#[derive(Debug)]
pub(crate) struct Said {
    /// The call is one of an iterator.
    pub is_iterator: bool,
    collection: Option<i64>,
    token: Option<Timestamp>,
}

/// Where a page of a search lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    /// Rows of it, at least.
    pub limit: i64,
    /// Behind what.
    pub page: SearchPage,
}

impl Said {
    /// Takes the words that concern iterators.
    ///
    /// # Errors
    /// A wrong value.
    pub fn read(params: &mut Params) -> Result<Said> {
        let is_iterator = params.switch("iterator")?;
        Ok(Said { is_iterator, collection: params.integer("collection_id")?, token: None })
    }

    /// Takes those about the pages of a search; none when the client does not speak of any.
    ///
    /// # Errors
    /// A wrong value, a word that needs another.
    pub fn pages(&mut self, params: &mut Params) -> Result<Option<Pages>> {
        let is_second = params.switch(SECOND)?;
        let limit = params.integer(BATCH_SIZE)?;
        let (bound, token) = (params.take(LAST_BOUND), params.take(TOKEN));
        if !is_second {
            let given =
                [(BATCH_SIZE, limit.is_some()), (LAST_BOUND, bound.is_some()), (TOKEN, token.is_some())];
            return match given.iter().find(|(_, is_given)| *is_given) {
                Some((word, _)) => Err(Error::invalid(format!("{word} is given, but {SECOND} is not True"))),
                None => Ok(None),
            };
        }
        if !self.is_iterator {
            return Err(Error::invalid(format!("{SECOND} is True, but iterator is not")));
        }
        let limit =
            limit.ok_or_else(|| Error::invalid(format!("{SECOND} is True, but {BATCH_SIZE} is missing")))?;
        if !(1..=TOPK_MAX as i64).contains(&limit) {
            return Err(Error::invalid(format!("{BATCH_SIZE} is {limit}, allowed is 1 to {TOPK_MAX}")));
        }
        let unknown = |text: &str| {
            let text: String = text.chars().take(100).collect();
            Error::invalid(format!("{TOKEN} is {text:?}, no token of an iterator of this server"))
        };
        self.token = match token.as_deref() {
            None => None,
            Some(text) => Some(read_token(text).ok_or_else(|| unknown(text))?),
        };
        Ok(Some(Pages { limit, page: SearchPage { after: bound.as_deref().map(read_bound).transpose()? } }))
    }

    /// The collection of a call, how fresh it must be, and the moment of which it reads. A page takes the collection as this
    /// node knows it: its moment is behind us.
    ///
    /// # Errors
    /// No such collection; an unknown level; another collection than the one the iterator began with, or another moment.
    pub async fn of_collection(
        &self,
        cx: &Context,
        name: &str,
        wanted: &Wanted,
    ) -> Result<(Arc<CollectionDescriptor>, Consistency, Moment)> {
        let moment = self.moment(wanted.guarantee)?;
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

    fn moment(&self, guarantee: u64) -> Result<Moment> {
        if !self.is_iterator {
            return Ok(Moment::Present);
        }
        let told = is_moment(guarantee).then_some(Timestamp(guarantee));
        match (told, self.token) {
            (Some(told), Some(token)) if told != token => Err(Error::invalid(format!(
                "{TOKEN} is of timestamp {token}, guarantee_timestamp is {told}: an iterator has one moment"
            ))),
            (Some(at), _) | (None, Some(at)) => Ok(Moment::Of(at)),
            (None, None) => Ok(Moment::Begin),
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

impl Pages {
    /// What the client sends with its next page. An empty page ends where it began.
    pub fn ended(&self, reply: &SearchReply) -> SearchIteratorV2Results {
        let last_bound = reply.scores.last().copied().or(self.page.after).unwrap_or_default();
        SearchIteratorV2Results { token: reply.timestamp.0.to_string(), last_bound }
    }
}

fn read_token(text: &str) -> Option<Timestamp> {
    let token: u64 = text.parse().ok()?;
    // Only as it was given: no sign, no zeros in front.
    (is_moment(token) && token.to_string() == text).then_some(Timestamp(token))
}

fn read_bound(text: &str) -> Result<f32> {
    let bound = text.trim().parse::<f32>().ok().filter(|bound| !bound.is_nan());
    bound.ok_or_else(|| {
        let text: String = text.chars().take(100).collect();
        Error::invalid(format!("{LAST_BOUND} is {text:?}, not a number"))
    })
}
