//! Milvus's limits, which are ours too.

/// Smallest dimension of a dense vector.
pub const DIM_MIN: u32 = 2;
/// Largest dimension of a dense vector.
pub const DIM_MAX: u32 = 32_768;
/// Smallest dimension of a binary vector, and what every one is a multiple of.
pub const BIT_DIM_STEP: u32 = 8;
/// Largest dimension of a binary vector.
pub const BIT_DIM_MAX: u32 = DIM_MAX * 8;
/// Most fields a schema may have.
pub const FIELDS_MAX: usize = 64;
/// Most vector fields a schema may have.
pub const VECTOR_FIELDS_MAX: usize = 4;
/// Most shards of a collection.
pub const SHARDS_MAX: u32 = 16;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 255;
/// Longest `max_length` of a varchar, in bytes.
pub const VARCHAR_BYTES_MAX: u32 = 65_535;
/// Longest text of a key that the server makes: a 64-bit number in decimals.
pub const AUTO_ID_BYTES_MAX: u32 = 19;
/// Longest JSON value, in bytes.
pub const JSON_BYTES_MAX: usize = 65_536;
/// Most rows returned (`limit`, and `offset + limit`).
pub const TOPK_MAX: usize = 16_384;
/// Most query vectors in one search.
pub const NQ_MAX: usize = 16_384;
/// Most keys that one search explains the absence of.
pub const WHY_MISSING_MAX: usize = 100;
/// Most partitions of a collection.
pub const PARTITIONS_MAX: usize = 1_024;
/// Most collections.
pub const COLLECTIONS_MAX: usize = 65_536;
/// Largest request, in bytes, unless the node's configuration says otherwise.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Largest request that a configuration may allow, in bytes.
pub const MESSAGE_BYTES_CEILING: usize = 256 << 20;
/// Largest answer to a read, in bytes of its rows.
pub const REPLY_BYTES_MAX: usize = 256 << 20;
/// Partition that holds the rows whose partition was not named.
pub const DEFAULT_PARTITION: &str = "_default";
/// The only database so far.
pub const DEFAULT_DATABASE: &str = "default";
/// Name of the column that holds dynamic fields.
pub const META_FIELD: &str = "$meta";
