//! Numbers: decimal, octal (0..), hexadecimal (0x), binary (0b), and decimal or hexadecimal floats.

use super::{Tok, is_word_part};
use crate::fault::{Fault, Result};

/// Reads the number that begins at byte `at`, and where it ends.
pub(super) fn read(text: &str, at: usize) -> Result<(Tok<'static>, usize)> {
    let rest = &text[at..];
    let (tok, len) = match rest.as_bytes() {
        [b'0', b'x' | b'X', ..] => hexadecimal(rest, at)?,
        [b'0', b'b' | b'B', ..] => {
            let digits = run(&rest[2..], |byte| matches!(byte, b'0' | b'1'));
            (Tok::Int(integer(digits, 2, at)?), 2 + digits.len())
        }
        _ => decimal(rest, at)?,
    };
    if rest.as_bytes().get(len).is_some_and(|byte| is_word_part(*byte)) {
        let len = rest.bytes().take_while(|byte| is_word_part(*byte) || *byte == b'.').count();
        return Err(Fault::new(at, format!("{:?} is not a number", shorten(&rest[..len]))));
    }
    Ok((tok, at + len))
}

fn decimal(rest: &str, at: usize) -> Result<(Tok<'static>, usize)> {
    let whole = digits(rest);
    let mut len = whole.len();
    let mut is_float = false;
    if rest[len..].starts_with('.') {
        is_float = true;
        len += 1 + digits(&rest[len + 1..]).len();
    }
    if let Some(exponent) = exponent_len(&rest[len..], b'e') {
        is_float = true;
        len += exponent;
    }
    if !is_float {
        let base = if whole.len() > 1 && whole.starts_with('0') { 8 } else { 10 };
        return Ok((Tok::Int(integer(whole, base, at)?), len));
    }
    let value: f64 = rest[..len].parse().map_err(|_| Fault::new(at, "this is not a number"))?;
    Ok((Tok::Float(finite(value, at)?), len))
}

fn hexadecimal(rest: &str, at: usize) -> Result<(Tok<'static>, usize)> {
    let is_hex = |byte: u8| byte.is_ascii_hexdigit();
    let whole = run(&rest[2..], is_hex);
    let mut len = 2 + whole.len();
    let fraction = if rest[len..].starts_with('.') { Some(run(&rest[len + 1..], is_hex)) } else { None };
    let after_fraction = len + fraction.map_or(0, |digits| 1 + digits.len());
    let Some(exponent) = exponent_len(&rest[after_fraction..], b'p') else {
        return Ok((Tok::Int(integer(whole, 16, at)?), len));
    };
    len = after_fraction + exponent;
    let fraction = fraction.unwrap_or("");
    if whole.is_empty() && fraction.is_empty() {
        return Err(Fault::new(at, "a hexadecimal number needs digits"));
    }
    let mantissa = whole
        .chars()
        .chain(fraction.chars())
        .fold(0.0f64, |value, digit| value * 16.0 + f64::from(digit.to_digit(16).unwrap_or(0)));
    // Exponents beyond these give 0 or infinity whatever the digits are; the bound keeps the sum in range.
    let exponent: i64 = rest[after_fraction + 1..len].parse().unwrap_or(i64::from(i32::MAX));
    let power = exponent.clamp(-100_000_000, 100_000_000) - 4 * fraction.len() as i64;
    let value = scale(mantissa, power as i32);
    Ok((Tok::Float(finite(value, at)?), len))
}

/// `value * 2^power`, in two steps so that neither factor leaves the range too early.
fn scale(value: f64, power: i32) -> f64 {
    let half = power / 2;
    value * 2f64.powi(half) * 2f64.powi(power - half)
}

/// Length of `e12`, `E-3`, `p4`...; `None` when there is no exponent.
fn exponent_len(rest: &str, letter: u8) -> Option<usize> {
    let bytes = rest.as_bytes();
    if bytes.first()?.to_ascii_lowercase() != letter {
        return None;
    }
    let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
    let digits = digits(rest.get(1 + sign..)?).len();
    (digits > 0).then_some(1 + sign + digits)
}

fn digits(text: &str) -> &str {
    run(text, |byte| byte.is_ascii_digit())
}

fn run(text: &str, belongs: impl Fn(u8) -> bool) -> &str {
    &text[..text.bytes().take_while(|byte| belongs(*byte)).count()]
}

fn integer(digits: &str, base: u32, at: usize) -> Result<u64> {
    if digits.is_empty() {
        return Err(Fault::new(at, "the number has no digits"));
    }
    if base == 8 && digits.contains(['8', '9']) {
        return Err(Fault::new(
            at,
            format!("{digits:?} begins with 0, so it is octal, where 8 and 9 do not exist"),
        ));
    }
    u64::from_str_radix(digits, base)
        .map_err(|_| Fault::new(at, format!("the number {} does not fit int64", shorten(digits))))
}

fn finite(value: f64, at: usize) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Fault::new(at, "the number does not fit a double")) }
}

fn shorten(text: &str) -> String {
    if text.len() <= 40 { text.to_owned() } else { format!("{}...", &text[..40]) }
}
