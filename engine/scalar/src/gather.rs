//! Pieces of texts while they are gathered, in no more memory than there is room for.

use crate::grams::{self, GramRows};
use crate::{Error, Result};
use std::collections::HashMap;

/// What a distinct piece takes beside its text and its rows: its place in a table that grows, then in a list.
pub(crate) const PIECE_BYTES: u64 = 256;
/// How often the text and the rows of a piece are there, as for texts.
pub(crate) const PIECE_COPIES: u64 = 4;

/// See the module.
pub(crate) struct GramsFound {
    lengths: [u32; 2],
    grams: HashMap<String, GramRows>,
    /// Those of the text at hand; kept for its memory.
    seen: Vec<(usize, usize)>,
    /// Bytes of memory that the build may take, and those that what is here will have taken at its end.
    room: u64,
    bytes: u64,
}

impl GramsFound {
    pub(crate) fn new(lengths: [u32; 2], room: u64) -> GramsFound {
        GramsFound { lengths, grams: HashMap::new(), seen: Vec::new(), room, bytes: 0 }
    }

    /// Adds the pieces of a row's text; rows come in order.
    ///
    /// # Errors
    /// [`Error::NoRoom`], before the room is used up.
    pub(crate) fn add(&mut self, row: usize, text: &str) -> Result<()> {
        let both = if self.lengths[0] == self.lengths[1] { &self.lengths[..1] } else { &self.lengths[..] };
        self.seen.clear();
        for length in both {
            let mut at = 0;
            for piece in grams::pieces(text, *length as usize) {
                // Pieces begin one character apart.
                self.seen.push((at, at + piece.len()));
                at += piece.chars().next().map_or(0, char::len_utf8);
            }
        }
        self.seen.sort_unstable_by(|a, b| text[a.0..a.1].cmp(&text[b.0..b.1]));
        self.seen.dedup_by(|a, b| text[a.0..a.1] == text[b.0..b.1]);
        for (start, end) in &self.seen {
            let piece = &text[*start..*end];
            let grown = match self.grams.get_mut(piece) {
                Some(rows) => rows.push(row as u32),
                None => {
                    let rows = self.grams.entry(piece.to_owned()).or_default();
                    self.bytes += PIECE_BYTES + piece.len() as u64 * PIECE_COPIES;
                    rows.push(row as u32)
                }
            };
            self.bytes += grown as u64 * PIECE_COPIES;
            if self.bytes > self.room {
                return Err(Error::NoRoom { room: self.room, pieces: self.grams.len(), rows: row + 1 });
            }
        }
        Ok(())
    }

    /// The pieces in their order.
    pub(crate) fn in_order(self) -> Vec<(String, GramRows)> {
        let mut grams: Vec<(String, GramRows)> = self.grams.into_iter().collect();
        grams.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        grams
    }
}
