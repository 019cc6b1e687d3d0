"""Scalar indexes by their Milvus names: made, described, used by filters, made again, refused, dropped."""

import time

from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException

NAME = "compat_scalar_indexes"
# A flush seals from 4,000 rows on; fewer stay in memory and need no index.
ROWS = 6_000

FILTERS = [
    ("age == 7", lambda row: row["age"] == 7),
    ("20 <= age < 22", lambda row: 20 <= row["age"] < 22),
    ("age in [1, 5, 99]", lambda row: row["age"] in (1, 5, 99)),
    ("score > 0.995", lambda row: row["score"] > 0.995),
    ("city == 'Łódź 7'", lambda row: row["city"] == "Łódź 7"),
    ("city != 'Łódź 7'", lambda row: row["city"] != "Łódź 7"),
    ("title like 'The 12%'", lambda row: row["title"].startswith("The 12")),
    ("title like '%book 99%'", lambda row: "book 99" in row["title"]),
    ("note like '%need%'", lambda row: "need" in row["note"]),
    ("flag == true and age < 50", lambda row: row["flag"] and row["age"] < 50),
    ("meta['a']['b'] == 'tag 3'", lambda row: row["meta"]["a"]["b"] == "tag 3"),
    ("meta['price'] < 10.5", lambda row: row["meta"]["price"] < 10.5),
    ("meta['on'] == false", lambda row: row["meta"]["on"] is False),
    ("not (meta['a']['b'] like '%g 1%')", lambda row: "g 1" not in row["meta"]["a"]["b"]),
    ("color == 'red' and title like 'The 1%'", lambda row: row["color"] == "red" and row["title"].startswith("The 1")),
]


def row(i):
    return {
        "id": i,
        "flag": i % 5 == 0,
        "age": i % 100,
        "score": (i % 1_000) / 1_000,
        "city": f"Łódź {i % 40}",
        "title": f"The {i}th book {i * 7}",
        "note": "a needle" if i % 300 == 0 else f"hay {i}",
        "meta": {"a": {"b": f"tag {i % 20}"}, "price": i % 50 + 0.25, "on": i % 3 == 0},
        "color": "red" if i % 9 == 0 else "blue",
        "v": [float(i), 1.0],
    }


def check(client, rows, what):
    for text, holds in FILTERS:
        found = client.query(NAME, filter=text, output_fields=["id"])
        equal([hit["id"] for hit in found], [r["id"] for r in rows if holds(r)], f"{what}: {text}")
    hits = client.search(NAME, [[1_500.0, 1.0]], filter="city == 'Łódź 7'", limit=3)[0]
    near = sorted((r for r in rows if r["city"] == "Łódź 7"), key=lambda r: abs(r["id"] - 1_500))
    equal([hit["id"] for hit in hits], [r["id"] for r in near[:3]], f"{what}: search")


def refused(call, code, part, what):
    try:
        call()
    except MilvusException as error:
        equal(error.code, code, f"{what}: code of {error.message}")
        if part not in error.message:
            raise AssertionError(f"{what}: {error.message} does not say {part!r}")
        return
    raise AssertionError(f"{what}: was taken")


def make(client, *args, **kwargs):
    wanted = client.prepare_index_params()
    wanted.add_index(*args, **kwargs)
    client.create_index(NAME, wanted)


def until_finished(client, names):
    deadline = time.monotonic() + 60
    for name in names:
        while True:
            told = client.describe_index(NAME, name)
            if told["state"] == "Finished" and int(told["pending_index_rows"]) == 0:
                equal((int(told["total_rows"]), int(told["indexed_rows"])), (ROWS, ROWS), f"rows of {name}")
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is not built: {told}")
            time.sleep(0.05)


def main():
    client = MilvusClient(URI)
    client.drop_collection(NAME)
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("flag", DataType.BOOL)
    schema.add_field("age", DataType.INT32)
    schema.add_field("score", DataType.DOUBLE)
    schema.add_field("city", DataType.VARCHAR, max_length=100)
    schema.add_field("title", DataType.VARCHAR, max_length=100)
    schema.add_field("note", DataType.VARCHAR, max_length=100)
    schema.add_field("meta", DataType.JSON)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    first = client.prepare_index_params()
    first.add_index("v", index_type="FLAT", metric_type="L2")
    first.add_index("city", index_type="INVERTED")
    client.create_collection(NAME, schema=schema, index_params=first, consistency_level="Strong")
    rows = [row(i) for i in range(ROWS)]
    client.insert(NAME, rows)
    client.flush(NAME)
    check(client, rows, "with one index")
    step(f"{ROWS} rows; an index on vectors and one on text made with the collection")

    make(client, "age", index_type="STL_SORT")
    make(client, "score")
    make(client, "flag", index_type="BITMAP")
    make(client, "title", index_type="TRIE", index_name="titles")
    make(client, "note", index_type="NGRAM", min_gram=2, max_gram=3)
    make(client, "meta", index_type="INVERTED", index_name="tags",
         params={"json_path": 'meta["a"]["b"]', "json_cast_type": "varchar"})
    make(client, "meta", index_type="AUTOINDEX", index_name="prices",
         params={"json_path": "meta['price']", "json_cast_type": "double"})
    make(client, "meta", index_type="INVERTED",
         params={"json_path": "meta['on']", "json_cast_type": "bool"})
    make(client, "color", index_type="INVERTED", index_name="colors", params={"json_path": "color", "json_cast_type": "varchar"})
    names = ["age", "city", "colors", "flag", "meta_on", "note", "prices", "score", "tags", "titles", "v"]
    equal(sorted(client.list_indexes(NAME)), names, "indexes")
    equal(sorted(client.list_indexes(NAME, field_name="meta")), ["meta_on", "prices", "tags"], "indexes of a field")
    until_finished(client, names)
    check(client, rows, "with every index")
    step("an index of every kind is built and used")

    for name, field, kind, told in [
        ("age", "age", "STL_SORT", {}),
        ("score", "score", "AUTOINDEX", {}),
        ("titles", "title", "TRIE", {}),
        ("note", "note", "NGRAM", {"min_gram": "2", "max_gram": "3"}),
        ("tags", "meta", "INVERTED", {"json_path": 'meta["a"]["b"]', "json_cast_type": "varchar"}),
    ]:
        described = client.describe_index(NAME, name)
        equal((described["index_name"], described["field_name"], described["index_type"]), (name, field, kind), name)
        if "metric_type" in described:
            raise AssertionError(f"{name} has a metric: {described}")
        params = described.get("params", described)
        equal({key: str(params[key]) for key in told}, told, f"{name}: parameters")
    step("each is described as it was made")

    make(client, "age", index_type="STL_SORT")
    make(client, "meta", index_type="INVERTED", index_name="tags",
         params={"json_path": 'meta["a"]["b"]', "json_cast_type": "varchar"})
    refused(lambda: make(client, "age", index_type="INVERTED"), 1100, "at most one distinct index", "another kind")
    refused(lambda: make(client, "meta", index_type="INVERTED", index_name="tags",
                         params={"json_path": "meta['other']", "json_cast_type": "varchar"}),
            702, "another", "the name of another")
    for what, args, part in [
        ("TRIE on numbers", dict(field_name="age", index_type="TRIE"), "INVERTED, BITMAP, STL_SORT"),
        ("BITMAP on a double", dict(field_name="score", index_type="BITMAP"), "INVERTED, STL_SORT"),
        ("BITMAP on the key", dict(field_name="id", index_type="BITMAP"), "primary key"),
        ("BITMAP on JSON", dict(field_name="meta", index_type="BITMAP"), "INVERTED, NGRAM"),
        ("STL_SORT on a Bool", dict(field_name="flag", index_type="STL_SORT"), "INVERTED, BITMAP"),
        ("STL_SORT on JSON", dict(field_name="meta", index_type="STL_SORT"), "INVERTED, NGRAM"),
        ("NGRAM without lengths", dict(field_name="title", index_type="NGRAM"), "min_gram and max_gram"),
        ("NGRAM upside down", dict(field_name="title", index_type="NGRAM", min_gram=3, max_gram=2), "min_gram is 3"),
        ("an unknown key", dict(field_name="title", index_type="TRIE", params={"nlist": 8}), "nlist"),
        ("an unknown kind of values", dict(field_name="meta", index_type="INVERTED",
                                           params={"json_path": "meta['x']", "json_cast_type": "int64"}),
         "bool, double, varchar"),
        ("no kind of values", dict(field_name="meta", index_type="INVERTED"), "json_cast_type"),
        ("a type of vectors", dict(field_name="title", index_type="HNSW"), "INVERTED"),
    ]:
        refused(lambda: make(client, **args), 1100, part, what)
    equal(sorted(client.list_indexes(NAME)), names, "indexes after refusals")
    step("the same again succeeds; wrong ones are refused with what is allowed")

    client.release_collection(NAME)
    for name in names:
        if name != "v":
            client.drop_index(NAME, name)
    equal(client.list_indexes(NAME), ["v"], "indexes after dropping")
    client.load_collection(NAME)
    check(client, rows, "without indexes")
    client.delete(NAME, filter="age < 50")
    make(client, "age", index_type="INVERTED")
    client.flush(NAME)
    deadline = time.monotonic() + 60
    while client.describe_index(NAME, "age")["state"] != "Finished" and time.monotonic() < deadline:
        time.sleep(0.05)
    check(client, [r for r in rows if r["age"] >= 50], "after deletes")
    step("dropped one by one; made again over deleted rows")

    job = client.compact(NAME)
    while client.get_compaction_state(job) != "Completed" and time.monotonic() < deadline:
        time.sleep(0.05)
    equal(client.get_compaction_state(job), "Completed", "compaction")
    equal(client.query(NAME, filter="", output_fields=["count(*)"])[0]["count(*)"], ROWS // 2, "rows after compaction")
    while client.describe_index(NAME, "age")["state"] != "Finished" and time.monotonic() < deadline:
        time.sleep(0.05)
    equal(client.describe_index(NAME, "age")["state"], "Finished", "index over the compaction's output")
    check(client, [r for r in rows if r["age"] >= 50], "after a compaction")
    step("built over what a compaction made")
    client.drop_collection(NAME)
    client.close()


if __name__ == "__main__":
    main()
