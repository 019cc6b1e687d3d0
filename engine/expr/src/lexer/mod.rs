//! Words, numbers, strings and signs of a filter, one at a time: a list of a million keys is never held as
//! tokens.

mod numbers;
mod strings;

use crate::fault::{Fault, Result};

/// What stands at one place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok<'a> {
    /// A keyword, field, key or function; also `$meta`.
    Word(&'a str),
    /// Without its sign, so that 2^63 can become the smallest int64.
    Int(u64),
    Float(f64),
    Str(String),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// A token and the byte where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) at: usize,
    pub(crate) tok: Tok<'a>,
}

/// Reads a text from left to right. A copy of it looks ahead.
#[derive(Clone, Copy)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the front of the text.
    pub(crate) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// The next token; [`Tok::End`] again and again at the end.
    pub(crate) fn next(&mut self) -> Result<Token<'a>> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let at = self.at;
        let (tok, end) = match bytes.get(at) {
            None => (Tok::End, at),
            Some(b'0'..=b'9') => numbers::read(self.text, at)?,
            Some(b'.') if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => numbers::read(self.text, at)?,
            Some(b'"' | b'\'') => strings::read(self.text, at, false)?,
            Some(byte) if is_word_start(*byte) => self.word(at)?,
            Some(b'$') if self.word_after(at) == "meta" => (Tok::Word(&self.text[at..at + 5]), at + 5),
            Some(_) => sign(self.text, at)?,
        };
        self.at = end;
        Ok(Token { at, tok })
    }

    fn word_after(&self, at: usize) -> &'a str {
        let rest = self.text.get(at + 1..).unwrap_or("");
        let len = rest.bytes().take_while(|byte| is_word_part(*byte)).count();
        &rest[..len]
    }

    /// A word, or a string behind one of the prefixes of C.
    fn word(&self, at: usize) -> Result<(Tok<'a>, usize)> {
        let rest = &self.text[at..];
        let len = rest.bytes().take_while(|byte| is_word_part(*byte)).count();
        let (word, end) = (&rest[..len], at + len);
        if matches!(self.text.as_bytes().get(end), Some(b'"' | b'\'')) {
            match word {
                "r" | "R" => return strings::read(self.text, end, true),
                "u8" | "u" | "U" | "L" => return strings::read(self.text, end, false),
                _ => {}
            }
        }
        Ok((Tok::Word(word), end))
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_word_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn sign(text: &str, at: usize) -> Result<(Tok<'static>, usize)> {
    const DOUBLE: [&str; 11] = ["**", "<=", ">=", "==", "!=", "&&", "||", "<<", ">>", "=~", "!~"];
    const SINGLE: [&str; 19] =
        [",", "(", ")", "[", "]", "<", ">", "+", "-", "*", "/", "%", "!", "{", "}", "&", "|", "^", "~"];
    const ODD: [&str; 2] = ["=", "$"];
    let rest = &text[at..];
    let found = |signs: &'static [&'static str]| signs.iter().find(|sign| rest.starts_with(**sign));
    // A comma is by far the most frequent sign of a long list.
    let hit = if rest.starts_with(',') { SINGLE.first() } else { found(&DOUBLE) };
    match hit.or_else(|| found(&SINGLE)).or_else(|| found(&ODD)) {
        Some(sign) => Ok((Tok::Sign(sign), at + sign.len())),
        None => {
            let odd = rest.chars().next().unwrap_or(' ');
            Err(Fault::new(at, format!("the character {odd:?} has no meaning outside of a string")))
        }
    }
}
