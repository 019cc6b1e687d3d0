//! Sums of table entries that codes name: the inner loop of PQ.
//!
//! A look-up is two loads, and gather instructions do no better, so there is one loop for all instruction sets: two sums
//! a row, four rows at a time. The order of additions is the same in both shapes, so four rows equal the single row bit
//! for bit. A code that names no entry cannot be: tables hold every number a code can be, wider codes are masked.

/// How a code row holds its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Two a byte, the first low; 16 entries a part.
    Nibbles,
    /// A byte each; 256 entries a part.
    Bytes,
    /// A little-endian u16 each; so many entries a part, a power of two.
    Words { entries: usize },
}

impl Width {
    /// For numbers of so many bits.
    pub(crate) fn of(nbits: usize) -> Width {
        match nbits {
            ..=4 => Width::Nibbles,
            5..=8 => Width::Bytes,
            more => Width::Words { entries: 1 << more.min(16) },
        }
    }

    /// Entries of a part.
    pub(crate) fn entries(self) -> usize {
        match self {
            Width::Nibbles => 16,
            Width::Bytes => 256,
            Width::Words { entries } => entries,
        }
    }

    /// Bytes of a row of `m` numbers.
    pub(crate) fn row_bytes(self, m: usize) -> usize {
        match self {
            Width::Nibbles => m.div_ceil(2),
            Width::Bytes => m,
            Width::Words { .. } => 2 * m,
        }
    }

    /// Number `part` of a row.
    pub(crate) fn get(self, row: &[u8], part: usize) -> usize {
        match self {
            Width::Nibbles => usize::from(row[part / 2] >> (part % 2 * 4) & 15),
            Width::Bytes => usize::from(row[part]),
            Width::Words { entries } => {
                usize::from(u16::from_le_bytes([row[2 * part], row[2 * part + 1]])) & (entries - 1)
            }
        }
    }

    /// Sets number `part` of a row that is zero there.
    pub(crate) fn set(self, row: &mut [u8], part: usize, number: u32) {
        match self {
            Width::Nibbles => row[part / 2] |= (number as u8 & 15) << (part % 2 * 4),
            Width::Bytes => row[part] = number as u8,
            Width::Words { .. } => row[2 * part..][..2].copy_from_slice(&(number as u16).to_le_bytes()),
        }
    }

    /// Sums of the entries that rows name in `table`, which holds the parts' entries one after the other.
    #[inline]
    pub(crate) fn sums<const N: usize>(self, table: &[f32], rows: [&[u8]; N]) -> [f32; N] {
        match self {
            Width::Nibbles => nibbles(table, rows),
            Width::Bytes => bytes(table, rows),
            Width::Words { entries } => words(table, entries, rows),
        }
    }
}

// Index loops keep the sums in registers.
#[allow(clippy::needless_range_loop)]
#[inline]
fn bytes<const N: usize>(table: &[f32], rows: [&[u8]; N]) -> [f32; N] {
    let (parts, _) = table.as_chunks::<256>();
    let (pairs, rest) = parts.as_chunks::<2>();
    let rows = rows.map(|row| &row[..parts.len()]);
    let mut sums = [[0.0f32; 2]; N];
    for (i, [even, odd]) in pairs.iter().enumerate() {
        for n in 0..N {
            sums[n][0] += even[usize::from(rows[n][2 * i])];
            sums[n][1] += odd[usize::from(rows[n][2 * i + 1])];
        }
    }
    if let [last] = rest {
        for n in 0..N {
            sums[n][0] += last[usize::from(rows[n][2 * pairs.len()])];
        }
    }
    sums.map(|[even, odd]| even + odd)
}

#[allow(clippy::needless_range_loop)]
#[inline]
fn nibbles<const N: usize>(table: &[f32], rows: [&[u8]; N]) -> [f32; N] {
    let (parts, _) = table.as_chunks::<16>();
    let (pairs, rest) = parts.as_chunks::<2>();
    let rows = rows.map(|row| &row[..parts.len().div_ceil(2)]);
    let mut sums = [[0.0f32; 2]; N];
    for (i, [even, odd]) in pairs.iter().enumerate() {
        for n in 0..N {
            sums[n][0] += even[usize::from(rows[n][i] & 15)];
            sums[n][1] += odd[usize::from(rows[n][i] >> 4)];
        }
    }
    if let [last] = rest {
        for n in 0..N {
            sums[n][0] += last[usize::from(rows[n][pairs.len()] & 15)];
        }
    }
    sums.map(|[even, odd]| even + odd)
}

#[inline]
fn words<const N: usize>(table: &[f32], entries: usize, rows: [&[u8]; N]) -> [f32; N] {
    let width = Width::Words { entries };
    rows.map(|row| {
        let parts = table.chunks_exact(entries).enumerate();
        parts.map(|(part, entries)| entries[width.get(row, part)]).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mix;

    #[test]
    fn sums_are_those_of_the_entries_named() {
        for (nbits, m) in [(1, 1), (4, 6), (4, 7), (5, 3), (8, 8), (8, 9), (10, 5), (16, 2), (24, 2)] {
            let width = Width::of(nbits);
            let table: Vec<f32> =
                (0..m * width.entries()).map(|i| (mix(1, i as u64) % 1_000) as f32).collect();
            let rows: [(Vec<u8>, f32); 4] = std::array::from_fn(|n| {
                let mut row = vec![0; width.row_bytes(m)];
                let mut want = 0.0;
                for part in 0..m {
                    let number = mix(n as u64, part as u64) as usize % width.entries();
                    width.set(&mut row, part, number as u32);
                    assert_eq!(width.get(&row, part), number);
                    want += table[part * width.entries() + number];
                }
                (row, want)
            });
            let four = width.sums(&table, rows.each_ref().map(|(row, _)| row.as_slice()));
            for (n, (row, want)) in rows.iter().enumerate() {
                assert_eq!((four[n], width.sums(&table, [row])), (*want, [*want]), "{nbits} bits, {m} parts");
            }
        }
    }
}
