//! Hits of a search: keys, scores and output fields, row by row.

use std::sync::Arc;
use vecraft_types::api::{NamedRows, SearchReply};
use vecraft_types::{ColumnData, Error, PrimaryKey, Result};

/// A row that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its primary key.
    pub key: PrimaryKey,
    /// Milvus's score: L2 squared, HAMMING, JACCARD (smaller is nearer); IP and COSINE as they are.
    pub score: f32,
    rows: Arc<NamedRows>,
    row: usize,
}

impl Hit {
    /// A text or JSON output field; `None` when it is null, absent or of another type.
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.value(field)? {
            ColumnData::VarChar(texts) | ColumnData::Json(texts) => Some(texts.get(self.row)),
            _ => None,
        }
    }

    /// An integer output field.
    pub fn int(&self, field: &str) -> Option<i64> {
        match self.value(field)? {
            ColumnData::Int8(v) => v.get(self.row).map(|x| i64::from(*x)),
            ColumnData::Int16(v) => v.get(self.row).map(|x| i64::from(*x)),
            ColumnData::Int32(v) => v.get(self.row).map(|x| i64::from(*x)),
            ColumnData::Int64(v) => v.get(self.row).copied(),
            _ => None,
        }
    }

    /// A float output field.
    pub fn float(&self, field: &str) -> Option<f64> {
        match self.value(field)? {
            ColumnData::Float(v) => v.get(self.row).map(|x| f64::from(*x)),
            ColumnData::Double(v) => v.get(self.row).copied(),
            _ => None,
        }
    }

    /// A boolean output field.
    pub fn bool(&self, field: &str) -> Option<bool> {
        match self.value(field)? {
            ColumnData::Bool(v) => v.get(self.row).copied(),
            _ => None,
        }
    }

    /// A vector output field of another type than floats: its bytes.
    pub fn packed_vector(&self, field: &str) -> Option<&[u8]> {
        match self.value(field)? {
            ColumnData::PackedVector { kind, dim, bytes } => {
                let width = kind.row_bytes(*dim);
                bytes.get(self.row * width..(self.row + 1) * width)
            }
            _ => None,
        }
    }

    /// A vector output field.
    pub fn vector(&self, field: &str) -> Option<&[f32]> {
        match self.value(field)? {
            ColumnData::FloatVector { dim, values } => {
                let dim = *dim as usize;
                values.get(self.row * dim..(self.row + 1) * dim)
            }
            _ => None,
        }
    }

    fn value(&self, field: &str) -> Option<&ColumnData> {
        self.rows.column(field).filter(|column| !column.is_null(self.row)).map(|column| &column.data)
    }
}

/// Cuts a reply into hits. A reply whose parts do not fit together is the server's fault, never a panic here.
pub(crate) fn hits(reply: SearchReply) -> Result<Vec<Vec<Hit>>> {
    let misfit = || Error::internal("the server's search reply does not fit together");
    if reply.counts.iter().sum::<usize>() != reply.scores.len() || reply.rows.batch.rows != reply.scores.len()
    {
        return Err(misfit());
    }
    let rows = Arc::new(reply.rows);
    let mut scored = reply.scores.into_iter().enumerate();
    let mut answer = Vec::with_capacity(reply.counts.len());
    for count in reply.counts {
        let mut found = Vec::with_capacity(count);
        for (row, score) in scored.by_ref().take(count) {
            let keys = rows.column(&reply.primary_field).ok_or_else(misfit)?;
            let key = keys.data.key(row).ok_or_else(misfit)?;
            found.push(Hit { key, score, rows: rows.clone(), row });
        }
        answer.push(found);
    }
    Ok(answer)
}
