//! A filter in pieces: which part of an `and` a row fails, and whether the part is false of it or unknown.

use crate::Filter;
use crate::plan::Plan;

impl Filter {
    /// The parts of the `and` that the filter is, in the order in which they are looked at; the filter itself when it is no `and`.
    pub fn parts(&self) -> Vec<Filter> {
        match &self.plan {
            Plan::And(parts) => parts.iter().map(|part| self.with(part.clone())).collect(),
            _ => vec![self.clone()],
        }
    }

    /// The filter that is true where this one is false. Where this one is unknown it is unknown as well: a row for which
    /// neither is true has a null, or lacks a value, where it matters.
    pub fn negated(&self) -> Filter {
        self.with(negated(&self.plan))
    }

    fn with(&self, plan: Plan) -> Filter {
        let mut part = self.clone();
        part.plan = plan;
        part
    }
}

/// `not` goes down to the tests, as it does while typing.
fn negated(plan: &Plan) -> Plan {
    match plan {
        Plan::Constant(value) => Plan::Constant(!value),
        Plan::And(parts) => Plan::Or(parts.iter().map(negated).collect()),
        Plan::Or(parts) => Plan::And(parts.iter().map(negated).collect()),
        Plan::Leaf { test, is_negated } => Plan::Leaf { test: test.clone(), is_negated: !is_negated },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::Filter;
    use crate::tests::{ROWS, batch, rows, schema};

    fn rows_of(filter: &Filter) -> Vec<usize> {
        filter.evaluate(&batch(), ROWS).unwrap().iter_ones().collect()
    }

    #[test]
    fn all_parts_together_are_the_filter() {
        let text = "size > 0 and (name == \"bob\" or flag) and not (score > 2.6)";
        let whole = Filter::parse(text, &schema()).unwrap();
        let parts = whole.parts();
        assert_eq!(parts.len(), 3, "{whole}");
        let mut all: Vec<usize> = (0..ROWS).collect();
        parts.iter().for_each(|part| all.retain(|row| rows_of(part).contains(row)));
        assert_eq!(all, rows(text));
        let lone = Filter::parse("size > 0 or flag", &schema()).unwrap();
        assert_eq!(lone.parts().iter().map(ToString::to_string).collect::<Vec<_>>(), [lone.to_string()]);
    }

    #[test]
    fn the_negated_filter_is_the_one_that_the_language_makes_of_not() {
        for text in [
            "age > 1",
            "big in [0, 1] and score < 0.5",
            "name like \"a%\" or (flag and count != 7)",
            "doc[\"a\"] > 1",
            "1 < 2",
            "age is null",
        ] {
            let turned = Filter::parse(text, &schema()).unwrap().negated();
            assert_eq!(rows_of(&turned), rows(&format!("not ({text})")), "{text}");
        }
    }
}
