//! The lists as bytes. Read back, every row must stand in exactly one list.

use super::IvfFlat;
use crate::container::{Reader, Writer};
use crate::scorer::Scorer;
use crate::vector_index::{read_rows_header, write_rows_header};
use crate::{Error, IndexKind, Result, VectorRows};
use std::io::Write;
use vecraft_types::Bitmap;

pub(super) fn write(index: &IvfFlat, out: &mut dyn Write) -> Result<()> {
    let mut writer = Writer::new(out, IndexKind::IvfFlat)?;
    write_rows_header(&mut writer, index.scorer.metric, &index.scorer.rows)?;
    writer.u64(index.nlist() as u64)?;
    writer.u64(index.seed)?;
    index.scorer.write(&mut writer)?;
    writer.slice(&index.centroids)?;
    writer.slice(&index.starts)?;
    writer.slice(&index.members)?;
    writer.finish()
}

impl IvfFlat {
    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<IvfFlat> {
        let metric = read_rows_header(&mut reader, &rows)?;
        let count = rows.len();
        let (nlist, seed) = (reader.u64()? as usize, reader.u64()?);
        if nlist > count || (nlist == 0 && count > 0) {
            return Err(Error::corrupt(format!("{nlist} lists for {count} rows")));
        }
        let dim = rows.dim();
        let scorer = Scorer::read(&mut reader, metric, rows)?;
        let centroids = reader.slice(nlist * dim, "centroids")?;
        let starts: Vec<u32> = reader.slice(nlist + 1, "starts of lists")?;
        let members: Vec<u32> = reader.slice(count, "members of lists")?;
        reader.finish()?;
        let ends_right = starts.first() == Some(&0) && starts.last().copied() == Some(count as u32);
        if !ends_right || !starts.is_sorted() {
            return Err(Error::corrupt("starts of lists do not cover the rows"));
        }
        let mut seen = Bitmap::new(count, false);
        members.iter().for_each(|&row| seen.set(row as usize, true));
        if !seen.all() {
            return Err(Error::corrupt("a row is in no list"));
        }
        Ok(IvfFlat { scorer, seed, centroids, starts, members })
    }
}
