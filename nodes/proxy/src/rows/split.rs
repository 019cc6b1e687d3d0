//! Rows and keys by shard, in pieces of bounded size.

use vecraft_types::{CollectionDescriptor, ColumnData, FieldId, PrimaryKey, RowBatch, ShardId, StrColumn};

/// Bytes of keys an entry of a delete. Fixed, because an answer to a delete does not tell how many keys its entry named:
/// whichever node cuts a request, the parts of one number must name the same keys (I10). Half of the smallest log file
/// that a configuration allows holds it.
const KEY_BYTES_MAX: usize = 256 << 10;

/// Part of a write that becomes one entry of one shard's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it goes.
    pub(crate) shard: ShardId,
    /// Counts the pieces of this request for this shard from 0. Shards recognise retries by it (I10), so the
    /// same request must always be cut in the same way. Keys are; rows are unless their schema changed or another node
    /// has another `proxy.entry_bytes_max`, which lanes notice by the number of rows in the answer.
    pub(crate) part: u32,
    /// Numbers of the rows (or keys) in the request, ascending.
    pub(crate) rows: Vec<usize>,
}

/// Cuts some rows of a batch; `keys` are those of all its rows. Keys that the server made do not count: the same request
/// may get others, and must still be cut in the same way.
pub(crate) fn split_rows(
    collection: &CollectionDescriptor,
    rows: &RowBatch,
    keys: &[PrimaryKey],
    wanted: &[usize],
    piece_bytes_max: usize,
) -> Vec<Piece> {
    let made = collection.schema.primary_field().filter(|field| field.auto_id).map(|field| field.id);
    let sizes = RowSizes::of(rows, made);
    split(collection, keys, wanted, piece_bytes_max, |row| sizes.bytes(row))
}

/// Cuts keys.
pub(crate) fn split_keys(collection: &CollectionDescriptor, keys: &[PrimaryKey]) -> Vec<Piece> {
    let all: Vec<usize> = (0..keys.len()).collect();
    split(collection, keys, &all, KEY_BYTES_MAX, |row| match &keys[row] {
        PrimaryKey::Int64(_) => size_of::<i64>(),
        PrimaryKey::VarChar(text) => size_of::<u64>() + text.len(),
    })
}

fn split(
    collection: &CollectionDescriptor,
    keys: &[PrimaryKey],
    wanted: &[usize],
    piece_bytes_max: usize,
    bytes_of: impl Fn(usize) -> usize,
) -> Vec<Piece> {
    let count = u32::try_from(collection.shards.len()).unwrap_or(u32::MAX);
    let mut by_shard: Vec<Vec<usize>> = vec![Vec::new(); collection.shards.len()];
    for &row in wanted {
        by_shard[keys[row].shard_index(count) as usize].push(row);
    }
    let mut pieces = Vec::new();
    for (placement, rows) in collection.shards.iter().zip(by_shard) {
        let mut part = 0;
        let mut current = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let row_bytes = bytes_of(row);
            if !current.is_empty() && bytes + row_bytes > piece_bytes_max {
                let rows = std::mem::take(&mut current);
                pieces.push(Piece { shard: placement.shard, part, rows });
                part += 1;
                bytes = 0;
            }
            current.push(row);
            bytes += row_bytes;
        }
        if !current.is_empty() {
            pieces.push(Piece { shard: placement.shard, part, rows: current });
        }
    }
    pieces
}

/// How many bytes each row takes: the same for all but texts.
struct RowSizes<'a> {
    fixed: usize,
    texts: Vec<&'a StrColumn>,
}

impl RowSizes<'_> {
    fn of(rows: &RowBatch, made_keys: Option<FieldId>) -> RowSizes<'_> {
        let mut sizes = RowSizes { fixed: 0, texts: Vec::new() };
        for column in rows.columns.iter().filter(|column| Some(column.field) != made_keys) {
            match &column.data {
                ColumnData::VarChar(texts) | ColumnData::Json(texts) => sizes.texts.push(texts),
                data => sizes.fixed += data.bytes() / rows.rows.max(1),
            }
        }
        sizes
    }

    fn bytes(&self, row: usize) -> usize {
        self.fixed + self.texts.iter().map(|texts| size_of::<u32>() + texts.get(row).len()).sum::<usize>()
    }
}
