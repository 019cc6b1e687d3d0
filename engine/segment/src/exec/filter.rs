//! A block as the filter language sees it.

use crate::{Block, ColumnValues, Error, Result, ScalarIndexes, Texts, Values, materialise};
use vecraft_expr::{ColumnSource, ColumnValues as FilterValues, ColumnView, FieldIndex, Filter, StrValues};
use vecraft_types::{Bitmap, CollectionSchema, Column, FieldId};

impl StrValues for Texts<'_> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn value(&self, row: usize) -> &str {
        self.get(row)
    }
}

/// The rows of a block, among the `live` ones (`None`: all), for which the filter is true.
pub(super) fn evaluate(
    filter: &Filter,
    schema: &CollectionSchema,
    block: &Block,
    scalars: Option<&ScalarIndexes>,
    live: Option<&Bitmap>,
) -> Result<Bitmap> {
    let mut columns = Vec::new();
    for &field in filter.fields() {
        columns.push((field, FilterColumn::of(schema, block, field)?));
    }
    let source = BlockSource { columns, scalars };
    let rows = match live {
        Some(live) => filter.evaluate_within(&source, live),
        None => filter.evaluate(&source, block.rows()),
    };
    rows.map_err(Error::Filter)
}

enum FilterColumn<'a> {
    Stored(ColumnValues<'a>),
    /// The rows are older than the field: its default, or nulls.
    Missing(Column),
}

impl<'a> FilterColumn<'a> {
    fn of(schema: &CollectionSchema, block: &'a Block, field: FieldId) -> Result<FilterColumn<'a>> {
        if let Some(column) = block.column(field)? {
            return Ok(FilterColumn::Stored(column));
        }
        let blocks = [block.clone()];
        let rows: Vec<(usize, usize)> = (0..block.rows()).map(|row| (0, row)).collect();
        let column = materialise(schema, &blocks, &rows, &[field])?.columns.pop();
        let missing = || Error::Field { field, what: "is not in the schema".to_owned() };
        Ok(FilterColumn::Missing(column.ok_or_else(missing)?))
    }
}

/// Shows a column of a block as filters see it, with the number of its rows.
pub(crate) fn read_column<T>(
    schema: &CollectionSchema,
    block: &Block,
    field: FieldId,
    read: impl FnOnce(&ColumnView<'_>, usize) -> T,
) -> Result<T> {
    let source =
        BlockSource { columns: vec![(field, FilterColumn::of(schema, block, field)?)], scalars: None };
    let no_scalar = || Error::Field { field, what: "is no scalar field".to_owned() };
    Ok(read(&source.column(field).ok_or_else(no_scalar)?, block.rows()))
}

struct BlockSource<'a> {
    columns: Vec<(FieldId, FilterColumn<'a>)>,
    /// Over the rows of the whole segment, which begin with those of the block.
    scalars: Option<&'a ScalarIndexes>,
}

impl ColumnSource for BlockSource<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        match &self.columns.iter().find(|(id, _)| *id == field)?.1 {
            FilterColumn::Stored(column) => {
                let values = match column.values {
                    Values::Bool(v) => FilterValues::Bool(v),
                    Values::Int8(v) => FilterValues::Int8(v),
                    Values::Int16(v) => FilterValues::Int16(v),
                    Values::Int32(v) => FilterValues::Int32(v),
                    Values::Int64(v) => FilterValues::Int64(v),
                    Values::Float(v) => FilterValues::Float(v),
                    Values::Double(v) => FilterValues::Double(v),
                    Values::VarChar(v) => FilterValues::VarChar(Box::new(v)),
                    Values::Json(v) => FilterValues::Json(Box::new(v)),
                    Values::FloatVector { .. } | Values::PackedVector { .. } => return None,
                };
                Some(ColumnView { values, validity: column.validity.as_deref().map(Bitmap::words) })
            }
            FilterColumn::Missing(column) => {
                let validity = column.validity.as_ref().map(Bitmap::words);
                Some(ColumnView { values: FilterValues::of(&column.data)?, validity })
            }
        }
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        self.scalars.map(|scalars| scalars.of(field)).unwrap_or_default()
    }
}
