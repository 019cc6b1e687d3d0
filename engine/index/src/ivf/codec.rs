//! The lists of IVF_FLAT and BIN_IVF_FLAT as bytes.

use super::IvfFlat;
use super::lists::Lists;
use crate::container::{Reader, Writer};
use crate::rows_header::{read_rows_header, write_rows_header};
use crate::scorer::Scorer;
use crate::{Result, VectorIndex, VectorRows};
use std::io::Write;

pub(super) fn write(index: &IvfFlat, out: &mut dyn Write) -> Result<()> {
    let mut writer = Writer::new(out, index.kind())?;
    write_rows_header(&mut writer, index.scorer.metric, &index.scorer.rows)?;
    writer.u64(index.lists.len() as u64)?;
    writer.u64(index.seed)?;
    index.scorer.write(&mut writer)?;
    index.lists.write(&mut writer)?;
    writer.finish()
}

impl IvfFlat {
    /// Reads what `save` wrote.
    pub(crate) fn read(mut reader: Reader<'_>, rows: VectorRows) -> Result<IvfFlat> {
        let metric = read_rows_header(&mut reader, &rows)?;
        let (nlist, seed) = (reader.u64()? as usize, reader.u64()?);
        let scorer = Scorer::read(&mut reader, metric, rows)?;
        let lists = Lists::read(&mut reader, nlist, &scorer.rows)?;
        reader.finish()?;
        Ok(IvfFlat { scorer, seed, lists })
    }
}
