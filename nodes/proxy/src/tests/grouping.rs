//! Groups of rows over several shards.

use super::*;
use vecraft_types::api::GroupBy;

/// `docs` on four shards: keys 0..40 at `[key, 0]`, `title` is "a\"0" to "a\"3", `year` the tens; every eighth has none.
async fn filled() -> Bench {
    let bench = Bench::new(schema(), 4);
    let mut given = rows(0..40);
    given.batch.columns[1].data = texts((0..40).map(|key| format!("a\"{}", key % 4))).data;
    let mut years = ints((0..40).map(|key| key / 10));
    years.validity = Some((0..40).map(|key| key % 8 != 7).collect());
    let named = given.names.into_iter().zip(given.batch.columns).chain([("year".to_owned(), years)]);
    bench.insert(NamedRows::new(named.collect()).unwrap()).await.unwrap();
    bench
}

fn by(field: &str, size: usize, is_strict: bool) -> Option<GroupBy> {
    Some(GroupBy { field: field.into(), size, is_strict })
}

#[tokio::test]
async fn one_row_of_each_group_nearest_first() {
    let bench = filled().await;
    let reply = bench
        .search(|r| {
            r.vectors = QueryVectors::Float(vec![0.0, 0.0, 39.0, 0.0]);
            r.limit = 3;
            r.group_by = by("title", 1, false);
        })
        .await
        .unwrap();
    assert_eq!((&reply.counts[..], int_column(&reply.rows, "id")), (&[3, 3][..], vec![0, 1, 2, 39, 38, 37]));
    assert_eq!(reply.rows.names, ["id"], "the field that groups was not asked for");
    let ColumnData::VarChar(values) = &reply.groups.unwrap().columns[0].data else { panic!("no texts") };
    assert_eq!(values.iter().collect::<Vec<_>>(), ["a\"0", "a\"1", "a\"2", "a\"3", "a\"2", "a\"1"]);
}

#[tokio::test]
async fn groups_are_filled_from_all_shards_when_asked() {
    let bench = filled().await;
    let ask = |r: &mut SearchRequest| {
        r.vectors = QueryVectors::Float(vec![12.0, 0.0, 0.0, 0.0]);
        r.limit = 2;
        r.group_by = by("title", 5, true);
        r.output_fields = vec!["title".into()];
    };
    let reply = bench.search(ask).await.unwrap();
    let near = |ids: [i64; 5]| {
        // Equal distances are ordered by shard.
        let mut ids = ids.to_vec();
        ids.sort_by_key(|id| ((id - 12).abs(), PrimaryKey::Int64(*id).shard_index(4)));
        ids
    };
    let ids = int_column(&reply.rows, "id");
    assert_eq!(reply.counts, [10, 10]);
    assert_eq!(ids[..5], near([12, 8, 16, 4, 20]));
    let second = ids[5];
    assert!(second == 11 || second == 13);
    assert!(ids[5..10].iter().all(|id| id % 4 == second % 4));
    assert_eq!(ids[10..], [0, 4, 8, 12, 16, 1, 5, 9, 13, 17]);
    assert_eq!(reply.rows.names, ["id", "title"]);

    // With a filter, an offset, and rows without a value: years 0, 1 and none are nearest to 9.
    let reply = bench
        .search(|r| {
            r.vectors = QueryVectors::Float(vec![9.0, 0.0]);
            (r.limit, r.offset) = (2, 1);
            r.filter = "id != 10 or id < 0".into();
            r.group_by = by("year", 3, true);
        })
        .await
        .unwrap();
    let ids = int_column(&reply.rows, "id");
    assert_eq!(ids.len(), 6);
    let groups = reply.groups.unwrap();
    let runs: Vec<bool> = (0..6).map(|row| groups.columns[0].is_null(row)).collect();
    assert_eq!((&ids[..3], &runs[..]), (&[7, 15, 23][..], &[true, true, true, false, false, false][..]));
    assert_eq!(ids[3..], [11, 12, 13]);
}

#[tokio::test]
async fn nothing_found_has_no_groups() {
    let bench = filled().await;
    let ask = |r: &mut SearchRequest| {
        r.filter = "id < 0".into();
        r.group_by = by("title", 3, true);
    };
    let reply = bench.search(ask).await.unwrap();
    assert_eq!((reply.counts, reply.groups.unwrap().rows), (vec![0], 0));
}

#[tokio::test]
async fn what_cannot_group_is_refused_by_name() {
    let bench = filled().await;
    for (group_by, words) in [
        (by("rank", 1, false), "rank"),
        (by("vector", 1, false), "FloatVector"),
        (by("nowhere", 1, false), "nowhere"),
        (by("title", 0, false), "group_size is 0"),
        (by("title", 1_639, true), "1638"),
    ] {
        let error = bench.search(|r| r.group_by = group_by).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_dynamic_key_that_cannot_group_comes_with_the_fields_that_can() {
    let bench = Bench::new(schema().with_dynamic_field(), 1);
    for (name, why) in [
        ("colour", "no field of the schema, so at best a key of the dynamic field"),
        ("$meta[\"colour\"]", "a path into a JSON field"),
    ] {
        let error = bench.search(|r| r.group_by = by(name, 1, false)).await.unwrap_err();
        assert_eq!(error.code, Code::FieldNotFound, "{error}");
        for part in [why, "only fields of the schema of type Bool, Int8 to Int64 and VarChar group", "title"]
        {
            assert!(error.detail.contains(part), "{part:?} is not in {error}");
        }
    }
}
