//! Which rows a walk has seen. One byte a row and a running tag, so that a new walk clears nothing.

/// Marks for one walk at a time.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    tags: Vec<u8>,
    tag: u8,
}

impl Visited {
    /// Forgets the last walk and covers `rows` rows. Writes all bytes once in 255 walks.
    pub(crate) fn reset(&mut self, rows: usize) {
        if self.tags.len() < rows {
            self.tags = vec![0; rows];
            self.tag = 0;
        }
        self.tag = self.tag.wrapping_add(1);
        if self.tag == 0 {
            self.tags.fill(0);
            self.tag = 1;
        }
    }

    /// Marks a row; true if it was not marked in this walk.
    #[inline(always)]
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        let slot = &mut self.tags[row as usize];
        let fresh = *slot != self.tag;
        *slot = self.tag;
        fresh
    }
}
