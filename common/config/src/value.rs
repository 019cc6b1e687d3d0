//! How one value is read from TOML and written back.

use std::path::PathBuf;

use toml::de::{DeInteger, DeValue};

/// A type that a key may have.
pub(crate) trait ConfigValue: Sized {
    /// Reads it, or says what was expected and what was there.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;

    /// As TOML; `None` when the key would be left out.
    fn write(&self) -> Option<String>;

    /// Its size when it is a number, for range checks.
    fn number(&self) -> Option<u64> {
        None
    }
}

impl ConfigValue for u64 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let integer = value.as_integer().ok_or_else(|| expected("a whole number", value))?;
        let text = integer_text(integer);
        Self::from_str_radix(&text, integer.radix())
            .map_err(|_| format!("{text} is not a whole number from 0 to {}", i64::MAX))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

impl ConfigValue for u16 {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = u64::read(value)?;
        Self::try_from(number).map_err(|_| format!("{number} is out of range, allowed: 0 to {}", Self::MAX))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn number(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
}

impl ConfigValue for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| expected("true or false", value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl ConfigValue for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_str().map(Self::from).ok_or_else(|| expected("a text in quotes", value))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl ConfigValue for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_str().map(Self::from).ok_or_else(|| expected("a path in quotes", value))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl<T: ConfigValue> ConfigValue for Option<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(ConfigValue::write)
    }
}

impl<T: ConfigValue> ConfigValue for Vec<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let array = value.as_array().ok_or_else(|| expected("a list in brackets", value))?;
        array.iter().map(|entry| T::read(entry.get_ref())).collect()
    }

    fn write(&self) -> Option<String> {
        let entries: Vec<_> = self.iter().filter_map(ConfigValue::write).collect();
        Some(format!("[{}]", entries.join(", ")))
    }
}

/// A value that is one of a few words.
macro_rules! word {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::value::ConfigValue for $name {
            fn read(value: &toml::de::DeValue<'_>) -> Result<Self, String> {
                let words: Vec<_> = Self::ALL.iter().map(|known| known.name()).collect();
                let word = value.as_str().unwrap_or_default();
                Self::ALL.iter().copied().find(|known| known.name() == word).ok_or_else(|| {
                    format!("{} is none of {}", $crate::value::shown(value), words.join(", "))
                })
            }

            fn write(&self) -> Option<String> {
                Some(format!("\"{}\"", self.name()))
            }
        }
    };
}
pub(crate) use word;

fn expected(what: &str, value: &DeValue<'_>) -> String {
    format!("{} is not {what}", shown(value))
}

/// A value as a message shows it: short ones as they are, long ones by their type.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    if let Some(text) = value.as_str() {
        return quoted(text);
    }
    if let Some(integer) = value.as_integer() {
        return integer_text(integer);
    }
    match value {
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Float(float) => float.as_str().to_string(),
        other => format!("this {}", other.type_str()),
    }
}

fn integer_text(integer: &DeInteger<'_>) -> String {
    integer.as_str().replace('_', "")
}

/// A TOML text, with what must be escaped escaped.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}
