//! Comparing answers with the twin's.

mod groups;
mod hits;
mod pages;
mod rows;

pub use groups::{AskedGroups, groups};
pub use hits::{Asked, Found, hits};
pub use pages::{AskedPage, page};
pub use rows::{columns_of, rows};

use crate::cell::Cell;
use crate::shape::Shape;
use crate::twin::Row;
use crate::{Step, broken};
use vecraft_types::api::NamedRows;

/// An answer must have exactly these columns, in this order.
fn same_columns(shape: &Shape, places: &[usize], answer: &NamedRows) -> Step {
    let wanted: Vec<&str> = places.iter().map(|place| shape.fields()[*place].name.as_str()).collect();
    if answer.names != wanted {
        return broken(format!("the answer has the columns {:?}, asked were {wanted:?}", answer.names));
    }
    Ok(())
}

/// Whether an answer's row shows this row.
fn shows(cells: &[Cell], places: &[usize], row: &Row) -> bool {
    places.iter().zip(cells).all(|(place, cell)| row.cells[*place] == *cell)
}

/// A row for a message: without long vectors.
fn shown(cells: &[Cell]) -> String {
    let one = |cell: &Cell| match cell {
        Cell::Vector(vector) if vector.len() > 4 => format!("Vector({:?}..)", &vector[..4]),
        cell => format!("{cell:?}"),
    };
    cells.iter().map(one).collect::<Vec<_>>().join(", ")
}
