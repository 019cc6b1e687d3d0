//! Reads a document in one pass and keeps only what some paths lead to.

use super::Found;
use crate::ast::Literal;
use crate::number::Number;
use crate::plan::PathRef;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The paths, joined where they begin alike. As deep as the longest path, which is bounded.
#[derive(Default)]
pub(crate) struct Tree {
    /// The path that ends here.
    end: Option<usize>,
    keeps_list: bool,
    children: Vec<Child>,
}

struct Child {
    key: String,
    /// The key as the index of a list.
    index: Option<usize>,
    tree: Tree,
}

/// Takes a path's number and what it leads to.
type Sink<'s> = dyn FnMut(usize, Found) + 's;

impl Tree {
    pub(crate) fn new<'p>(paths: impl Iterator<Item = (usize, &'p PathRef)>) -> Tree {
        let mut root = Tree::default();
        for (path, reference) in paths {
            let tree = reference.steps.iter().fold(&mut root, |tree, step| tree.child(step));
            tree.end = Some(path);
            tree.keeps_list = reference.keeps_list;
        }
        root
    }

    fn child(&mut self, key: &str) -> &mut Tree {
        let at = match self.children.iter().position(|child| child.key == key) {
            Some(at) => at,
            None => {
                let child = Child { key: key.to_owned(), index: key.parse().ok(), tree: Tree::default() };
                self.children.push(child);
                self.children.len() - 1
            }
        };
        &mut self.children[at].tree
    }

    /// Tells the sink what each path leads to. Where nothing is, nothing is told; neither when the text is no JSON.
    pub(crate) fn extract(&self, text: &str, sink: &mut Sink<'_>) {
        let mut reader = serde_json::Deserializer::from_str(text);
        let is_read = self.read(&mut reader, sink).is_ok() && reader.end().is_ok();
        if !is_read {
            self.clear(sink);
        }
    }

    fn read<'de, D: Deserializer<'de>>(&self, reader: D, sink: &mut Sink<'_>) -> Result<(), D::Error> {
        let wants = self.end.is_some();
        let found = Visit { tree: Some(self), wants, sink: &mut *sink }.deserialize(reader)?;
        self.tell(found, sink);
        Ok(())
    }

    fn tell(&self, found: Found, sink: &mut Sink<'_>) {
        if let Some(path) = self.end {
            sink(path, found);
        }
    }

    fn clear(&self, sink: &mut Sink<'_>) {
        self.tell(Found::Missing, sink);
        self.children.iter().for_each(|child| child.tree.clear(sink));
    }
}

/// Reads one value: tells the sink what lies below, returns what the value itself is.
struct Visit<'t, 's, 'o> {
    tree: Option<&'t Tree>,
    /// Whether anyone looks at the value itself.
    wants: bool,
    sink: &'s mut Sink<'o>,
}

impl<'de> DeserializeSeed<'de> for Visit<'_, '_, '_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Found, D::Error> {
        if !self.wants && self.tree.is_none_or(|tree| tree.children.is_empty()) {
            return reader.deserialize_ignored_any(IgnoredAny).map(|_| Found::Missing);
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Visit<'_, '_, '_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Found, E> {
        Ok(Found::Value(Literal::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Found, E> {
        Ok(Found::Value(Literal::Number(Number::Int(value))))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Found, E> {
        let number = i64::try_from(value).map_or(Number::Float(value as f64), Number::Int);
        Ok(Found::Value(Literal::Number(number)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Found, E> {
        Ok(Found::Value(Literal::Number(Number::Float(value))))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Found, E> {
        let text = if self.wants { value.to_owned() } else { String::new() };
        Ok(Found::Value(Literal::Str(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Found, A::Error> {
        let keeps_list = self.tree.is_some_and(|tree| tree.keeps_list);
        let children = self.tree.map_or(&[][..], |tree| &tree.children);
        let mut elements = Vec::new();
        for at in 0.. {
            let child = children.iter().find(|child| child.index == Some(at)).map(|child| &child.tree);
            let wants = keeps_list || child.is_some_and(|child| child.end.is_some());
            let Some(found) = list.next_element_seed(Visit { tree: child, wants, sink: &mut *self.sink })?
            else {
                break;
            };
            if keeps_list {
                elements.push(found.clone());
            }
            if let Some(child) = child {
                child.tell(found, self.sink);
            }
        }
        Ok(Found::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let children = self.tree.map_or(&[][..], |tree| &tree.children);
        while let Some(child) = map.next_key_seed(Key(children))? {
            let Some(child) = child else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // Of a key that stands twice the last one counts, so what lay below the first is forgotten.
            child.tree.clear(self.sink);
            let wants = child.tree.end.is_some();
            let found =
                map.next_value_seed(Visit { tree: Some(&child.tree), wants, sink: &mut *self.sink })?;
            child.tree.tell(found, self.sink);
        }
        Ok(Found::Object)
    }
}

/// Finds the child of a key without keeping the key.
struct Key<'t>(&'t [Child]);

impl<'de, 't> DeserializeSeed<'de> for Key<'t> {
    type Value = Option<&'t Child>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'t> Visitor<'_> for Key<'t> {
    type Value = Option<&'t Child>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|child| child.key == key))
    }
}
