//! One verb family a file.

pub(crate) mod collections;
pub(crate) mod delete;
mod explain;
pub(crate) mod flush;
mod grouping;
pub(crate) mod indexes;
pub(crate) mod insert;
mod keys;
mod moments;
mod paging;
pub(crate) mod partitions;
pub(crate) mod query;
pub(crate) mod reads;
pub(crate) mod search;
mod searched;
pub(crate) mod segments;
pub(crate) mod server;
mod session;
pub(crate) mod topology;
