//! One family of operations a file. Each draws a request, notes it, sends it, and compares the answer with the twin's.

mod bad_input;
mod ddl;
mod deletes;
mod groups;
mod indexes;
mod inserts;
pub mod iterators;
pub mod ranges;
mod reads;
mod restarts;
mod searches;

use crate::life::Life;
use crate::twin::Selection;
use crate::{Broken, filter};
use vecraft_types::Timestamp;
use vecraft_types::api::Consistency;

/// The only collection's name.
pub(crate) const COLLECTION: &str = "model";

/// An answer that should not be an error.
pub(crate) fn unexpected(what: &str) -> impl Fn(vecraft_types::Error) -> Broken + '_ {
    move |error| Broken(format!("{what} is refused: {error} (code {})", error.code.number()))
}

impl Life {
    /// Some partitions (mostly all) and, in `percent` of a hundred cases, a filter.
    fn draw_selection(&mut self, percent: u64) -> Selection {
        let mut selection = Selection::default();
        if self.rng.chance(25) {
            let count = self.rng.between(1, 2);
            for _ in 0..count {
                selection.partitions.extend(self.rng.pick(&self.twin.partitions).cloned());
            }
        }
        if self.rng.chance(percent) {
            selection.filter = Some(filter::draw(&mut self.rng, &self.twin.shape));
        }
        selection
    }

    /// Any level. With one client and one node all of them show what was acknowledged (P8).
    fn draw_consistency(&mut self) -> Consistency {
        match self.rng.below(5) {
            0 => Consistency::Session(self.last),
            1 => Consistency::Bounded(self.rng.below(2) * 5_000, self.last),
            2 => Consistency::Bounded(5_000, Timestamp::ZERO),
            3 => Consistency::Eventually,
            _ => Consistency::Strong,
        }
    }

    /// Names of fields to return: some, all, or keys of `$meta`.
    fn draw_output(&mut self) -> Vec<String> {
        if self.rng.chance(25) {
            return vec!["*".to_owned()];
        }
        let count = self.rng.below(4);
        let mut names = Vec::new();
        for _ in 0..count {
            let field = self.rng.pick(self.twin.shape.fields());
            names.extend(field.map(|field| field.name.clone()));
        }
        if self.twin.shape.meta().is_some() && self.rng.chance(20) {
            names.push("color".to_owned());
        }
        names
    }
}

/// A filter as the request writes it.
fn text_of(selection: &Selection) -> String {
    selection.filter.as_ref().map(ToString::to_string).unwrap_or_default()
}
