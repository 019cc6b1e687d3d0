"""Every served type through a schema of its own: nulls, defaults, generated keys, two vector fields, shards, and the
asynchronous client."""

import asyncio
import random

import numpy as np
from checks import URI, close, equal, l2, step
from pymilvus import AsyncMilvusClient, DataType, MilvusClient

NAME = "compat_schema"
ROWS = 200


def schema_of():
    """All types; a key that the server makes."""
    schema = MilvusClient.create_schema(auto_id=True, enable_dynamic_field=True, description="all types")
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("flag", DataType.BOOL)
    schema.add_field("tiny", DataType.INT8)
    schema.add_field("small", DataType.INT16, nullable=True)
    schema.add_field("medium", DataType.INT32, default_value=7)
    schema.add_field("large", DataType.INT64)
    schema.add_field("single", DataType.FLOAT, nullable=True)
    schema.add_field("double", DataType.DOUBLE)
    schema.add_field("text", DataType.VARCHAR, max_length=32, nullable=True, default_value="none")
    schema.add_field("document", DataType.JSON, nullable=True)
    schema.add_field("first", DataType.FLOAT_VECTOR, dim=4)
    schema.add_field("second", DataType.FLOAT_VECTOR, dim=8)
    return schema


def row_of(i, generator):
    """Row i; every third lacks what may be missing."""
    row = {
        "flag": i % 2 == 0,
        "tiny": i % 256 - 128,
        "large": 2**53 + i,
        "double": i / 3,
        "first": [generator.uniform(-1, 1) for _ in range(4)],
        "second": np.array([generator.uniform(-1, 1) for _ in range(8)], dtype=np.float32),
        "number": i,
    }
    if i % 3:
        row |= {"small": -i, "medium": i, "single": i / 4, "text": f"t\u00e9xt {i}", "document": {"n": [i, None]}}
    return row


def check_row(got, given, i):
    """A returned row must be the one given, with nulls and defaults in place."""
    for name in ["flag", "tiny", "large", "double", "number"]:
        equal(got[name], given[name], f"{name} of row {i}")
    for name in ["small", "single", "document"]:
        equal(got[name], given.get(name), f"{name} of row {i}")
    equal(got["medium"], given.get("medium", 7), f"medium of row {i}")
    equal(got["text"], given.get("text", "none"), f"text of row {i}")
    for name in ["first", "second"]:
        close(l2(got[name], given[name]), 0, f"{name} of row {i}", 1e-9)


def main():
    client = MilvusClient(URI)
    client.drop_collection(NAME)
    indexes = client.prepare_index_params()
    indexes.add_index("first", index_type="FLAT", metric_type="L2")
    indexes.add_index("second", index_type="HNSW", metric_type="IP", index_name="by_second", M=16, efConstruction=64)
    client.create_collection(
        NAME, schema=schema_of(), index_params=indexes, num_shards=3, consistency_level="Strong"
    )
    described = client.describe_collection(NAME)
    kinds = {field["name"]: field["type"] for field in described["fields"]}
    equal(kinds, {field.name: field.dtype for field in schema_of().fields}, "types")
    equal((described["num_shards"], described["auto_id"], described["description"]), (3, True, "all types"), "described")
    by_name = {field["name"]: field for field in described["fields"]}
    equal(by_name["medium"]["default_value"].int_data, 7, "default of an integer")
    equal(by_name["text"]["default_value"].string_data, "none", "default of a text")
    nullable = [name for name, field in by_name.items() if field.get("nullable")]
    equal(nullable, ["small", "single", "text", "document"], "nullable")
    equal(sorted(client.list_indexes(NAME)), ["by_second", "first"], "indexes")
    found = client.describe_index(NAME, "by_second")
    equal((found["index_type"], found["metric_type"], found["field_name"]), ("HNSW", "IP", "second"), "index")
    built = {name: str(found["params"][name]) for name in ("M", "efConstruction")}
    equal(built, {"M": "16", "efConstruction": "64"}, "build parameters")
    step("a schema with all types, defaults, nulls, two indexes, three shards")

    generator = random.Random(5)
    given = [row_of(i, generator) for i in range(ROWS)]
    keys = client.insert(NAME, given)["ids"]
    equal(len(set(keys)), ROWS, "generated keys differ")
    rows = client.query(NAME, filter=f"key in {list(keys)}", output_fields=["*"])
    equal(len(rows), ROWS, "rows by key")
    at = {key: i for i, key in enumerate(keys)}
    for row in rows:
        check_row(row, given[at[row["key"]]], at[row["key"]])
    step("values come back as they were given, nulls as null, missing ones as their default")

    def numbers(filter):
        return sorted(row["number"] for row in client.query(NAME, filter=filter, output_fields=["number"]))

    equal(numbers("small is null"), list(range(0, ROWS, 3)), "is null")
    equal(numbers("single is not null and single < 2"), [i for i in range(8) if i % 3], "nulls do not compare")
    equal(numbers('text == "none"'), list(range(0, ROWS, 3)), "a default can be found")
    equal(numbers("flag == true and tiny < -120"), [0, 2, 4, 6], "bool and int8")
    equal(numbers(f"large > {2**53 + ROWS - 3}"), [ROWS - 2, ROWS - 1], "integers beyond doubles")
    step("filters on every kind, nulls included")

    query = [0.1, 0.2, 0.3, 0.4]
    hits = client.search(NAME, data=[query], anns_field="first", limit=5, output_fields=["number", "first"])
    nearest = sorted(range(ROWS), key=lambda i: l2(query, given[i]["first"]))[:5]
    equal([hit["entity"]["number"] for hit in hits[0]], nearest, "nearest by the first field")
    equal([hit["key"] for hit in hits[0]], [keys[i] for i in nearest], "hits are labelled by the key's name")
    for hit in hits[0]:
        close(l2(hit["entity"]["first"], given[hit["entity"]["number"]]["first"]), 0, "vector of a hit", 1e-9)
    other = np.full(8, 0.5, dtype=np.float32)
    how = {"params": {"ef": 200}}
    hits = client.search(NAME, [other], anns_field="second", limit=3, search_params=how, output_fields=["number"])
    dots = sorted(range(ROWS), key=lambda i: -float(np.dot(other, given[i]["second"])))[:3]
    equal([hit["entity"]["number"] for hit in hits[0]], dots, "nearest by the second field, IP")
    rounded = client.search(NAME, data=[query], anns_field="first", limit=1, round_decimal=2)
    equal(rounded[0][0]["distance"], round(rounded[0][0]["distance"], 2), "rounded distance")
    step("search by either vector field, numpy queries, rounding")

    ranked = sorted(range(ROWS), key=lambda i: l2(query, given[i]["first"]))
    for field, of in [("large", lambda i: i), ("small", lambda i: given[i].get("small")), ("flag", lambda i: given[i]["flag"])]:
        groups = {}
        for i in ranked:
            groups.setdefault(of(i), []).append(i)
        for size, limit, offset in [(1, 5, 0), (3, 4, 1)]:
            hits = client.search(
                NAME, data=[query], anns_field="first", limit=limit, offset=offset, output_fields=["number"],
                group_by_field=field, group_size=size, strict_group_size=True,
            )[0]
            wanted = [i for members in list(groups.values())[offset : offset + limit] for i in members[:size]]
            equal([hit["entity"]["number"] for hit in hits], wanted, f"groups of {size} by {field}")
    step("groups by numbers, nulls and booleans, filled over three shards")

    asyncio.run(asynchronous(given))
    step("the asynchronous client, 8 calls at once")

    client.drop_index(NAME, "by_second")
    equal(client.list_indexes(NAME), ["first"], "indexes after drop_index")
    equal(client.describe_index(NAME, "by_second"), None, "a dropped index")
    client.drop_collection(NAME)
    client.close()
    step("drop_index, drop_collection")


async def asynchronous(given):
    """The same over asyncio, several calls on one connection."""
    client = AsyncMilvusClient(URI)
    calls = [client.query(NAME, filter=f"number == {i}", output_fields=["double"]) for i in range(8)]
    for i, rows in enumerate(await asyncio.gather(*calls)):
        equal([row["double"] for row in rows], [given[i]["double"]], f"row {i}")
    await client.close()


if __name__ == "__main__":
    main()
