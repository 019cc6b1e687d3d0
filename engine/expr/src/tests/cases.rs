//! What filters of columns find.

use super::check;

const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7];

#[test]
fn no_filter_is_every_row() {
    check("", ALL);
    check(" \t\r\n ", ALL);
    check("true", ALL);
    check("True and TRUE", ALL);
    check("false or False or FALSE", &[]);
    check("1 < 2", ALL);
    check("'a' == \"b\"", &[]);
    check("not (1 == 1.0)", &[]);
}

#[test]
fn integers() {
    check("id == 3", &[3]);
    check("id != 3", &[0, 1, 2, 4, 5, 6, 7]);
    check("id < 2", &[0, 1]);
    check("2 > id", &[0, 1]);
    check("id <= 2", &[0, 1, 2]);
    check("id > 5 ", &[6, 7]);
    check("id >= 5", &[5, 6, 7]);
    check("age == -128", &[0]);
    check("age == 300", &[]);
    check("age != 300", &[0, 1, 2, 3, 4, 5]);
    check("age < 300", &[0, 1, 2, 3, 4, 5]);
    check("age > 300", &[]);
    check("size == 300", &[4]);
    check("count >= 7", &[2, 3, 4, 5]);
    check("big == -9223372036854775808", &[0]);
    check("big < -9223372036854775808", &[]);
    check("big == 9223372036854775807", &[5]);
    check("big > 9223372036854775806", &[5]);
    check("id == 0x3", &[3]);
    check("id == 0b11", &[3]);
    check("size == 0454", &[4]);
    check("id == +3", &[3]);
    check("id == - -3", &[3]);
}

#[test]
fn integers_against_floats_are_exact() {
    check("id == 3.0", &[3]);
    check("id == 3.5", &[]);
    check("id != 3.5", &[0, 1, 2, 3, 4, 5, 6, 7]);
    check("id < 2.5", &[0, 1, 2]);
    check("id <= 2.5", &[0, 1, 2]);
    check("id > 5.5", &[6, 7]);
    check("id >= 5.5", &[6, 7]);
    check("id < 3.0", &[0, 1, 2]);
    check("big == 9007199254740992.0", &[]);
    check("big < 1e300", &[0, 1, 2, 3, 4, 5, 6]);
    check("big >= 9223372036854775808.0", &[]);
    check("big > -1e300 and id < 3", &[0, 1, 2]);
    check("price < big", &[4, 5, 6]);
}

#[test]
fn floats() {
    check("price == 9.99", &[1]);
    check("price > 2.5", &[1, 3, 4, 5]);
    check("price == 0", &[2]);
    check("price == 3", &[5]);
    check("price <= -0.0", &[2]);
    check("price != 3", &[0, 1, 2, 3, 4, 6]);
    check("price == .1", &[0]);
    check("price == 1e-1", &[0]);
    check("price == 3.", &[5]);
    check("price == 0x1.8p1", &[5]);
    check("price == 0x3p0", &[5]);
    check("price == 0x30p-4", &[5]);
    check("1e300 == price", &[3]);
}

#[test]
fn a_constant_is_rounded_like_the_float_field() {
    check("score == 0.1", &[0]);
    check("score > 0.1", &[3, 4, 5]);
    check("score >= 0.1", &[0, 3, 4, 5]);
    check("score in [0.1, 3]", &[0, 5]);
    check("score not in [0.1, 3]", &[1, 2, 3, 4]);
    check("score < 1e300", &[0, 1, 2, 3, 4, 5]);
    check("score == 0", &[1]);
}

#[test]
fn strings() {
    check("name == \"ann\"", &[0]);
    check("name == 'ann'", &[0]);
    check("name == r'ann'", &[0]);
    check("name == u8\"ann\"", &[0]);
    check("name != 'ann'", &[1, 2, 3, 4, 5, 6]);
    check("name == ''", &[3]);
    check("name > 'ann'", &[1, 4, 6]);
    check("name <= 'ann'", &[0, 2, 3, 5]);
    check("'ann' < name", &[1, 4, 6]);
    check("name == \"żółw\"", &[4]);
    check(r#"name == "\u017c\u00f3\u0142w""#, &[4]);
    check(r#"name == "\305\274\xc3\xb3\U00000142w""#, &[4]);
    check(r#"city == "a\"b""#, &[5]);
    check(r#"city == 'a"b'"#, &[5]);
    check(r#"city == "back\\slash""#, &[6]);
    check(r#"city == r"back\slash""#, &[6]);
    check("name == city", &[0]);
    check("name < city", &[2, 3, 6]);
}

#[test]
fn bools() {
    check("flag", &[0, 2, 5]);
    check("not flag", &[1, 4, 6]);
    check("!flag", &[1, 4, 6]);
    check("flag == true", &[0, 2, 5]);
    check("flag == false", &[1, 4, 6]);
    check("flag != true", &[1, 4, 6]);
    check("flag != false", &[0, 2, 5]);
    check("true == flag", &[0, 2, 5]);
    check("flag in [true]", &[0, 2, 5]);
    check("flag not in [true]", &[1, 4, 6]);
    check("flag in [true, FALSE]", &[0, 1, 2, 4, 5, 6]);
    check("not flag == true", &[1, 4, 6]);
}

#[test]
fn logic_and_precedence() {
    check("id == 1 or id == 2 and id == 3", &[1]);
    check("(id == 1 or id == 2) and id == 2", &[2]);
    check("id == 1 || id == 2 && id < 9", &[1, 2]);
    check("ID > 1 or id < 1 AND id >= 0", &[0]);
    check("not id > 3", &[0, 1, 2, 3]);
    check("not id > 3 and id > 1", &[2, 3]);
    check("not (id > 3 and id > 1)", &[0, 1, 2, 3]);
    check("not (id > 3 or id < 1)", &[1, 2, 3]);
    check("not not (id == 3)", &[3]);
    check("NOT id IN [1, 2] AND id < 4", &[0, 3]);
    check("!(id in [1,2]) && id < 4", &[0, 3]);
    check("id + 1 * 2 == 5", &[3]);
    check("(id + 1) * 2 == 8", &[3]);
    check("id == 2 ** 2", &[4]);
    check("id == 2 ** 1 ** 2 + 1", &[5]);
    check("-id ** 2 == -9", &[3]);
}

#[test]
fn ranges() {
    check("1 < id <= 5", &[2, 3, 4, 5]);
    check("5 > id >= 1", &[1, 2, 3, 4]);
    check("0.05 < price < 3", &[0, 6]);
    check("'a' <= name < 'b'", &[0, 5, 6]);
    check("not (1 < id <= 5)", &[0, 1, 6, 7]);
    check("not (0 < age < 100)", &[0, 1, 5]);
    check("1 < id + 1 < 4", &[1, 2]);
    check("age < size < count", &[4, 5]);
}

#[test]
fn membership() {
    check("id in [1, 3, 5, 99]", &[1, 3, 5]);
    check("id not in [1, 3, 5, 99]", &[0, 2, 4, 6, 7]);
    check("id in []", &[]);
    check("age not in []", &[0, 1, 2, 3, 4, 5]);
    check("id in [1,]", &[1]);
    check("id in [1 + 1, -3, 2 ** 2, 0x6, (5)]", &[2, 4, 5, 6]);
    check("id in [1.0, 2.5]", &[1]);
    check("id in [0,1,2,3,4,5,6,7,8,9,10]", &[0, 1, 2, 3, 4, 5, 6, 7]);
    check("big in [0,1,2,3,4,5,6,7,8,-9223372036854775808,9223372036854775807]", &[0, 2, 3, 5]);
    check("age in [-128, 127, 1000]", &[0, 5]);
    check("name in ['ann', \"bob\", 'x']", &[0, 1]);
    check("name not in ['ann', \"bob\", 'x']", &[2, 3, 4, 5, 6]);
    check("name in ['a','b','c','d','e','f','g','h','ann','bob']", &[0, 1]);
    check("price in [3, 2.5]", &[5, 6]);
    check("price in [0.0]", &[2]);
    check("id + 1 in [2, 3]", &[1, 2]);
    check("NOT (age in [0])", &[0, 2, 3, 4, 5]);
}

#[test]
fn nulls_are_unknown() {
    check("age is null", &[6, 7]);
    check("age is not null", &[0, 1, 2, 3, 4, 5]);
    check("age IS NULL", &[6, 7]);
    check("age is   NOT null", &[0, 1, 2, 3, 4, 5]);
    check("not (age is null)", &[0, 1, 2, 3, 4, 5]);
    check("not (age is not null)", &[6, 7]);
    check("id is null", &[]);
    check("id is not null", ALL);
    check("doc is null", &[7]);
    check("age > 0 or age <= 0", &[0, 1, 2, 3, 4, 5]);
    check("not (age > 0)", &[0, 1]);
    check("age != 5", &[0, 1, 2, 3, 4, 5]);
    check("age == 5 or id == 7", &[7]);
    check("not (age == 5 and id == 7)", &[0, 1, 2, 3, 4, 5, 6]);
    check("not (age == 5 or id == 0)", &[1, 2, 3, 4, 5]);
    check("age == age", &[0, 1, 2, 3, 4, 5]);
    check("age + 1 > -1000", &[0, 1, 2, 3, 4, 5]);
    check("name like '%'", &[0, 1, 2, 3, 4, 5, 6]);
    check("not (name like '%')", &[]);
    check("flag is null or flag", &[0, 2, 3, 5, 7]);
}

#[test]
fn arithmetic() {
    check("id % 3 == 1", &[1, 4, 7]);
    check("id * 2 > 9.5", &[5, 6, 7]);
    check("id - 10 == -7", &[3]);
    check("id / 2 == 2", &[4, 5]);
    check("count / 2 == -5", &[0]);
    check("size % 2 == -1", &[0]);
    check("id ** 2 == 9", &[3]);
    check("2 ** id == 8", &[3]);
    check("id ** -1 == 0.5", &[2]);
    check("price * 2 == 6", &[5]);
    check("id + size == 1", &[1]);
    check("id + price == 8", &[5]);
    check("size > count", &[0, 6]);
    check("age <= size", &[0, 1, 4, 5]);
}

#[test]
fn arithmetic_without_a_result_is_unknown() {
    check("big + 1 > 0", &[2, 3, 4, 6]);
    check("not (big + 1 > 0)", &[0, 1]);
    check("big * 2 == -2", &[1]);
    check("-big > 0", &[1]);
    check("big / id > -100", &[1, 2, 3, 4, 5, 6]);
    check("id / id == 1", &[1, 2, 3, 4, 5, 6, 7]);
    check("not (id / id == 1)", &[]);
    check("id % id == 0", &[1, 2, 3, 4, 5, 6, 7]);
    check("price / 0 > 0 or price / 0 <= 0", &[]);
    check("price * 1e300 > 1", &[0, 1, 5, 6]);
}

#[test]
fn like() {
    check("name like 'ann'", &[0]);
    check("name like 'ann%'", &[0, 6]);
    check("name LIKE '%nn'", &[0, 2]);
    check("name like '%b%'", &[1, 5, 6]);
    check("name like '_nn'", &[0, 2]);
    check("name like '____'", &[4]);
    check("name like '%_'", &[0, 1, 2, 4, 5, 6]);
    check("name like 'a%l'", &[6]);
    check("name like 'a%n_b%'", &[6]);
    check("name like '%%%'", &[0, 1, 2, 3, 4, 5, 6]);
    check("name like ''", &[3]);
    check(r#"name like "a\%b\_c""#, &[5]);
    check(r#"name like "a\\%b\\_c""#, &[5]);
    check(r#"name like r"%\%%""#, &[5]);
    check(r#"city like "back\\\\%""#, &[6]);
    check("name like '_ó%'", &[4]);
    check("not (name like 'a%')", &[1, 2, 3, 4]);
    check("not name like 'a%'", &[1, 2, 3, 4]);
}
