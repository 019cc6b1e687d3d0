//! Rows by column, as the caller has them.

use vecraft_types::api::NamedRows;
use vecraft_types::limits::META_FIELD;
use vecraft_types::{Bitmap, Column, ColumnData, Error, FieldId, Packed, Result};

/// Rows to be written, one call a column. What does not fit together is said when they are sent.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    columns: Vec<(String, Column)>,
    wrong: Option<String>,
}

macro_rules! plain {
    ($($(#[$doc:meta])* $method:ident($type:ty) = $variant:ident;)+) => {
        $($(#[$doc])*
        pub fn $method(self, field: &str, values: impl IntoIterator<Item = $type>) -> Rows {
            self.data(field, ColumnData::$variant(values.into_iter().collect()))
        })+
    };
}

impl Rows {
    /// No columns yet.
    pub fn new() -> Rows {
        Rows::default()
    }

    plain! {
        /// A column of booleans.
        bool(bool) = Bool;
        /// A column of 8-bit integers.
        int8(i8) = Int8;
        /// A column of 16-bit integers.
        int16(i16) = Int16;
        /// A column of 32-bit integers.
        int32(i32) = Int32;
        /// A column of 64-bit integers.
        int64(i64) = Int64;
        /// A column of 32-bit floats.
        float(f32) = Float;
        /// A column of 64-bit floats.
        double(f64) = Double;
    }

    /// A column of text.
    pub fn varchar<S: AsRef<str>>(self, field: &str, values: impl IntoIterator<Item = S>) -> Rows {
        self.data(field, ColumnData::VarChar(values.into_iter().collect()))
    }

    /// A column of JSON documents, as text.
    pub fn json<S: AsRef<str>>(self, field: &str, values: impl IntoIterator<Item = S>) -> Rows {
        self.data(field, ColumnData::Json(values.into_iter().collect()))
    }

    /// Values of fields that the schema does not name: one JSON object a row. The collection needs a dynamic field.
    pub fn dynamic<S: AsRef<str>>(self, objects: impl IntoIterator<Item = S>) -> Rows {
        self.json(META_FIELD, objects)
    }

    /// A column of vectors, one after another; `values` has `dim` numbers a row.
    pub fn vectors(mut self, field: &str, dim: u32, values: Vec<f32>) -> Rows {
        if dim == 0 || !values.len().is_multiple_of(dim as usize) {
            let text = format!("field {field:?}: {} numbers are no whole vectors of {dim}", values.len());
            self.wrong.get_or_insert(text);
        }
        self.data(field, ColumnData::FloatVector { dim, values })
    }

    /// A column of vectors of another type, one after another, little-endian; `bytes` has [`Packed::row_bytes`] a row:
    /// an eighth of `dim` for bits, twice for 16-bit floats, as many for int8.
    pub fn packed_vectors(mut self, field: &str, kind: Packed, dim: u32, bytes: Vec<u8>) -> Rows {
        let width = kind.row_bytes(dim);
        if width == 0 || !bytes.len().is_multiple_of(width) {
            let text =
                format!("field {field:?}: {} bytes are no whole vectors of {width} bytes", bytes.len());
            self.wrong.get_or_insert(text);
        }
        self.data(field, ColumnData::PackedVector { kind, dim, bytes })
    }

    /// Says which rows of the column given last are null: `false` means null.
    pub fn present(mut self, present: impl IntoIterator<Item = bool>) -> Rows {
        let present: Vec<bool> = present.into_iter().collect();
        match self.columns.last_mut() {
            Some((_, column)) => {
                let mut bits = Bitmap::new(present.len(), false);
                present.iter().enumerate().filter(|(_, p)| **p).for_each(|(row, _)| bits.set(row, true));
                column.validity = Some(bits);
            }
            None => {
                self.wrong.get_or_insert_with(|| "present() was called before any column".to_owned());
            }
        }
        self
    }

    /// A column in its inner form.
    pub fn data(mut self, field: &str, data: ColumnData) -> Rows {
        // `NamedRows` numbers the columns itself.
        self.columns.push((field.to_owned(), Column::new(FieldId(0), data)));
        self
    }

    /// The rows as the verbs take them.
    ///
    /// # Errors
    /// [`Code::InvalidParameter`](vecraft_types::Code::InvalidParameter) when columns differ in length.
    pub fn build(self) -> Result<NamedRows> {
        if let Some(wrong) = self.wrong {
            return Err(Error::invalid(wrong));
        }
        let lengths: Vec<String> = self
            .columns
            .iter()
            .map(|(name, column)| match &column.validity {
                Some(bits) if bits.len() != column.data.rows() => {
                    format!("{name}: {} with present() of {}", column.data.rows(), bits.len())
                }
                _ => format!("{name}: {}", column.data.rows()),
            })
            .collect();
        NamedRows::new(self.columns)
            .ok_or_else(|| Error::invalid(format!("the columns differ in length ({})", lengths.join(", "))))
    }
}
