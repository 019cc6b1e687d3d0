//! What must be true: the rows that live, in a map by key, and what each write does to them.

use crate::cell::Cell;
use crate::fault::Fault;
use crate::filter::Cond;
use crate::shape::Shape;
use std::collections::BTreeMap;
use vecraft_types::limits::DEFAULT_PARTITION;
use vecraft_types::{FieldSchema, Metric, PkConflict, PrimaryKey, Value};

/// A row that lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its partition.
    pub partition: String,
    /// One a field, in schema order; the key is the first.
    pub cells: Vec<Cell>,
}

/// An index that the user made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its type, as asked for.
    pub index_type: &'static str,
    /// Its metric.
    pub metric: Metric,
    /// Lists of an index that has lists.
    pub lists: u64,
}

/// Which rows a read or delete means.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these partitions; empty means all.
    pub partitions: Vec<String>,
    /// Only rows for which it holds.
    pub filter: Option<Cond>,
}

/// What a write must answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows added.
    pub added: u64,
    /// Rows that stopped living.
    pub deleted: u64,
}

/// The collection as it must be.
#[derive(Clone, Debug)]
pub struct Twin {
    /// What was drawn.
    pub shape: Shape,
    /// Partitions that exist, the default one first.
    pub partitions: Vec<String>,
    /// Rows by key, in order of arrival.
    pub rows: BTreeMap<PrimaryKey, Vec<Row>>,
    /// Indexes by the place of their field.
    pub indexes: BTreeMap<usize, Index>,
    /// A mistake still to be made.
    pub fault: Option<Fault>,
}

impl Twin {
    /// An empty collection.
    pub fn new(shape: Shape) -> Twin {
        let partitions = vec![DEFAULT_PARTITION.to_owned()];
        Twin { shape, partitions, rows: BTreeMap::new(), indexes: BTreeMap::new(), fault: None }
    }

    /// Rows that live.
    pub fn len(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// True when none does.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten()
    }

    /// The rows of a selection, by key.
    pub fn matching(&self, selection: &Selection) -> Vec<&Row> {
        self.iter().filter(|row| self.is_meant(selection, row)).collect()
    }

    fn is_meant(&self, selection: &Selection, row: &Row) -> bool {
        (selection.partitions.is_empty() || selection.partitions.contains(&row.partition))
            && selection.filter.as_ref().is_none_or(|filter| filter.holds(&self.shape.schema, &row.cells))
    }

    /// Adds rows whose keys are known. With [`PkConflict::Reject`] the caller has looked for conflicts.
    pub fn add(&mut self, mut rows: Vec<Row>, rule: PkConflict) -> Written {
        self.spoil(&mut rows);
        if rule == PkConflict::Replace {
            // The last row of a key wins.
            let last: BTreeMap<PrimaryKey, Row> = rows.into_iter().map(|row| (row.key(), row)).collect();
            rows = last.into_values().collect();
        }
        let mut written = Written { added: rows.len() as u64, deleted: 0 };
        for row in rows {
            let place = self.rows.entry(row.key()).or_default();
            if rule == PkConflict::Replace {
                written.deleted += place.len() as u64;
                if self.fault != Some(Fault::KeepReplaced) || place.is_empty() {
                    place.clear();
                } else {
                    self.fault = None;
                }
            }
            place.push(row);
        }
        written
    }

    /// Removes the rows of a selection. Returns how many.
    pub fn delete(&mut self, selection: &Selection) -> u64 {
        let mut doomed: Vec<bool> = self.iter().map(|row| self.is_meant(selection, row)).collect();
        let count = doomed.iter().filter(|is_doomed| **is_doomed).count() as u64;
        if self.fault == Some(Fault::ForgetDelete)
            && let Some(spared) = doomed.iter_mut().find(|is_doomed| **is_doomed)
        {
            *spared = false;
            self.fault = None;
        }
        let mut doomed = doomed.into_iter();
        self.retain(|_| doomed.next() != Some(true));
        count
    }

    /// Removes the rows of these keys, of one partition or of all. Returns how many.
    pub fn delete_keys(&mut self, keys: &[PrimaryKey], partition: Option<&str>) -> u64 {
        let filter = Some(crate::filter::by_keys(keys));
        self.delete(&Selection { partitions: partition.into_iter().map(str::to_owned).collect(), filter })
    }

    /// Forgets a partition with its rows.
    pub fn drop_partition(&mut self, name: &str) {
        self.partitions.retain(|partition| partition != name);
        if self.fault == Some(Fault::KeepPartition) && self.iter().any(|row| row.partition == name) {
            self.fault = None;
            return;
        }
        self.retain(|row| row.partition != name);
    }

    /// Keeps some rows; asks in the order of [`Twin::iter`].
    fn retain(&mut self, mut keep: impl FnMut(&Row) -> bool) {
        self.rows.values_mut().for_each(|rows| rows.retain(&mut keep));
        self.rows.retain(|_, rows| !rows.is_empty());
    }

    /// Makes the planted mistake, when it is one of values.
    fn spoil(&mut self, rows: &mut [Row]) {
        let Some(last) = rows.last_mut() else { return };
        let vector = self.shape.vectors().start;
        match self.fault {
            Some(Fault::OtherVector) => {
                last.cells[vector] = match &last.cells[vector] {
                    Cell::Packed(kind, bytes) => {
                        Cell::Packed(*kind, bytes.iter().map(|byte| byte ^ 5).collect())
                    }
                    floats => Cell::Vector(vec![9.5; floats.floats().len()]),
                }
            }
            Some(Fault::OtherValue) if vector > 1 => {
                let null = Cell::Null;
                last.cells[1] = if last.cells[1] == null { Cell::Int(41) } else { null };
            }
            _ => return,
        }
        self.fault = None;
    }
}

impl Row {
    /// Its key. Rows are made with one.
    pub fn key(&self) -> PrimaryKey {
        self.cells[0].key().unwrap_or(PrimaryKey::Int64(0))
    }
}

/// What is stored for a value that was given (or not: null): its default, `{}` or itself.
pub fn completed(field: &FieldSchema, given: Cell) -> Cell {
    match (given, &field.default_value) {
        (Cell::Null, Some(Value::Bool(value))) => Cell::Bool(*value),
        (Cell::Null, Some(Value::Int(value))) => Cell::Int(*value),
        (Cell::Null, Some(Value::Float(value))) if field.data_type == vecraft_types::DataType::Float => {
            Cell::Float(*value as f32)
        }
        (Cell::Null, Some(Value::Float(value))) => Cell::Double(*value),
        (Cell::Null, Some(Value::Str(text))) => Cell::Text(text.clone()),
        (Cell::Null, _) if field.is_dynamic => Cell::Json("{}".to_owned()),
        (given, _) => given,
    }
}
