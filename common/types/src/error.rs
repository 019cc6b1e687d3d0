//! Public errors: Milvus's codes and a message that says what, where and the limit.

use crate::ShardId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an error names a shard that is not there. A thing of the context and no code of its own, for nodes of before know it.
const UNKNOWN_SHARD: &str = "unknown_shard";

/// A public result.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal),+ $(,)?) => {
        /// Milvus's error codes, as far as we answer them. The number travels on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// The number that Milvus's clients know.
            pub fn number(self) -> i32 {
                match self { $(Code::$name => $number),+ }
            }

            /// The general sentence that opens the message.
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// The service starts or recovers; ask again.
    NotReady = 1 "service not ready",
    /// No node can answer now.
    Unavailable = 2 "service unavailable",
    /// The memory governor refused.
    OutOfMemory = 3 "memory limit exceeded",
    /// A bug or broken invariant on our side.
    Internal = 5 "internal error",
    /// The disk is full or below its watermark.
    DiskFull = 7 "disk quota exhausted",
    /// Too much in flight; retry after a moment.
    RateLimited = 8 "rate limit exceeded",
    /// Known to Milvus, not built here.
    Unimplemented = 10 "not implemented",
    /// No such collection.
    CollectionNotFound = 100 "collection not found",
    /// The collection is not loaded and `milvus.strict_load` is on.
    CollectionNotLoaded = 101 "collection not loaded",
    /// More collections than allowed.
    TooManyCollections = 102 "too many collections",
    /// The schema breaks a rule.
    IllegalSchema = 105 "illegal collection schema",
    /// No such partition.
    PartitionNotFound = 200 "partition not found",
    /// No replica of a shard can serve now.
    ReplicaUnavailable = 503 "no available shard leader",
    /// No such index.
    IndexNotFound = 700 "index not found",
    /// This index type or combination is not served.
    IndexNotSupported = 701 "index type not supported",
    /// Another index exists there.
    IndexDuplicate = 702 "index duplicates",
    /// No such database.
    DatabaseNotFound = 800 "database not found",
    /// An input or output failure below us.
    Io = 1000 "IO failed",
    /// A parameter has a wrong value.
    InvalidParameter = 1100 "invalid parameter",
    /// A parameter is missing.
    MissingParameter = 1101 "missing parameter",
    /// A parameter is too large.
    ParameterTooLarge = 1102 "parameter too large",
    /// No such field.
    FieldNotFound = 1700 "field not found",
    /// The client's schema is older than ours; it re-describes and retries.
    SchemaMismatch = 109 "collection schema mismatch",
    /// Outcome unknown: the request may or may not have been applied (I10).
    OutcomeUnknown = 65535 "unexpected error",
    /// The caller gave up.
    Cancelled = 10000 "request cancelled",
    /// The deadline passed.
    Deadline = 10001 "request deadline exceeded",
    /// More replicas are asked for than there are nodes to hold them.
    NotEnoughNodes = 302 "resource group node not enough",
}

/// A public error. Prints as `general text: detail[key=value][key=value]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What kind.
    pub code: Code,
    /// What exactly: what was tried, with what, and the limit. May be empty.
    pub detail: String,
    /// Named things: collection, field, partition...
    pub context: Vec<(String, String)>,
    /// For [`Code::RateLimited`] and friends: how long to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Somebody who could have done it was asked, and gave no answer: it may have been done, or be done yet (I10).
    pub may_be_done: bool,
}

impl Error {
    /// An error with a detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Error {
        Error { code, detail: detail.into(), context: Vec::new(), retry_after_ms: None, may_be_done: false }
    }

    /// A wrong parameter (1100).
    pub fn invalid(detail: impl Into<String>) -> Error {
        Error::new(Code::InvalidParameter, detail)
    }

    /// A bug on our side (5).
    pub fn internal(detail: impl Into<String>) -> Error {
        Error::new(Code::Internal, detail)
    }

    /// Something Milvus knows and we recognise, but have not built (1100, naming it).
    pub fn not_built(what: impl fmt::Display) -> Error {
        Error::invalid(format!("{what} is not supported by this version of Vecraft"))
    }

    /// Adds a named thing; once, whoever else on the way up adds it too.
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Error {
        let thing = (key.to_owned(), value.to_string());
        if !self.context.contains(&thing) {
            self.context.push(thing);
        }
        self
    }

    /// Whoever was asked knows no such shard (503): it was dropped, or is not there yet. Nothing was done.
    pub fn unknown_shard(detail: impl Into<String>, shard: ShardId) -> Error {
        Error::new(Code::ReplicaUnavailable, detail).with(UNKNOWN_SHARD, shard)
    }

    /// True when it says that the shard is not there, which is an answer, and not that nobody could be asked.
    pub fn is_unknown_shard(&self) -> bool {
        self.code == Code::ReplicaUnavailable && self.context.iter().any(|(key, _)| key == UNKNOWN_SHARD)
    }

    /// Adds how long to wait before trying again.
    pub fn retry_after(mut self, millis: u64) -> Error {
        self.retry_after_ms = Some(millis);
        self
    }

    /// Says that it may have been done all the same.
    pub fn unanswered(mut self) -> Error {
        self.may_be_done = true;
        self
    }

    /// Adds what was heard before: its words to the detail, its named things to the context. The code stays, and so does
    /// [`Error::may_be_done`].
    pub fn after(mut self, earlier: &Error) -> Error {
        let (detail, text) = (std::mem::take(&mut self.detail), earlier.code.text());
        self.detail = match earlier.detail.is_empty() {
            true => format!("{detail}; before that: {text}"),
            false => format!("{detail}; before that: {text}: {}", earlier.detail),
        };
        earlier.context.iter().fold(self, |error, (key, value)| error.with(key, value))
    }

    /// True when the same request may succeed later without change.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self.code,
            Code::NotReady
                | Code::Unavailable
                | Code::RateLimited
                | Code::ReplicaUnavailable
                | Code::SchemaMismatch
        )
    }

    /// True when the caller's input is at fault.
    pub fn is_input_error(&self) -> bool {
        matches!(
            self.code,
            Code::InvalidParameter
                | Code::MissingParameter
                | Code::ParameterTooLarge
                | Code::IllegalSchema
                | Code::FieldNotFound
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.text())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        self.context.iter().try_for_each(|(key, value)| write!(f, "[{key}={value}]"))
    }
}

impl std::error::Error for Error {}
