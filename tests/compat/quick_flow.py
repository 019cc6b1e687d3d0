"""The MilvusClient quick flow: a collection from a dimension only, then every everyday verb, with exact results."""

import random

from checks import URI, close, cosine, equal, step
from pymilvus import MilvusClient

NAME = "compat_quick"
DIM = 16
ROWS = 1_000


def main():
    client = MilvusClient(URI, token="root:Milvus")
    client.drop_collection(NAME)
    equal(client.has_collection(NAME), False, "has_collection before create")
    client.create_collection(NAME, dimension=DIM)
    equal(client.has_collection(NAME), True, "has_collection after create")
    equal(NAME in client.list_collections(), True, "list_collections")
    equal(str(client.get_load_state(NAME)["state"]), "Loaded", "load state after create")
    step("create_collection(dimension only), has, list, load state")

    described = client.describe_collection(NAME)
    equal([field["name"] for field in described["fields"]], ["id", "vector"], "field names")
    equal(described["enable_dynamic_field"], True, "dynamic field")
    equal(described["fields"][1]["params"], {"dim": DIM}, "vector parameters")
    index = client.describe_index(NAME, client.list_indexes(NAME)[0])
    equal((index["index_type"], index["metric_type"], index["state"]), ("AUTOINDEX", "COSINE", "Finished"), "index")
    step("describe_collection, list_indexes, describe_index")

    generator = random.Random(11)
    vectors = [[generator.uniform(-1, 1) for _ in range(DIM)] for _ in range(ROWS)]
    colours = ["red", "green", "blue"]
    rows = [
        {"id": i, "vector": vectors[i], "colour": colours[i % 3], "year": 1900 + i % 100, "tags": {"even": i % 2 == 0}}
        for i in range(ROWS)
    ]
    inserted = client.insert(NAME, rows)
    equal((inserted["insert_count"], list(inserted["ids"])), (ROWS, list(range(ROWS))), "insert")
    equal(count(client), ROWS, "count(*)")
    step(f"insert {ROWS} rows with dynamic fields, count(*)")

    wanted = ranked(vectors, vectors[7], range(ROWS))
    hits = client.search(NAME, data=[vectors[7], vectors[8]], limit=5, output_fields=["colour", "year"])
    equal(len(hits), 2, "one list of hits for each query")
    equal([hit["id"] for hit in hits[0]], wanted[:5], "nearest rows")
    close(hits[0][0]["distance"], 1.0, "distance to itself")
    for hit in hits[0]:
        close(hit["distance"], cosine(vectors[7], vectors[hit["id"]]), "cosine")
        equal(hit["entity"], {"colour": colours[hit["id"] % 3], "year": 1900 + hit["id"] % 100}, "output fields")
    equal(hits[1][0]["id"], 8, "second query")
    step("search, two queries, dynamic output fields, exact order and scores")

    blue = [i for i in range(ROWS) if colours[i % 3] == "blue" and 1900 + i % 100 < 1950]
    hits = client.search(NAME, data=[vectors[7]], limit=10, filter='colour == "blue" and year < 1950')
    equal([hit["id"] for hit in hits[0]], ranked(vectors, vectors[7], blue)[:10], "filtered search")
    paged = client.search(NAME, data=[vectors[7]], limit=4, filter='colour == "blue" and year < 1950', offset=3)
    equal([hit["id"] for hit in paged[0]], ranked(vectors, vectors[7], blue)[3:7], "offset")
    equal(client.search(NAME, data=[vectors[7]], limit=3, filter="id < 0"), [[]], "a filter that matches nothing")
    step("filtered search, offset, no matches")

    near, far = (cosine(vectors[7], vectors[ids]) for ids in (wanted[4], wanted[20]))
    for given in [{"radius": far + 1e-6, "range_filter": near - 1e-6}, {"params": {"radius": far + 1e-6, "range_filter": near - 1e-6}}]:
        ring = client.search(NAME, data=[vectors[7]], limit=100, search_params=given)
        equal([hit["id"] for hit in ring[0]], wanted[5:20], "hits farther than the fourth and nearer than the twentieth")
    first = client.search(NAME, data=[vectors[7]], limit=4, search_params={"radius": -1.0, "range_filter": near - 1e-6})
    equal([hit["id"] for hit in first[0]], wanted[5:9], "the nearest ones of a range")
    step("range search")

    found = client.query(NAME, filter="id in [3, 5, 4] and year > 0", output_fields=["colour", "tags"])
    equal(
        plain(found),
        [{"id": i, "colour": colours[i % 3], "tags": {"even": i % 2 == 0}} for i in (3, 4, 5)],
        "query by filter",
    )
    whole = client.get(NAME, ids=[2])[0]
    equal(set(whole), {"id", "vector", "colour", "year", "tags"}, "get returns everything")
    for got, given in zip(whole["vector"], vectors[2]):
        close(got, given, "vector")
    equal(plain(client.get(NAME, ids=[ROWS + 5])), [], "get of a missing key")
    page = client.query(NAME, filter="", limit=3, offset=10, output_fields=["id"])
    equal([row["id"] for row in page], [10, 11, 12], "query with a limit only")
    step("query, get, paging")

    changed = [{"id": 3, "vector": vectors[9], "colour": "white"}, {"id": ROWS, "vector": vectors[9], "colour": "white"}]
    equal(client.upsert(NAME, changed)["upsert_count"], 2, "upsert_count")
    equal(count(client), ROWS + 1, "count(*) after upsert")
    replaced = client.get(NAME, ids=[3], output_fields=["colour", "year"])
    equal(plain(replaced), [{"id": 3, "colour": "white"}], "replaced row")
    white = client.search(NAME, data=[vectors[9]], limit=5, filter='colour == "white"')
    equal(sorted(hit["id"] for hit in white[0]), [3, ROWS], "upserted rows are found")
    step("upsert replaces and adds")

    equal(client.delete(NAME, ids=[0, 1])["delete_count"], 2, "delete by keys")
    equal(client.delete(NAME, filter='colour == "white"')["delete_count"], 2, "delete by filter")
    equal(plain(client.get(NAME, ids=[0, 1, 3])), [], "deleted rows")
    equal(count(client), ROWS - 3, "count(*) after delete")
    equal(count(client, "year == 1950"), len([i for i in range(4, ROWS) if i % 100 == 50]), "count(*) with a filter")
    client.flush(NAME)
    equal(int(client.get_collection_stats(NAME)["row_count"]), ROWS - 3, "row_count after flush")
    step("delete by key and by filter, flush, statistics")

    client.create_partition(NAME, "spare")
    equal(client.has_partition(NAME, "spare"), True, "has_partition")
    client.insert(NAME, [{"id": 5_000, "vector": vectors[0]}], partition_name="spare")
    equal(int(client.get_partition_stats(NAME, "spare")["row_count"]), 1, "rows of the partition")
    only = client.search(NAME, data=[vectors[0]], limit=5, partition_names=["spare"])
    equal([hit["id"] for hit in only[0]], [5_000], "search in a partition")
    equal(sorted(client.list_partitions(NAME)), ["_default", "spare"], "list_partitions")
    client.release_collection(NAME)
    equal(str(client.get_load_state(NAME)["state"]), "NotLoad", "load state after release")
    client.load_collection(NAME)
    client.drop_partition(NAME, "spare")
    equal(count(client), ROWS - 3, "rows of a dropped partition are gone")
    step("partitions, release, load")

    client.drop_collection(NAME)
    equal(client.has_collection(NAME), False, "has_collection after drop")
    equal(str(client.get_load_state(NAME)["state"]), "NotExist", "load state after drop")
    step("drop_collection")
    client.close()


def count(client, filter=""):
    """Exact number of rows."""
    reply = client.query(NAME, filter=filter, output_fields=["count(*)"], consistency_level="Strong")
    return reply[0]["count(*)"]


def plain(rows):
    """Rows as dictionaries; the client fills in dynamic fields only when a row is looked at."""
    return [dict(row) for row in rows]


def ranked(vectors, query, ids):
    """Ids by falling cosine similarity."""
    return sorted(ids, key=lambda i: -cosine(query, vectors[i]))


if __name__ == "__main__":
    main()
