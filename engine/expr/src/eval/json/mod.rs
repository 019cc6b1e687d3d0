//! Values out of JSON documents. A document is read at most once per evaluation, when a test first needs its row;
//! what the filter's paths do not lead to is skipped.

mod extract;

use crate::ast::Literal;
use crate::plan::PathRef;
use crate::{ColumnValues, ColumnView};
pub(crate) use extract::Tree as PathTree;
use extract::Tree;
use vecraft_types::Bitmap;

/// What a path leads to in one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Found {
    /// Nothing there; also when the row has no document, or text that is no JSON.
    #[default]
    Missing,
    Null,
    Value(Literal),
    /// The elements, where a test asks for them.
    List(Vec<Found>),
    Object,
}

/// What has been read so far.
pub(super) struct Documents {
    /// By slot: the rows whose document has been read.
    read: Vec<Bitmap>,
    /// By path, then row.
    found: Vec<Vec<Found>>,
}

impl Documents {
    pub(super) fn new(slots: usize, paths: usize) -> Documents {
        Documents { read: vec![Bitmap::default(); slots], found: vec![Vec::new(); paths] }
    }

    /// What the path leads to; the row must have been read.
    pub(super) fn get(&self, path: usize, row: usize) -> &Found {
        self.found[path].get(row).unwrap_or(&Found::Missing)
    }

    /// Reads the documents of these rows, unless that was done before.
    pub(super) fn read(&mut self, slot: usize, view: &ColumnView<'_>, paths: &[PathRef], rows: &Bitmap) {
        let ColumnValues::Json(texts) = &view.values else { return };
        let mine = || paths.iter().enumerate().filter(|(_, path)| path.slot == slot);
        if self.read[slot].is_empty() {
            self.read[slot] = Bitmap::new(rows.len(), false);
            mine().for_each(|(i, _)| self.found[i] = vec![Found::Missing; rows.len()]);
        }
        let mut wanted = rows.clone();
        wanted.and_not(&self.read[slot]);
        self.read[slot].or(&wanted);
        if let Some(validity) = view.validity {
            let words = validity.iter().copied().take(rows.words().len()).collect();
            wanted.and(&Bitmap::from_words(rows.len(), words));
        }
        let tree = Tree::new(mine());
        for row in wanted.iter_ones() {
            let found = &mut self.found;
            tree.extract(texts.value(row), &mut |path, value| found[path][row] = value);
        }
    }
}
