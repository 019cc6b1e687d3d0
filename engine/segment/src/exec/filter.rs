//! A block as the filter language sees it.

use crate::{Block, ColumnValues, Error, Result, ScalarIndexes, SegmentView, ShardView, Texts, materialise};
use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_expr::{
    Ask, ColumnSource, ColumnValues as FilterValues, ColumnView, Estimate, FieldIndex, Filter, StrValues,
    Zones,
};
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

/// Whether an index answers the filter, or a part of it, for the visible rows of a segment: found out by asking once more.
pub(super) fn is_indexed(filter: &Filter, view: &ShardView, shown: &SegmentView) -> Result<bool> {
    let Some(scalars) = shown.segment.scalars() else { return Ok(false) };
    let is_asked = AtomicBool::new(false);
    for block in shown.segment.blocks(shown.rows) {
        let live = shown.segment.deletes().live(block.first_row(), block.rows() as u32, view.position);
        let mut columns = Vec::new();
        let mut indexes = Vec::new();
        for &field in filter.fields() {
            columns.push((field, FilterColumn::of(&view.schema, &block, field)?));
            let watched = |index| Watched { index, is_asked: &is_asked };
            indexes.push((field, scalars.of(field).into_iter().map(watched).collect::<Vec<_>>()));
        }
        let source = WatchedSource { block: BlockSource { columns, scalars: None }, indexes };
        let live = live.unwrap_or_else(|| Bitmap::new(block.rows(), true));
        filter.evaluate_within(&source, &live).map_err(Error::Filter)?;
    }
    Ok(is_asked.load(Ordering::Relaxed))
}

/// An index that tells whether it was used.
#[derive(Debug)]
struct Watched<'a> {
    index: &'a dyn FieldIndex,
    is_asked: &'a AtomicBool,
}

impl FieldIndex for Watched<'_> {
    fn steps(&self) -> Option<&[String]> {
        self.index.steps()
    }

    fn rows(&self) -> usize {
        self.index.rows()
    }

    fn looked_up(&self, ask: &Ask<'_>) -> usize {
        self.index.looked_up(ask)
    }

    fn estimate(&self, ask: &Ask<'_>) -> Option<Estimate> {
        self.index.estimate(ask)
    }

    fn mark(&self, ask: &Ask<'_>, sure: &mut [u64], unsure: &mut [u64]) {
        self.is_asked.store(true, Ordering::Relaxed);
        self.index.mark(ask, sure, unsure);
    }

    fn mark_known(&self, sure: &mut [u64], unsure: &mut [u64]) {
        self.index.mark_known(sure, unsure);
    }

    fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
    }
}

struct WatchedSource<'a> {
    block: BlockSource<'a>,
    indexes: Vec<(FieldId, Vec<Watched<'a>>)>,
}

impl ColumnSource for WatchedSource<'_> {
    fn column(&self, field: FieldId) -> Option<ColumnView<'_>> {
        self.block.column(field)
    }

    fn zones(&self, field: FieldId) -> Option<&Zones> {
        self.block.zones(field)
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        let of_field = self.indexes.iter().filter(|(id, _)| *id == field);
        of_field.flat_map(|(_, indexes)| indexes).map(|index| index as &dyn FieldIndex).collect()
    }
}

enum FilterColumn<'a> {
    Stored(ColumnValues<'a>, &'a Block),
    /// The rows are older than the field: its default, or nulls.
    Missing(Column),
}

impl<'a> FilterColumn<'a> {
    fn of(schema: &CollectionSchema, block: &'a Block, field: FieldId) -> Result<FilterColumn<'a>> {
        if let Some(column) = block.column(field)? {
            return Ok(FilterColumn::Stored(column, block));
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
            FilterColumn::Stored(column, _) => {
                let values = column.values.for_filters()?;
                Some(ColumnView { values, validity: column.validity.as_deref().map(Bitmap::words) })
            }
            FilterColumn::Missing(column) => {
                let validity = column.validity.as_ref().map(Bitmap::words);
                Some(ColumnView { values: FilterValues::of(&column.data)?, validity })
            }
        }
    }

    fn zones(&self, field: FieldId) -> Option<&Zones> {
        match &self.columns.iter().find(|(id, _)| *id == field)?.1 {
            // The column was verified when it was read; without a map every value is looked at.
            FilterColumn::Stored(_, block) => block.zones(field).ok().flatten(),
            FilterColumn::Missing(_) => None,
        }
    }

    fn indexes(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        self.scalars.map(|scalars| scalars.of(field)).unwrap_or_default()
    }
}
