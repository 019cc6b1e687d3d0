"""Every index type by its Milvus name: built, described, searched with its own parameters, by a recall and under a filter,
dropped."""

import numpy as np
from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException

NAME = "compat_indexes"
ROWS, DIM, CLUSTERS, K = 6_000, 32, 40, 10

# Index type, build parameters, search parameters, parameters it must refuse: for building, for searching.
TYPES = [
    ("FLAT", {}, {}, {"nlist": 8}, {"ef": 64}),
    ("HNSW", {"M": 16, "efConstruction": 100}, {"ef": 100}, {"M": 1}, {"ef": 5}),
    ("HNSW_SQ", {"M": 16, "sq_type": "SQ8"}, {"ef": 100, "refine_k": 2}, {"sq_type": "SQ7"}, {"refine_k": 0.5}),
    ("HNSW_SQ", {"M": 16, "sq_type": "SQ6"}, {"ef": 100, "refine_k": 2}, {"M": 2_049}, {"ef": 5}),
    ("HNSW_SQ", {"M": 16, "sq_type": "SQ4"}, {"ef": 100, "refine_k": 4}, {"refine": "yes"}, {"ef": 0}),
    ("HNSW_SQ", {"M": 16, "sq_type": "BF16"}, {"ef": 100}, {"refine_type": "FP8"}, {"nprobe": 8}),
    ("HNSW_SQ", {"M": 16, "sq_type": "FP16"}, {"ef": 100}, {"m": 8}, {"reorder_k": 20}),
    ("IVF_FLAT", {"nlist": 32}, {"nprobe": 16}, {"nlist": 0}, {"nprobe": 33}),
    ("IVF_SQ8", {"nlist": 32}, {"nprobe": 16}, {"nlist": 65_537}, {"nprobe": 33}),
    ("IVF_PQ", {"nlist": 32, "m": 16, "nbits": 8}, {"nprobe": 16, "refine_k": 10}, {"m": 5}, {"nprobe": 33}),
    ("IVF_RABITQ", {"nlist": 32}, {"nprobe": 16, "refine_k": 40}, {"m": 8}, {"rbq_query_bits": 9}),
    (
        "IVF_RABITQ",
        {"nlist": 32, "refine": "true", "refine_type": "SQ8"},
        {"nprobe": 16, "refine_k": 40, "rbq_bits_query": 6},
        {"nlist": 0},
        {"refine_k": 0},
    ),
    ("SCANN", {"nlist": 32, "with_raw_data": "true"}, {"nprobe": 16, "reorder_k": 100}, {"sub_dim": 2}, {"reorder_k": 5}),
    ("HNSW_PQ", {"M": 16, "m": 16}, {"ef": 200, "refine_k": 10}, {"nbits": 25}, {"refine_k": 0.5}),
    ("AUTOINDEX", {}, {"level": 5}, {"nlist": 8}, {"level": 11}),
]


def clustered(generator):
    """Rows around a few centres, and queries near rows."""
    centres = generator.normal(size=(CLUSTERS, DIM)) * 3
    rows = centres[generator.integers(CLUSTERS, size=ROWS)] + generator.normal(size=(ROWS, DIM))
    queries = rows[generator.choice(ROWS, 20, replace=False)] + 0.3 * generator.normal(size=(20, DIM))
    return rows.astype(np.float32), queries.astype(np.float32)


def exact(rows, queries, allowed):
    """The nearest rows by squared distance, brute force."""
    found = []
    for query in queries:
        distances = ((rows[allowed] - query) ** 2).sum(axis=1)
        found.append([int(allowed[i]) for i in np.argsort(distances, kind="stable")[:K]])
    return found


def recall(client, queries, how, truth, filter=""):
    """Share of the truth that a search finds; every answer has K hits in order, each with its exact distance."""
    answers = client.search(NAME, queries.tolist(), filter=filter, limit=K, search_params={"params": how})
    share = 0
    for hits, wanted in zip(answers, truth):
        equal(len(hits), K, "number of hits")
        distances = [hit["distance"] for hit in hits]
        equal(distances, sorted(distances), "order of hits")
        share += len({hit["id"] for hit in hits} & set(wanted)) / K
    return share / len(truth)


def by_recall(client, queries, everything, a_third):
    """A recall that is asked for is given, with and without a filter, and told."""
    said = []
    for asked in (0.9, 1.0):
        for truth, filter in ((everything, ""), (a_third, "third == 0")):
            given = recall(client, queries, {"recall": asked}, truth, filter)
            answers = client.search(NAME, queries.tolist(), filter=filter, limit=K,
                                    search_params={"params": {"recall": asked}})
            equal(len(answers.recalls), len(queries), "number of estimates")
            told = sum(answers.recalls) / len(queries)
            # Twenty queries: a mean of 0.9 is about 0.03 off by chance.
            if given < asked - 0.05 or told < asked - 1e-6 or abs(given - told) > 0.12:
                raise AssertionError(f"recall {asked} asked {filter}: {given} given, {told} told")
            said.append(f"{given:.3f}")
    return "0.9 and 1.0 asked: " + ", ".join(said)


def refused(call, what):
    """The call must be refused with code 1100."""
    try:
        call()
    except MilvusException as error:
        equal(error.code, 1100, what)
        return
    raise AssertionError(f"{what}: was taken")


def index(client, kind, params):
    """An index of a type, with its parameters."""
    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_type=kind, metric_type="L2", params=params)
    client.create_index(NAME, wanted, sync=True)


def main():
    client = MilvusClient(URI)
    client.drop_collection(NAME)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("third", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection(NAME, schema=schema, consistency_level="Strong")
    rows, queries = clustered(np.random.default_rng(11))
    client.insert(NAME, [{"id": i, "third": i % 3, "vector": row.tolist()} for i, row in enumerate(rows)])
    client.flush(NAME)
    everything = exact(rows, queries, np.arange(ROWS))
    a_third = exact(rows, queries, np.arange(0, ROWS, 3))
    step(f"{ROWS} rows of dimension {DIM}")

    for kind, build, search, wrong_build, wrong_search in TYPES:
        refused(lambda: index(client, kind, build | wrong_build), f"{kind} with {wrong_build}")
        index(client, kind, build)
        described = client.describe_index(NAME, "vector")
        equal(described["index_type"], kind, "type told")
        told = described.get("params", described)
        # The client reads what it is told as JSON: "true" comes out as True.
        told, asked = ({key: str(where[key]).lower() for key in build} for where in (told, build))
        equal(told, asked, f"{kind}: parameters")
        client.load_collection(NAME)
        found = recall(client, queries, search, everything)
        filtered = recall(client, queries, search, a_third, "third == 0")
        if min(found, filtered) < 0.95:
            raise AssertionError(f"{kind} {search}: recall {found}, {filtered} under a filter")
        told = by_recall(client, queries, everything, a_third)
        refused(lambda: recall(client, queries, {"recall": 1.5}, everything), f"{kind} with a recall above 1")
        refused(lambda: recall(client, queries, search | wrong_search, everything), f"{kind} with {wrong_search}")
        refused(lambda: recall(client, queries, {"no_such": 1}, everything), f"{kind} with an unknown parameter")
        client.release_collection(NAME)
        client.drop_index(NAME, "vector")
        step(f"{kind} {build}: recall {found:.3f}, under a filter {filtered:.3f}, {told}")
    mapped(client, queries, everything)
    client.drop_collection(NAME)
    client.close()


def mapped(client, queries, everything):
    """Files used where they lie."""
    refused(lambda: index(client, "HNSW", {"mmap.enabled": "maybe"}), "mmap.enabled that is neither true nor false")
    index(client, "HNSW", {"M": 16, "mmap.enabled": True})
    equal(str(client.describe_index(NAME, "vector")["mmap.enabled"]).lower(), "true", "mmap.enabled told")
    client.load_collection(NAME)
    found = recall(client, queries, {"ef": 128}, everything)
    if found < 0.95:
        raise AssertionError(f"mapped: recall {found}")
    client.release_collection(NAME)
    client.drop_index(NAME, "vector")
    step(f"HNSW in a mapped file: recall {found:.3f}")


if __name__ == "__main__":
    main()
