//! Rows whose every field says who wrote them, so that a torn or foreign row shows.

use bytes::Bytes;
use vecraft_types::{
    Bitmap, CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, PkConflict, PrimaryKey,
    RowBatch, StrColumn,
};

/// A row: its key and the serial number of the write that made it. Every other field follows from these two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Primary key.
    pub key: PrimaryKey,
    /// Unique over the whole life of a seed.
    pub version: i64,
}

/// Dimension of the vectors.
const DIM: u32 = 3;

/// The fields, in order: key, version, vector, note (nullable).
pub fn schema(has_text_keys: bool, rule: PkConflict) -> CollectionSchema {
    let key = if has_text_keys { DataType::VarChar { max_length: 64 } } else { DataType::Int64 };
    let mut note = FieldSchema::new("note", DataType::VarChar { max_length: 256 });
    note.nullable = true;
    let mut schema = CollectionSchema::new(vec![
        FieldSchema::new("id", key).primary(false),
        FieldSchema::new("version", DataType::Int64),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM }),
        note,
    ]);
    schema.pk_conflict = rule;
    schema
}

/// The key of a small number, in the schema's type.
pub fn key(has_text_keys: bool, number: u64) -> PrimaryKey {
    if has_text_keys {
        PrimaryKey::VarChar(format!("key-{number:03}").into())
    } else {
        PrimaryKey::Int64(number as i64 - 5)
    }
}

/// The rows as a proxy sends them.
pub fn encode(schema: &CollectionSchema, rows: &[Row]) -> Bytes {
    let ids: Vec<FieldId> = schema.fields.iter().map(|field| field.id).collect();
    let keys = if matches!(schema.fields[0].data_type, DataType::Int64) {
        ColumnData::Int64(rows.iter().map(|row| int_of(&row.key)).collect())
    } else {
        ColumnData::VarChar(rows.iter().map(|row| text_of(&row.key)).collect())
    };
    let vectors = rows.iter().flat_map(vector).collect();
    let notes: StrColumn = rows.iter().map(|row| note(row).unwrap_or_default()).collect();
    let mut present = Bitmap::default();
    rows.iter().for_each(|row| present.push(note(row).is_some()));
    let columns = vec![
        Column::new(ids[0], keys),
        Column::new(ids[1], ColumnData::Int64(rows.iter().map(|row| row.version).collect())),
        Column::new(ids[2], ColumnData::FloatVector { dim: DIM, values: vectors }),
        Column { field: ids[3], data: ColumnData::VarChar(notes), validity: Some(present) },
    ];
    RowBatch { rows: rows.len(), columns }.encode()
}

/// The rows of a batch, each checked against its own key and version.
///
/// # Errors
/// What does not fit: a torn row.
pub fn decode(batch: &RowBatch) -> Result<Vec<Row>, String> {
    let [keys, versions, vectors, notes] = batch.columns.as_slice() else {
        return Err(format!("{} columns instead of 4", batch.columns.len()));
    };
    (0..batch.rows)
        .map(|at| {
            let key = keys.data.key(at).ok_or("a row without a key")?;
            let ColumnData::Int64(versions) = &versions.data else {
                return Err("versions of another type".into());
            };
            let row = Row { key, version: versions[at] };
            let ColumnData::FloatVector { values, .. } = &vectors.data else {
                return Err("vectors of another type".into());
            };
            let width = DIM as usize;
            if values[at * width..(at + 1) * width] != vector(&row) {
                return Err(format!("row {row:?} has the vector of another"));
            }
            let ColumnData::VarChar(texts) = &notes.data else { return Err("notes of another type".into()) };
            let found = (!notes.is_null(at)).then(|| texts.get(at).to_owned());
            if found != note(&row) {
                return Err(format!("row {row:?} has the note of another: {found:?}"));
            }
            Ok(row)
        })
        .collect()
}

fn int_of(key: &PrimaryKey) -> i64 {
    match key {
        PrimaryKey::Int64(number) => *number,
        PrimaryKey::VarChar(_) => 0,
    }
}

fn text_of(key: &PrimaryKey) -> &str {
    match key {
        PrimaryKey::Int64(_) => "",
        PrimaryKey::VarChar(text) => text,
    }
}

fn vector(row: &Row) -> [f32; DIM as usize] {
    let hash = row.key.stable_hash();
    [(hash % 10_007) as f32, row.version as f32, ((hash ^ row.version as u64) % 997) as f32 / 8.0]
}

fn note(row: &Row) -> Option<String> {
    let length = (row.key.stable_hash() ^ row.version as u64) % 40;
    (!length.is_multiple_of(5)).then(|| format!("{}-{}", row.version, "n".repeat(length as usize)))
}
