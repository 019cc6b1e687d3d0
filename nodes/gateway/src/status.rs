//! Errors as Milvus's clients read them: the only place where a [`Code`] becomes a wire status.

use crate::proto::{common::Status, milvus as pb};
use vecraft_types::{Code, Error};

/// The number that clients older than Milvus 2.3 look at. Zero would mean success, so it is never zero here.
fn old_code(code: Code) -> i32 {
    match code {
        Code::CollectionNotFound => 4,
        Code::InvalidParameter => 5,
        Code::PartitionNotFound => 15,
        Code::IndexNotFound => 25,
        Code::ReplicaUnavailable => 46,
        Code::RateLimited => 49,
        Code::OutOfMemory => 52,
        Code::DiskFull => 54,
        Code::NotReady => 56,
        Code::SchemaMismatch => 62,
        Code::Unavailable
        | Code::Internal
        | Code::Unimplemented
        | Code::CollectionNotLoaded
        | Code::TooManyCollections
        | Code::IllegalSchema
        | Code::IndexNotSupported
        | Code::IndexDuplicate
        | Code::DatabaseNotFound
        | Code::Io
        | Code::MissingParameter
        | Code::ParameterTooLarge
        | Code::FieldNotFound
        | Code::OutcomeUnknown
        | Code::Cancelled
        | Code::Deadline
        | Code::NotEnoughNodes => 1,
    }
}

impl From<&Error> for Status {
    fn from(error: &Error) -> Status {
        let mut status = Status {
            error_code: old_code(error.code),
            code: error.code.number(),
            reason: error.to_string(),
            detail: error.detail.clone(),
            retriable: error.is_retriable(),
            ..Status::default()
        };
        if error.is_input_error() {
            status.extra_info.insert("is_input_error".to_owned(), "true".to_owned());
        }
        if let Some(millis) = error.retry_after_ms {
            status.extra_info.insert("retry_after_ms".to_owned(), millis.to_string());
        }
        status
    }
}

/// A reply of the service. Each one carries a status.
pub(crate) trait Reply: Default {
    /// Puts the status in.
    fn set_status(&mut self, status: Status);

    /// Puts the status of success in, unless there is one that says more.
    fn succeeds(&mut self);
}

impl Reply for Status {
    fn set_status(&mut self, status: Status) {
        *self = status;
    }

    fn succeeds(&mut self) {}
}

macro_rules! replies {
    ($($reply:ident),+ $(,)?) => {
        $(impl Reply for pb::$reply {
            fn set_status(&mut self, status: Status) {
                self.status = Some(status);
            }

            fn succeeds(&mut self) {
                self.status.get_or_insert_default();
            }
        })+
    };
}

replies!(
    AllocTimestampResponse,
    BoolResponse,
    CheckHealthResponse,
    ComponentStates,
    ConnectResponse,
    DescribeCollectionResponse,
    DescribeIndexResponse,
    FlushResponse,
    GetCollectionStatisticsResponse,
    GetCompactionPlansResponse,
    GetCompactionStateResponse,
    GetFlushStateResponse,
    GetLoadStateResponse,
    GetLoadingProgressResponse,
    GetPartitionStatisticsResponse,
    GetPersistentSegmentInfoResponse,
    GetQuerySegmentInfoResponse,
    GetReplicasResponse,
    GetVersionResponse,
    ManualCompactionResponse,
    MutationResult,
    QueryResults,
    SearchResults,
    ShowCollectionsResponse,
    ShowPartitionsResponse,
);
