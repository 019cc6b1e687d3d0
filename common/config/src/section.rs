//! One table of the file: a struct whose fields, documentation, defaults and ranges stand in one place.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use crate::value::ConfigValue;

/// Takes a key, its documentation and its TOML value (`None`: left out).
pub(crate) type KeySink<'a> = dyn FnMut(&'static str, &[&'static str], Option<String>) + 'a;

/// A table that can be read key by key and written back. Implemented by [`section!`].
pub(crate) trait Section: Default {
    /// What the table is about.
    const ABOUT: &'static [&'static str];
    /// Its keys, in order.
    const KEYS: &'static [&'static str];

    /// Takes the value of one of `KEYS`.
    fn read(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), String>;

    /// Hands every key to `out`.
    fn write(&self, out: &mut KeySink<'_>);
}

/// The checks of single values.
pub(crate) trait Checked {
    /// Keys whose value is out of range, with what is wrong.
    fn out_of_range(&self) -> Vec<(&'static str, String)>;
}

/// Declares a table: `key: type = default, range;`, each with its documentation.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $type:ty = $default:expr $(, $range:expr)?; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $( $(#[doc = $doc])* pub $field: $type, )* }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::section::Section for $name {
            const ABOUT: &'static [&'static str] = &[$($about,)*];
            const KEYS: &'static [&'static str] = &[$(stringify!($field),)*];

            fn read(&mut self, key: &str, value: &toml::de::DeValue<'_>) -> Result<(), String> {
                match key {
                    $(stringify!($field) => self.$field = $crate::value::ConfigValue::read(value)?,)*
                    _ => return Err("unknown key".to_string()),
                }
                Ok(())
            }

            fn write(&self, out: &mut $crate::section::KeySink<'_>) {
                $( out(stringify!($field), &[$($doc,)*], $crate::value::ConfigValue::write(&self.$field)); )*
            }
        }

        impl $crate::section::Checked for $name {
            fn out_of_range(&self) -> Vec<(&'static str, String)> {
                #[allow(unused_mut)]
                let mut problems = Vec::new();
                $($(
                    if let Some(problem) = $crate::section::range_problem(&self.$field, $range) {
                        problems.push((stringify!($field), problem));
                    }
                )?)*
                problems
            }
        }
    };
}
pub(crate) use section;

/// What is wrong with a number outside `range`.
pub(crate) fn range_problem(value: &impl ConfigValue, range: RangeInclusive<u64>) -> Option<String> {
    let number = value.number().filter(|number| !range.contains(number))?;
    Some(format!("{number} is out of range, allowed: {} to {}", range.start(), range.end()))
}

/// Writes a table with comments.
pub(crate) fn write_table(text: &mut String, header: &str, section: &impl Section) {
    fn about<S: Section>(_: &S) -> &'static [&'static str] {
        S::ABOUT
    }
    if !text.is_empty() {
        text.push('\n');
    }
    for line in about(section) {
        text.push_str(&format!("#{line}\n"));
    }
    text.push_str(&format!("{header}\n"));
    section.write(&mut |key, doc, value| {
        for line in doc {
            text.push_str(&format!("#{line}\n"));
        }
        match value {
            Some(value) => text.push_str(&format!("{key} = {value}{}\n", in_words(key, &value))),
            None => text.push_str(&format!("# {key} is not set\n")),
        }
    });
}

/// Sizes are easier to read in their unit.
fn in_words(key: &str, value: &str) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Ok(number) = value.parse::<u64>() else {
        return String::new();
    };
    let unit = UNITS.iter().find(|(_, size)| number > 0 && number % size == 0);
    match unit {
        Some((unit, size)) if key.contains("_bytes") => format!("  # {} {unit}", number / size),
        _ => String::new(),
    }
}
