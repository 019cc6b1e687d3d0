//! Strings: `"..."` and `'...'` with the escapes of C, and raw `r"..."`.

use super::Tok;
use crate::fault::{Fault, Result};

/// Reads the string whose opening quote is at byte `at`, and where it ends.
pub(super) fn read(text: &str, at: usize, is_raw: bool) -> Result<(Tok<'static>, usize)> {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let mut value = Vec::new();
    let mut next = at + 1;
    loop {
        match bytes.get(next) {
            None | Some(b'\n' | b'\r') => {
                return Err(Fault::new(at, format!("the string has no closing {}", quote as char)));
            }
            Some(byte) if *byte == quote => break,
            Some(b'\\') if is_raw => {
                // A raw string keeps its backslashes; one before the quote only keeps the string open.
                value.push(b'\\');
                next += 1;
                if let Some(byte) = bytes.get(next).filter(|byte| !matches!(byte, b'\n' | b'\r')) {
                    value.push(*byte);
                    next += 1;
                }
            }
            Some(b'\\') => next = escape(text, next, &mut value)?,
            Some(byte) => {
                value.push(*byte);
                next += 1;
            }
        }
    }
    let value = String::from_utf8(value)
        .map_err(|_| Fault::new(at, "the escapes of this string give bytes that are not UTF-8"))?;
    Ok((Tok::Str(value), next + 1))
}

/// Handles the escape whose backslash is at byte `at`; returns where the text goes on.
fn escape(text: &str, at: usize, value: &mut Vec<u8>) -> Result<usize> {
    let bytes = text.as_bytes();
    let Some(&letter) = bytes.get(at + 1) else {
        return Err(Fault::new(at, "the string ends within an escape"));
    };
    let plain = match letter {
        b'n' => Some(b'\n'),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'a' => Some(7),
        b'b' => Some(8),
        b'f' => Some(12),
        b'v' => Some(11),
        b'\\' | b'\'' | b'"' | b'?' => Some(letter),
        _ => None,
    };
    if let Some(byte) = plain {
        value.push(byte);
        return Ok(at + 2);
    }
    match letter {
        b'0'..=b'7' => {
            let digits = digits(text, at + 1, 3, 8);
            let byte = number(digits, 8, at)?;
            value.push(u8::try_from(byte).map_err(|_| Fault::new(at, "an octal escape goes up to \\377"))?);
            Ok(at + 1 + digits.len())
        }
        b'x' => {
            let digits = digits(text, at + 2, 2, 16);
            value.push(number(digits, 16, at)? as u8);
            Ok(at + 2 + digits.len())
        }
        b'u' | b'U' => {
            let wanted = if letter == b'u' { 4 } else { 8 };
            let digits = digits(text, at + 2, wanted, 16);
            let code = number(digits, 16, at)?;
            let found = char::from_u32(code).filter(|_| digits.len() == wanted);
            let Some(character) = found else {
                let message =
                    format!("\\{} needs {wanted} hexadecimal digits of a character", letter as char);
                return Err(Fault::new(at, message));
            };
            value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(at + 2 + wanted)
        }
        // A backslash before the end of a line joins the lines.
        b'\n' => Ok(at + 2),
        b'\r' => Ok(if bytes.get(at + 2) == Some(&b'\n') { at + 3 } else { at + 2 }),
        // Not an escape of C, but one of `like` ("100\%"): kept as it is.
        _ => {
            value.push(b'\\');
            Ok(at + 1)
        }
    }
}

fn digits(text: &str, at: usize, most: usize, base: u32) -> &str {
    let rest = text.get(at..).unwrap_or("");
    let len = rest.bytes().take(most).take_while(|byte| (*byte as char).is_digit(base)).count();
    &rest[..len]
}

fn number(digits: &str, base: u32, at: usize) -> Result<u32> {
    u32::from_str_radix(digits, base).map_err(|_| Fault::new(at, "the escape has no digits"))
}
