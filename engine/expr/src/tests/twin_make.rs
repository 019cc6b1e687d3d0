//! Strategies for random, well-typed conditions.

use super::twin_conditions::{Cond, Expr, Val};
use proptest::prelude::*;
use proptest::sample::select;

const PATHS: [Expr; 9] = [
    Expr::Path("doc", "doc", ""),
    Expr::Path("doc['a']", "doc", "/a"),
    Expr::Path("doc[\"b\"][0]", "doc", "/b/0"),
    Expr::Path("doc['b'][4]", "doc", "/b/4"),
    Expr::Path("doc['s']", "doc", "/s"),
    Expr::Path("a", "$meta", "/a"),
    Expr::Path("$meta['s']", "$meta", "/s"),
    Expr::Path("b[1]", "$meta", "/b/1"),
    Expr::Path("nowhere", "$meta", "/nowhere"),
];

fn int() -> impl Strategy<Value = Val> {
    select(vec![
        i64::MIN,
        -(1 << 53) - 1,
        -200,
        -128,
        -2,
        -1,
        0,
        1,
        2,
        3,
        7,
        128,
        40_000,
        (1 << 53) + 1,
        i64::MAX,
    ])
    .prop_map(Val::Int)
}

fn float() -> impl Strategy<Value = Val> {
    select(vec![
        -1e300,
        -1.5,
        -0.0,
        0.0,
        0.1,
        0.5,
        1.0,
        2.0,
        2.5,
        9_007_199_254_740_992.0,
        1e19,
        9.3e18,
        1e300,
    ])
    .prop_map(Val::Float)
}

fn number() -> impl Strategy<Value = Val> {
    prop_oneof![2 => int(), 1 => float()]
}

fn string() -> impl Strategy<Value = Val> {
    select(vec!["", "a", "ab", "abab", "b", "żb", "x", "a%b", "a\\b", "it's", "zz"])
        .prop_map(|v| Val::Str(v.into()))
}

fn any_literal() -> impl Strategy<Value = Val> {
    prop_oneof![number(), string(), any::<bool>().prop_map(Val::Bool)]
}

fn path() -> impl Strategy<Value = Expr> {
    select(PATHS.to_vec())
}

fn int_column() -> impl Strategy<Value = Expr> {
    select(vec!["id", "age", "size", "count", "big"]).prop_map(Expr::Column)
}

fn number_column() -> impl Strategy<Value = Expr> {
    prop_oneof![3 => int_column(), 2 => select(vec!["score", "price"]).prop_map(Expr::Column)]
}

fn text_column() -> impl Strategy<Value = Expr> {
    select(vec!["name", "city"]).prop_map(Expr::Column)
}

fn arithmetic() -> impl Strategy<Value = Expr> {
    let arith = |op, a: Expr, b: Expr| Expr::Arith(op, Box::new(a), Box::new(b));
    let leaf = prop_oneof![3 => number_column(), 1 => path()];
    let general = leaf.prop_recursive(3, 8, 2, move |inner| {
        let right = prop_oneof![number().prop_map(Expr::Lit), inner.clone()];
        let small = select(vec![-2i64, -1, 0, 1, 2, 3, 63, 64]).prop_map(|v| Expr::Lit(Val::Int(v)));
        prop_oneof![
            (select(vec!["+", "-", "*", "/"]), inner.clone(), right.clone())
                .prop_map(move |(op, a, b)| arith(op, a, b)),
            (select(vec!["+", "-", "*", "/"]), number().prop_map(Expr::Lit), inner.clone())
                .prop_map(move |(op, a, b)| arith(op, a, b)),
            (inner.clone(), small).prop_map(move |(a, b)| arith("**", a, b)),
            inner.prop_map(|a| Expr::Neg(Box::new(a))),
        ]
    });
    let modulo =
        (prop_oneof![int_column(), path()], prop_oneof![int().prop_map(Expr::Lit), int_column(), path()])
            .prop_map(move |(a, b)| arith("%", a, b));
    prop_oneof![5 => general, 1 => modulo]
}

fn comparison() -> impl Strategy<Value = (&'static str, Expr, Expr)> {
    let ops = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let equality = || select(vec!["==", "!="]);
    let bools = || any::<bool>().prop_map(|v| Expr::Lit(Val::Bool(v)));
    let flag = || Just(Expr::Column("flag"));
    prop_oneof![
        4 => (ops(), number_column(), number().prop_map(Expr::Lit)),
        2 => (ops(), text_column(), string().prop_map(Expr::Lit)),
        2 => (ops(), path(), prop_oneof![number().prop_map(Expr::Lit), string().prop_map(Expr::Lit)]),
        1 => (equality(), prop_oneof![path(), flag()], bools()),
        2 => (ops(), arithmetic(), prop_oneof![number().prop_map(Expr::Lit), arithmetic()]),
        1 => (ops(), text_column(), prop_oneof![text_column(), path()]),
        1 => (ops(), number_column(), prop_oneof![number_column(), path()]),
        1 => (ops(), path(), path()),
        1 => (equality(), flag(), prop_oneof![flag(), path()]),
        1 => (ops(), number().prop_map(Expr::Lit), number().prop_map(Expr::Lit)),
    ]
}

fn leaf() -> impl Strategy<Value = Cond> {
    let list = |literal: BoxedStrategy<Val>| proptest::collection::vec(literal, 0..14);
    let range = (
        number(),
        select(vec!["<", "<="]),
        prop_oneof![number_column(), path(), arithmetic()],
        select(vec!["<", "<="]),
        number(),
        any::<bool>(),
    );
    let down = |op: &'static str| if op == "<" { ">" } else { ">=" };
    let nullable = prop_oneof![number_column(), text_column(), path(), Just(Expr::Column("flag"))];
    let pattern =
        proptest::collection::vec(select(vec!["a", "b", "ż", "%", "_", "\\%", "\\_", "\\\\"]), 0..7);
    let functions = select(vec!["json_contains", "json_contains_any", "json_contains_all"]);
    prop_oneof![
        1 => any::<bool>().prop_map(Cond::Const),
        1 => Just(Cond::Flag),
        8 => (comparison(), any::<bool>()).prop_map(|((op, a, b), swapped)| {
            let op_back = match op { "<" => ">", "<=" => ">=", ">" => "<", ">=" => "<=", same => same };
            if swapped { Cond::Compare(op_back, b, a) } else { Cond::Compare(op, a, b) }
        }),
        2 => range.prop_map(move |(low, first, middle, second, high, turned)| if turned {
            Cond::Range(high, down(second), middle, down(first), low)
        } else {
            Cond::Range(low, first, middle, second, high)
        }),
        2 => (number_column(), any::<bool>(), list(number().boxed())).prop_map(|(v, i, l)| Cond::In(v, i, l)),
        1 => (text_column(), any::<bool>(), list(string().boxed())).prop_map(|(v, i, l)| Cond::In(v, i, l)),
        1 => (path(), any::<bool>(), list(any_literal().boxed())).prop_map(|(v, i, l)| Cond::In(v, i, l)),
        1 => (arithmetic(), any::<bool>(), list(number().boxed())).prop_map(|(v, i, l)| Cond::In(v, i, l)),
        2 => (prop_oneof![text_column(), path()], pattern).prop_map(|(v, p)| Cond::Like(v, p.concat())),
        2 => (nullable, any::<bool>()).prop_map(|(v, i)| Cond::IsNull(v, i)),
        1 => path().prop_map(Cond::Exists),
        1 => (functions, path(), proptest::collection::vec(any_literal(), 1..4))
            .prop_map(|(name, v, l)| Cond::Contains(name, v, if name == "json_contains" { l[..1].to_vec() } else { l })),
    ]
}

/// A condition of up to four levels.
pub(super) fn condition() -> impl Strategy<Value = Cond> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 2..5);
        prop_oneof![
            1 => inner.clone().prop_map(|c| Cond::Not(Box::new(c))),
            1 => several().prop_map(Cond::And),
            1 => several().prop_map(Cond::Or),
        ]
    })
}
