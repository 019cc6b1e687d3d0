"""The calls of Milvus's first example, through the older ORM interface, with exact results.

Same sequence of calls as `examples/orm_deprecated/hello_milvus.py` of pymilvus at commit
cf0bc76ccfeedfcd9a71cc831537507d8a444686: string keys, 3,000 rows of dimension 8, IVF_FLAT, search with and without a
filter, query with paging, delete of two keys, drop.
"""

from urllib.parse import urlparse

import numpy as np
from checks import URI, close, equal, l2, step
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility

NAME = "compat_hello"
ROWS, DIM = 3_000, 8


def main():
    address = urlparse(URI)
    connections.connect("default", host=address.hostname, port=str(address.port))
    if utility.has_collection(NAME):
        utility.drop_collection(NAME)
    equal(utility.has_collection(NAME), False, "has_collection")

    schema = CollectionSchema(
        [
            FieldSchema("pk", DataType.VARCHAR, is_primary=True, auto_id=False, max_length=100),
            FieldSchema("random", DataType.DOUBLE),
            FieldSchema("embeddings", DataType.FLOAT_VECTOR, dim=DIM),
        ],
        "the first example's collection",
    )
    collection = Collection(NAME, schema, consistency_level="Strong")
    step("connect, create collection with a schema")

    generator = np.random.default_rng(7)
    keys = [str(i) for i in range(ROWS)]
    numbers = generator.random(ROWS).tolist()
    vectors = generator.random((ROWS, DIM), np.float32)
    inserted = collection.insert([keys, numbers, vectors])
    equal(list(inserted.primary_keys), keys, "keys of the inserted rows")
    equal(inserted.insert_count, ROWS, "insert_count")
    collection.insert({"pk": "extra", "random": 0.5, "embeddings": generator.random(DIM, np.float32)})
    collection.flush()
    equal(collection.num_entities, ROWS + 1, "num_entities")
    step("insert columns and one row, flush, num_entities")

    parameters = {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 128}}
    collection.create_index("embeddings", parameters)
    found = collection.index().params
    equal((found["index_type"], found["metric_type"], found["params"]), ("IVF_FLAT", "L2", {"nlist": 128}), "index")
    collection.load()
    step("create_index IVF_FLAT, load")

    queries = vectors[-2:]
    how = {"metric_type": "L2", "params": {"nprobe": 128}}
    result = collection.search(queries, "embeddings", how, limit=3, output_fields=["random"])
    equal(len(result), 2, "one list of hits for each query")
    for query, hits in zip(queries, result):
        nearest(hits, query, keys, vectors, numbers, range(ROWS))
    step("search: exact neighbours, squared distances, output field")

    rows = collection.query(expr="random > 0.5", output_fields=["random", "embeddings"])
    wanted = sorted(key for key, number in zip(keys, numbers) if number > 0.5)
    equal([row["pk"] for row in rows], wanted, "query by filter, in key order")
    row = rows[0]
    equal(set(row), {"pk", "random", "embeddings"}, "fields of a row")
    close(l2(row["embeddings"], vectors[int(row["pk"])]), 0, "vector of a row", 1e-9)
    first = collection.query(expr="random > 0.5", limit=4, output_fields=["random"])
    second = collection.query(expr="random > 0.5", offset=1, limit=3, output_fields=["random"])
    equal(list(first)[1:], list(second), "pages overlap")
    equal([row["pk"] for row in first], wanted[:4], "first page")
    step("query, paging")

    matches = [i for i, number in enumerate(numbers) if number > 0.5]
    result = collection.search(queries, "embeddings", how, limit=3, expr="random > 0.5", output_fields=["random"])
    for query, hits in zip(queries, result):
        nearest(hits, query, keys, vectors, numbers, matches)
    step("filtered search")

    expression = f'pk in ["{keys[0]}", "{keys[1]}"]'
    equal(len(collection.query(expr=expression, output_fields=["random"])), 2, "rows before delete")
    equal(collection.delete(expression).delete_count, 2, "delete_count")
    equal(list(collection.query(expr=expression, output_fields=["random"])), [], "rows after delete")
    step("delete two keys by expression")

    utility.drop_collection(NAME)
    equal(utility.has_collection(NAME), False, "has_collection after drop")
    connections.disconnect("default")
    step("drop")


def nearest(hits, query, keys, vectors, numbers, candidates):
    """Checks the hits of one query against a scan."""
    distances = sorted((l2(query.tolist(), vectors[i].tolist()), keys[i]) for i in candidates)
    equal([hit.id for hit in hits], [key for _, key in distances[: len(hits)]], "nearest rows")
    equal(len(hits), 3, "number of hits")
    for hit, (distance, _) in zip(hits, distances):
        close(hit.distance, distance, "squared distance")
        equal(hit.entity.get("random"), numbers[int(hit.id)], "output field")


if __name__ == "__main__":
    main()
