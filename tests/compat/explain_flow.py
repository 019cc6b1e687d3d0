"""Explanations: which way each segment was searched, where the time went, why a row is no hit. Hits stay as they are."""

import json

import numpy as np
from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException

NAME = "compat_explain"
ROWS, DIM, K = 6_000, 16, 10


def explained(client, query, params, **more):
    """A search, and its explanation."""
    found = client.search(NAME, [query.tolist()], limit=K, search_params={"params": {"explain": True, **params}}, **more)
    return found, json.loads(found.agg_buckets[0][0].metrics["explain"])


def ids(found):
    """Keys of the hits of the only query."""
    return [hit["id"] for hit in found[0]]


def refused(client, params, *words):
    """The search must be refused with code 1100 and these words."""
    try:
        client.search(NAME, [[0.0] * DIM], limit=K, search_params={"params": params})
    except MilvusException as error:
        equal(error.code, 1100, f"{params}")
        for word in words:
            equal(word in error.message, True, f"{word!r} in {error.message!r}")
        return
    raise AssertionError(f"{params}: was taken")


def main():
    client = MilvusClient(URI)
    client.drop_collection(NAME)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("third", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection(NAME, schema=schema, consistency_level="Strong")
    client.create_partition(NAME, "other")
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(ROWS, DIM)).astype(np.float32)
    client.insert(NAME, [{"id": i, "third": i % 3, "vector": row.tolist()} for i, row in enumerate(rows)])
    client.insert(NAME, [{"id": ROWS, "third": 0, "vector": rows[0].tolist()}], partition_name="other")
    client.flush(NAME)
    query = generator.normal(size=DIM).astype(np.float32)
    order = np.argsort(((rows - query) ** 2).sum(axis=1), kind="stable")
    rank = {int(key): place + 1 for place, key in enumerate(order)}

    plain = client.search(NAME, [query.tolist()], limit=K, partition_names=["_default"])
    equal((plain.agg_buckets, plain.extra), ([], {}), "nothing is told unasked")
    found, told = explained(client, query, {}, partition_names=["_default"])
    equal(ids(found), ids(plain), "hits of an explained search")
    shard = told["shards"][0]
    segment = shard["segments"][0]
    equal((segment["strategy"], segment["matches"]), ("exact_scan", ROWS), "way without an index")
    equal(found.extra["scanned_total_bytes"], ROWS * DIM * 4, "bytes touched, as Milvus calls them")
    equal((told["consistency"], told["limit"], shard["shard"]), ("strong", K, 0), "what was asked")
    step(f"a scan is told: {segment['why']}; waited {shard['barrier_us']} us, worked {shard['execute_us']} us")

    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_name="by_lists", index_type="IVF_FLAT", metric_type="L2", params={"nlist": 128})
    client.create_index(NAME, wanted, sync=True)
    found, told = explained(client, query, {"nprobe": 1, "why_missing": [int(key) for key in order[:60]]})
    segment = next(part for part in told["shards"][0]["segments"] if part["rows"] == ROWS)
    equal(segment["strategy"], "lists_probed", "way with an index")
    equal((segment["effort"]["parameter"], segment["effort"]["value"]), ("nprobe", 1), "effort")
    equal(told["index"], {"name": "by_lists", "index_type": "IVF_FLAT"}, "declared index")
    lost = 0
    for key in told["keys"]:
        # Row 0 has a twin in the other partition; at most one place apart.
        equal(abs(key["rank"] - rank[key["key"]]) <= 1, True, f"rank of {key}")
        if key["verdict"] == "found":
            equal(ids(found)[key["place"] - 1], key["key"], "place")
        else:
            equal(key["verdict"], "lost_by_index" if key["rank"] <= K else "beyond_limit", key["words"])
        if key["verdict"] == "lost_by_index":
            lost += 1
            enough = key["lost"]["found_with"]
            if enough:
                again, _ = explained(client, query, {"nprobe": enough})
                equal(key["key"] in ids(again), True, f"{key['words']}: found then")
    equal(lost > 0, True, "one list of 128 loses some of the ten nearest")
    step(f"{lost} of the {K} nearest lost by nprobe 1, all others with their real rank")

    client.delete(NAME, ids=[int(order[0])])
    keys = [int(order[0]), int(order[1]), ROWS, 10**9]
    _, told = explained(client, query, {"why_missing": keys}, filter="third == 5 and id >= 0", partition_names=["_default"])
    verdicts = [key["verdict"] for key in told["keys"]]
    equal(verdicts, ["deleted", "filtered_out", "other_partition", "absent"], "verdicts")
    equal(told["keys"][1]["failed"], [{"part": "third == 5", "is_unknown": False}], "the part that fails")
    equal(told["keys"][2]["partition"], "other", "the partition")
    step("no hits at all: " + "; ".join(key["words"] for key in told["keys"]))

    refused(client, {"explain": "loudly"}, "explain", "neither true nor false")
    refused(client, {"why_missing": [1]}, "explain is not true")
    refused(client, {"explain": True, "why_missing": "all"}, "list of at most 100")
    refused(client, {"explain": True, "why_missing": ["a"]}, "primary key")
    refused(client, {"explain": True, "why_missing": list(range(101))}, "101")
    client.drop_collection(NAME)
    client.close()
    step("what cannot be meant is refused with what is allowed")


if __name__ == "__main__":
    main()
