//! Which rows of a column have a value, and where it goes.

use vecraft_types::{Bitmap, Column, ColumnData, Error, FieldId, Result};

/// Which rows have a value. Empty `bits`: all of them.
pub(super) struct Validity {
    rows: usize,
    bits: Vec<bool>,
    present: usize,
}

impl Validity {
    pub(super) fn new(bits: Vec<bool>, rows: usize) -> Result<Validity> {
        if !bits.is_empty() && bits.len() != rows {
            let text = format!("valid_data has {} entries, the request has {rows} rows", bits.len());
            return Err(Error::invalid(text));
        }
        let present = if bits.is_empty() { rows } else { bits.iter().filter(|bit| **bit).count() };
        Ok(Validity { rows, bits, present })
    }

    pub(super) fn all(&self) -> bool {
        self.present == self.rows
    }

    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.bits.get(row).copied().unwrap_or(true)
    }

    /// One value a row. Clients leave null rows out; some send a placeholder instead.
    pub(super) fn spread<T: Default>(&self, values: Vec<T>) -> Result<Vec<T>> {
        if values.len() == self.rows {
            return Ok(values);
        }
        if values.len() != self.present {
            let nulls = self.rows - self.present;
            return Err(Error::invalid(format!(
                "the column has {} values, the request has {} rows ({nulls} of them null)",
                values.len(),
                self.rows
            )));
        }
        let mut values = values.into_iter();
        let mut next =
            |row| if self.is_valid(row) { values.next().unwrap_or_default() } else { T::default() };
        Ok((0..self.rows).map(&mut next).collect())
    }

    pub(super) fn column(&self, data: ColumnData) -> Column {
        let validity = (!self.all()).then(|| self.bits.iter().copied().collect::<Bitmap>());
        Column { field: FieldId(0), data, validity }
    }
}
