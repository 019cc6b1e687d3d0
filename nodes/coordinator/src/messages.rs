//! The coordinator's messages: what a sender wants, and the answer.

use actix::Message;
use vecraft_rpc::services::DropTarget;
use vecraft_types::api;
use vecraft_types::{CollectionId, RequestId, Result};

/// What is to be made, once under the request's name (I10).
#[derive(Clone, Debug)]
pub struct Named<T> {
    /// Given before it was asked for the first time.
    pub request: RequestId,
    /// What.
    pub wish: T,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident($request:ty) -> $reply:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(
            /// The request as the user made it.
            pub $request,
        );

        impl Message for $name {
            type Result = Result<$reply>;
        }
    )*};
}

messages! {
    /// Make a collection; answered when its shards exist.
    CreateCollection(Named<api::CreateCollection>) -> ();
    /// Make a partition of this name.
    CreatePartition(Named<(CollectionId, String)>) -> ();
    /// Make an index of this collection.
    CreateIndex(Named<(CollectionId, api::CreateIndex)>) -> ();
    /// Set or clear the load flag of this collection.
    SetLoaded((CollectionId, api::SetLoaded)) -> ();
    /// Take so many row ids; answered with the first.
    AllocateIds(u64) -> i64;
    /// The collection that holds a name now.
    HolderOf(String) -> Option<CollectionId>;
    /// Drop what has this id.
    DropExactly(DropTarget) -> ();
}
