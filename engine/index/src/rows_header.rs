//! What an index's file says of the rows it was built over.

use crate::container::{Reader, Writer};
use crate::make::other_metric;
use crate::{Error, Result, VectorRows};
use vecraft_types::Metric;

/// The start of every payload: metric, number of rows, dimension, fingerprint of the rows.
pub(crate) fn write_rows_header(writer: &mut Writer<'_>, metric: Metric, rows: &VectorRows) -> Result<()> {
    let number = match metric {
        Metric::L2 => 1,
        Metric::Ip => 2,
        Metric::Cosine => 3,
        Metric::Hamming => 4,
        Metric::Jaccard => 5,
    };
    writer.u32(number)?;
    writer.u32(rows.dim() as u32)?;
    writer.u64(rows.len() as u64)?;
    writer.u64(rows.fingerprint())
}

/// Reads what [`write_rows_header`] wrote and compares it with the rows at hand.
pub(crate) fn read_rows_header(reader: &mut Reader<'_>, rows: &VectorRows) -> Result<Metric> {
    let metric = match reader.u32()? {
        1 => Metric::L2,
        2 => Metric::Ip,
        3 => Metric::Cosine,
        4 => Metric::Hamming,
        5 => Metric::Jaccard,
        other => return Err(Error::corrupt(format!("metric number {other} is unknown"))),
    };
    if let Some(what) = other_metric(metric, rows) {
        return Err(Error::corrupt(what));
    }
    let (dim, len) = (reader.u32()? as usize, reader.u64()?);
    if dim != rows.dim() || len != rows.len() as u64 {
        let text = format!("built over {len} x {dim}, given {} x {}", rows.len(), rows.dim());
        return Err(Error::OtherRows(text));
    }
    if reader.u64()? != rows.fingerprint() {
        return Err(Error::OtherRows("the vectors' fingerprint differs".to_owned()));
    }
    Ok(metric)
}
