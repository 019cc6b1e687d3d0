//! Segments by small numbers, so that a row's place takes four bytes for its segment instead of eight.

use vecraft_types::SegmentId;

/// The segments that rows are in. A number means the same segment as long as a row has it, and is then used again.
#[derive(Debug, Default)]
pub struct Segments {
    /// By number: the segment and how many rows are in it.
    rows: Vec<(SegmentId, usize)>,
    /// In order of segments, those with rows.
    numbers: Vec<(SegmentId, u32)>,
    /// Numbers of segments without rows.
    free: Vec<u32>,
    /// The number that was asked for last: mostly the next row is in the same segment.
    last: u32,
}

impl Segments {
    /// Counts one more row in a segment and tells its number.
    pub fn enter(&mut self, segment: SegmentId) -> u32 {
        if let Some((id, rows)) = self.rows.get_mut(self.last as usize)
            && *id == segment
            && *rows > 0
        {
            *rows += 1;
            return self.last;
        }
        let number = match self.numbers.binary_search_by_key(&segment, |(id, _)| *id) {
            Ok(at) => self.numbers[at].1,
            Err(at) => {
                let number = self.free.pop().unwrap_or_else(|| {
                    self.rows.push((segment, 0));
                    self.rows.len() as u32 - 1
                });
                self.numbers.insert(at, (segment, number));
                number
            }
        };
        if let Some(rows) = self.rows.get_mut(number as usize) {
            *rows = (segment, rows.1 + 1);
        }
        self.last = number;
        number
    }

    /// Counts one row less.
    pub fn leave(&mut self, number: u32) {
        let Some((segment, rows)) = self.rows.get_mut(number as usize) else { return };
        *rows -= 1;
        if *rows > 0 {
            return;
        }
        if let Ok(at) = self.numbers.binary_search_by_key(segment, |(id, _)| *id) {
            self.numbers.remove(at);
        }
        self.free.push(number);
        if self.numbers.is_empty() {
            *self = Segments::default();
        }
    }

    /// The segment with this number.
    pub fn get(&self, number: u32) -> SegmentId {
        self.rows.get(number as usize).map_or(SegmentId(0), |(segment, _)| *segment)
    }

    /// Bytes allocated.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<(SegmentId, usize)>()
            + self.numbers.capacity() * size_of::<(SegmentId, u32)>()
            + self.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_segments_without_rows_are_used_again() {
        let mut segments = Segments::default();
        let (five, three) = (segments.enter(SegmentId(5)), segments.enter(SegmentId(3)));
        assert_eq!((segments.enter(SegmentId(5)), segments.get(five)), (five, SegmentId(5)));
        segments.leave(three);
        let nine = segments.enter(SegmentId(9));
        assert_eq!((nine, segments.get(nine), segments.get(five)), (three, SegmentId(9), SegmentId(5)));
        segments.leave(five);
        assert_eq!(segments.get(five), SegmentId(5), "one row is left");
        let one = segments.bytes();
        for segment in 10..10_000 {
            let number = segments.enter(SegmentId(segment));
            assert_eq!(segments.get(number), SegmentId(segment));
            segments.leave(number);
        }
        assert!(segments.bytes() <= 2 * one, "{} after {one}", segments.bytes());
        segments.leave(five);
        segments.leave(nine);
        assert_eq!(segments.bytes(), 0);
    }
}
