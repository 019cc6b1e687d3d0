//! What the protocol compiler made of `proto/`.

#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

/// `milvus.proto.common`
pub mod common {
    tonic::include_proto!("milvus.proto.common");
}

/// `milvus.proto.schema`
pub mod schema {
    tonic::include_proto!("milvus.proto.schema");
}

/// `milvus.proto.milvus`
pub mod milvus {
    tonic::include_proto!("milvus.proto.milvus");
}
