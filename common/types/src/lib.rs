//! The words everybody shares: ids, schema, columnar rows, timestamps, log positions, error codes and the
//! verbs of the public interface.
//!
//! Pure: no clock, no randomness, no threads, no files, no async runtime. It does *not* know how rows are
//! stored, searched, sent or replicated.

pub mod api;
pub mod batch;
pub mod bitmap;
pub mod descriptor;
pub mod error;
pub mod group;
pub mod ids;
pub mod index_build;
pub mod key_index;
pub mod limits;
pub mod metric;
pub mod packed;
pub mod schema;
pub mod timestamp;
pub mod value;

pub use batch::{Column, ColumnData, RowBatch, StrColumn};
pub use bitmap::Bitmap;
pub use descriptor::{CollectionDescriptor, DdlPhase, IndexDescriptor, PartitionDescriptor, ShardPlacement};
pub use error::{Code, Error, Result};
pub use group::{GroupKey, Groups};
pub use ids::*;
pub use index_build::IndexBuild;
pub use key_index::{KeyIndex, RowRef};
pub use metric::Metric;
pub use packed::{Packed, QueryVectors};
pub use schema::{CollectionSchema, DataType, FieldSchema, PkConflict};
pub use timestamp::Timestamp;
pub use value::{PrimaryKey, Value};
