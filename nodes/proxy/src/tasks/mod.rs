//! One verb family a file.

pub(crate) mod collections;
pub(crate) mod delete;
pub(crate) mod explain;
mod flush;
mod grouping;
pub(crate) mod indexes;
pub(crate) mod insert;
mod moments;
mod paging;
pub(crate) mod partitions;
pub(crate) mod query;
pub(crate) mod reads;
pub(crate) mod search;
pub(crate) mod segments;
pub(crate) mod server;
mod session;
pub(crate) mod topology;
