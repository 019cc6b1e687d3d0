//! The portable loop over blocks of codes of four bits.

use super::SHUFFLE_ROWS;

/// Sums of what the codes of a block count.
pub(crate) fn scan(tables: &[u8], block: &[u8], out: &mut [u32; SHUFFLE_ROWS]) {
    out.fill(0);
    let ((tables, _), (parts, _)) = (tables.as_chunks::<16>(), block.as_chunks::<16>());
    for (table, part) in tables.iter().zip(parts) {
        for i in 0..16 {
            out[i] += u32::from(table[usize::from(part[i] & 15)]);
            out[16 + i] += u32::from(table[usize::from(part[i] >> 4)]);
        }
    }
}
