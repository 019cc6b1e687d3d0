//! Values as the twin holds them, and the way to and from the columns of requests and answers.

use vecraft_types::api::NamedRows;
use vecraft_types::{Bitmap, Column, ColumnData, DataType, FieldId, Packed, PrimaryKey, StrColumn};

/// One value of one row. Equal means equal to the bit, so that -0.0 is not 0.0.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Absent.
    Null,
    /// A Bool.
    Bool(bool),
    /// Any of the integer types.
    Int(i64),
    /// A Float.
    Float(f32),
    /// A Double.
    Double(f64),
    /// A VarChar.
    Text(String),
    /// JSON as written.
    Json(String),
    /// A vector of floats.
    Vector(Vec<f32>),
    /// A vector of other elements.
    Packed(Packed, Vec<u8>),
}

impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Null, Cell::Null) => true,
            (Cell::Bool(a), Cell::Bool(b)) => a == b,
            (Cell::Int(a), Cell::Int(b)) => a == b,
            (Cell::Float(a), Cell::Float(b)) => a.to_bits() == b.to_bits(),
            (Cell::Double(a), Cell::Double(b)) => a.to_bits() == b.to_bits(),
            (Cell::Text(a), Cell::Text(b)) | (Cell::Json(a), Cell::Json(b)) => a == b,
            (Cell::Vector(a), Cell::Vector(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits())
            }
            (Cell::Packed(of_a, a), Cell::Packed(of_b, b)) => of_a == of_b && a == b,
            _ => false,
        }
    }
}

impl Cell {
    /// The key that this cell is, when it can be one.
    pub fn key(&self) -> Option<PrimaryKey> {
        match self {
            Cell::Int(key) => Some(PrimaryKey::Int64(*key)),
            Cell::Text(key) => Some(PrimaryKey::VarChar(key.as_str().into())),
            _ => None,
        }
    }

    /// The cell of a key.
    pub fn of_key(key: &PrimaryKey) -> Cell {
        match key {
            PrimaryKey::Int64(key) => Cell::Int(*key),
            PrimaryKey::VarChar(key) => Cell::Text(key.to_string()),
        }
    }

    /// The floats inside, empty for anything else.
    pub fn floats(&self) -> &[f32] {
        if let Cell::Vector(vector) = self { vector } else { &[] }
    }

    /// The bytes of a packed vector, empty for anything else.
    pub fn bytes(&self) -> &[u8] {
        if let Cell::Packed(_, bytes) = self { bytes } else { &[] }
    }

    fn int(&self) -> i64 {
        if let Cell::Int(value) = self { *value } else { 0 }
    }

    fn text(&self) -> &str {
        if let Cell::Text(text) | Cell::Json(text) = self { text } else { "" }
    }
}

/// A column of these cells; nulls get the type's placeholder.
pub fn column(data_type: DataType, cells: &[&Cell]) -> Column {
    let texts = || cells.iter().map(|cell| cell.text()).collect::<StrColumn>();
    let data = match data_type {
        DataType::Bool => ColumnData::Bool(cells.iter().map(|c| matches!(c, Cell::Bool(true))).collect()),
        DataType::Int8 => ColumnData::Int8(cells.iter().map(|c| c.int() as i8).collect()),
        DataType::Int16 => ColumnData::Int16(cells.iter().map(|c| c.int() as i16).collect()),
        DataType::Int32 => ColumnData::Int32(cells.iter().map(|c| c.int() as i32).collect()),
        DataType::Int64 => ColumnData::Int64(cells.iter().map(|c| c.int()).collect()),
        DataType::Float => {
            ColumnData::Float(cells.iter().map(|c| if let Cell::Float(v) = c { *v } else { 0.0 }).collect())
        }
        DataType::Double => {
            ColumnData::Double(cells.iter().map(|c| if let Cell::Double(v) = c { *v } else { 0.0 }).collect())
        }
        DataType::VarChar { .. } => ColumnData::VarChar(texts()),
        DataType::Json => ColumnData::Json(texts()),
        DataType::FloatVector { dim } => {
            let values = cells.iter().flat_map(|c| c.floats().iter().copied()).collect();
            ColumnData::FloatVector { dim, values }
        }
        DataType::BinaryVector { dim } => packed(Packed::Bit, dim, cells),
        DataType::Float16Vector { dim } => packed(Packed::Float16, dim, cells),
        DataType::BFloat16Vector { dim } => packed(Packed::BFloat16, dim, cells),
        DataType::Int8Vector { dim } => packed(Packed::Int8, dim, cells),
    };
    let valid: Bitmap = cells.iter().map(|cell| !matches!(cell, Cell::Null)).collect();
    Column { field: FieldId(0), data, validity: (!valid.all()).then_some(valid) }
}

fn packed(kind: Packed, dim: u32, cells: &[&Cell]) -> ColumnData {
    let bytes = cells.iter().flat_map(|cell| cell.bytes().iter().copied()).collect();
    ColumnData::PackedVector { kind, dim, bytes }
}

/// The cell of one row of an answer.
pub fn cell(column: &Column, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match &column.data {
        ColumnData::Bool(v) => Cell::Bool(v[row]),
        ColumnData::Int8(v) => Cell::Int(v[row].into()),
        ColumnData::Int16(v) => Cell::Int(v[row].into()),
        ColumnData::Int32(v) => Cell::Int(v[row].into()),
        ColumnData::Int64(v) => Cell::Int(v[row]),
        ColumnData::Float(v) => Cell::Float(v[row]),
        ColumnData::Double(v) => Cell::Double(v[row]),
        ColumnData::VarChar(v) => Cell::Text(v.get(row).to_owned()),
        ColumnData::Json(v) => Cell::Json(v.get(row).to_owned()),
        ColumnData::FloatVector { dim, values } => {
            let dim = *dim as usize;
            Cell::Vector(values[row * dim..(row + 1) * dim].to_vec())
        }
        ColumnData::PackedVector { kind, dim, bytes } => {
            let width = kind.row_bytes(*dim);
            Cell::Packed(*kind, bytes[row * width..(row + 1) * width].to_vec())
        }
    }
}

/// All cells of an answer's rows, row by row.
pub fn cells(rows: &NamedRows) -> Vec<Vec<Cell>> {
    let row = |row: usize| rows.batch.columns.iter().map(|column| cell(column, row)).collect();
    (0..rows.batch.rows).map(row).collect()
}
