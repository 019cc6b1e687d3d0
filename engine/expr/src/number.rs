//! Numbers of filters: integers and floats under one roof, compared exactly and calculated with care.

use std::cmp::Ordering;
use std::fmt;

/// 2^63, the first float above every i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// An integer or a float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

/// Operators of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl ArithOp {
    /// As the user writes it.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            ArithOp::Add => "+",
            ArithOp::Sub => "-",
            ArithOp::Mul => "*",
            ArithOp::Div => "/",
            ArithOp::Mod => "%",
            ArithOp::Pow => "**",
        }
    }
}

impl Number {
    /// The float nearest to the number.
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Number::Int(v) => v as f64,
            Number::Float(v) => v,
        }
    }

    /// `None` where the result is no number: overflow of i64 or f64, division by zero, `%` of floats.
    /// Two integers give an integer (division towards zero), except for a negative exponent.
    pub(crate) fn apply(self, op: ArithOp, other: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (self, other)
            && !(op == ArithOp::Pow && b < 0)
        {
            return apply_ints(a, op, b).map(Number::Int);
        }
        let (a, b) = (self.to_f64(), other.to_f64());
        let result = match op {
            ArithOp::Add => a + b,
            ArithOp::Sub => a - b,
            ArithOp::Mul => a * b,
            ArithOp::Div => a / b,
            ArithOp::Mod => return None,
            ArithOp::Pow => a.powf(b),
        };
        result.is_finite().then_some(Number::Float(result))
    }

    /// `None` for the negation of the smallest integer.
    pub(crate) fn negate(self) -> Option<Number> {
        match self {
            Number::Int(v) => v.checked_neg().map(Number::Int),
            Number::Float(v) => Some(Number::Float(-v)),
        }
    }

    /// Exact order, also between an integer and a float. `None` only for NaN.
    pub(crate) fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Int(a), Number::Float(b)) => order_int_float(a, b),
            (Number::Float(a), Number::Int(b)) => order_int_float(b, a).map(Ordering::reverse),
        }
    }

    /// The integer equal to the number, if there is one.
    pub(crate) fn as_int(self) -> Option<i64> {
        match self {
            Number::Int(v) => Some(v),
            Number::Float(v) if v.trunc() == v && (-I64_END..I64_END).contains(&v) => Some(v as i64),
            Number::Float(_) => None,
        }
    }
}

fn apply_ints(a: i64, op: ArithOp, b: i64) -> Option<i64> {
    match op {
        ArithOp::Add => a.checked_add(b),
        ArithOp::Sub => a.checked_sub(b),
        ArithOp::Mul => a.checked_mul(b),
        ArithOp::Div => a.checked_div(b),
        ArithOp::Mod => a.checked_rem(b),
        ArithOp::Pow => match (a, u32::try_from(b)) {
            (_, Ok(exponent)) => a.checked_pow(exponent),
            (0 | 1, Err(_)) => Some(a),
            (-1, Err(_)) => Some(if b % 2 == 0 { 1 } else { -1 }),
            (_, Err(_)) => None,
        },
    }
}

fn order_int_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        None
    } else if float >= I64_END {
        Some(Ordering::Less)
    } else if float < -I64_END {
        Some(Ordering::Greater)
    } else {
        // The whole part fits an i64; a rest on top of it decides a tie.
        let whole = float.trunc();
        Some(int.cmp(&(whole as i64)).then(0.0f64.total_cmp(&(float - whole + 0.0))))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(v) => write!(f, "{v}"),
            Number::Float(v) => write!(f, "{v:?}"),
        }
    }
}
