"""Vectors of bits, of 16-bit floats and of int8: stored, returned and searched as Milvus does, and refused with its codes."""

import math
import random

import numpy as np
from checks import URI, close, equal, step
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from wire import TYPES, connect, create, field, pairs, scalars, search, status_of

BITS = "compat_bits"
DENSE = "compat_narrow"
DIM = 64
ROWS = 500
# Looking so hard that nothing is missed among so few rows.
GRAPH, LISTS = {"M": 16, "efConstruction": 100}, {"nlist": 8}
INDEXES = {
    "COSINE": [
        ("HNSW_SQ", GRAPH, {"ef": 400, "refine_k": 10}),
        ("HNSW_PQ", GRAPH | {"m": 16, "nbits": 4}, {"ef": ROWS, "refine_k": 50}),
        ("IVF_RABITQ", LISTS, {"nprobe": 8, "refine_k": 50}),
    ],
    "L2": [
        ("HNSW", GRAPH, {"ef": 400}),
        ("IVF_PQ", LISTS | {"m": 16, "nbits": 4}, {"nprobe": 8, "refine_k": 50}),
    ],
    "IP": [
        ("IVF_FLAT", LISTS, {"nprobe": 8}),
        ("IVF_SQ8", LISTS, {"nprobe": 8, "refine_k": 10}),
        ("SCANN", LISTS, {"nprobe": 8, "reorder_k": ROWS}),
    ],
}
KINDS = {
    "half": DataType.FLOAT16_VECTOR,
    "brain": DataType.BFLOAT16_VECTOR,
    "byte": DataType.INT8_VECTOR,
}


def hamming(a, b):
    """Bits that differ."""
    return sum((x ^ y).bit_count() for x, y in zip(a, b))


def jaccard(a, b):
    """One less the share of common bits."""
    either = sum((x | y).bit_count() for x, y in zip(a, b))
    return 1 - sum((x & y).bit_count() for x, y in zip(a, b)) / either if either else 0.0


def nearest(client, name, query, metric, reverse, score, rows, anns_field, limit=10, **extra):
    """The hits' scores must be those of the best rows, and each hit's score that of its own row."""
    how = {"metric_type": metric, "params": extra}
    found = client.search(name, data=[query], anns_field=anns_field, limit=limit, search_params=how)[0]
    for hit in found:
        close(hit["distance"], score(rows[hit["id"]]), f"{metric} of row {hit['id']}", 2e-3 if reverse else 1e-4)
    return [hit["distance"] for hit in found]


def bits(client):
    """BIN_FLAT and BIN_IVF_FLAT with both metrics, by client calls only."""
    client.drop_collection(BITS)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("bits", DataType.BINARY_VECTOR, dim=DIM)
    index = client.prepare_index_params()
    index.add_index("bits", index_type="BIN_FLAT", metric_type="HAMMING")
    client.create_collection(BITS, schema=schema, index_params=index)
    equal(client.describe_collection(BITS)["fields"][1]["params"], {"dim": DIM}, "a described field")
    described = client.describe_index(BITS, "bits")
    equal((described["index_type"], described["metric_type"]), ("BIN_FLAT", "HAMMING"), "a described index")

    rng = random.Random(3)
    rows = [rng.randbytes(DIM // 8) for _ in range(ROWS)]
    rows[7] = bytes(DIM // 8)
    equal(client.insert(BITS, [{"id": i, "bits": row} for i, row in enumerate(rows)])["insert_count"], ROWS, "rows")
    told = client.query(BITS, filter="id in [0, 7, 499]", output_fields=["bits"])
    equal([bytes(row["bits"][0]) for row in told], [rows[0], rows[7], rows[499]], "bits come back")
    step("binary vectors: schema, BIN_FLAT, insert, query")

    for flushed in (False, True):
        if flushed:
            client.flush(BITS)
        for metric, score in (("HAMMING", hamming), ("JACCARD", jaccard)):
            if client.describe_index(BITS, "bits")["metric_type"] != metric:
                client.drop_index(BITS, "bits")
                index = client.prepare_index_params()
                index.add_index("bits", index_type="BIN_FLAT", metric_type=metric)
                client.create_index(BITS, index)
            for query in (rows[3], rows[7], rng.randbytes(DIM // 8)):
                best = sorted(score(query, row) for row in rows)
                args = (client, BITS, query, metric, False, lambda row: score(query, row), rows, "bits")
                np.testing.assert_allclose(nearest(*args), best[:10], atol=1e-6)
                steps = sorted(set(best))
                if len(steps) < 4:
                    continue  # without a bit set, every distance is the same
                # Bounds between two distances, so that rounding decides nothing.
                near, far = (steps[0] + steps[1]) / 2, (steps[-2] + steps[-1]) / 2
                inside = [x for x in best if near <= x < far]
                ranged = nearest(*args, limit=ROWS, radius=far, range_filter=near)
                np.testing.assert_allclose(ranged, inside, atol=1e-6)
    step("HAMMING and JACCARD, ranges, in memory and flushed")
    bits_in_lists(client, rows, rng)

    client.upsert(BITS, [{"id": 3, "bits": rows[7]}])
    client.delete(BITS, ids=[0])
    equal(bytes(client.get(BITS, ids=[3], output_fields=["bits"])[0]["bits"][0]), rows[7], "an upserted vector")
    equal(client.get(BITS, ids=[0]), [], "a deleted row")
    client.drop_collection(BITS)
    step("upsert, delete")


def refused_by(call, *words):
    """The call must be refused with code 1100 and these words."""
    try:
        call()
    except MilvusException as error:
        equal(error.code, 1100, str(words))
        for word in words:
            if word not in error.message:
                raise AssertionError(f"{error.message!r} does not mention {word!r}") from error
        return
    raise AssertionError(f"{words}: was taken")


def bits_in_lists(client, rows, rng):
    """BIN_IVF_FLAT over the flushed rows: built, described, searched by some lists, by all and by a recall, refused."""

    def build(metric, **params):
        index = client.prepare_index_params()
        index.add_index("bits", index_type="BIN_IVF_FLAT", metric_type=metric, params=params)
        client.create_index(BITS, index, sync=True)

    client.drop_index(BITS, "bits")
    for nlist in (0, 65_537, "many"):
        refused_by(lambda: build("HAMMING", nlist=nlist), "nlist", "1", "65536")
    refused_by(lambda: build("COSINE", nlist=8), "COSINE", "HAMMING, JACCARD")
    refused_by(lambda: build("HAMMING", nlist=8, m=8), "m")
    for metric, score in (("HAMMING", hamming), ("JACCARD", jaccard)):
        build(metric, nlist=8)
        described = client.describe_index(BITS, "bits")
        params = described.get("params", described)
        told = (described["index_type"], described["metric_type"], int(params["nlist"]))
        equal(told, ("BIN_IVF_FLAT", metric, 8), "a described index")
        equal(described["state"], "Finished", "an index is built")
        for query in (rows[3], rng.randbytes(DIM // 8)):
            best = sorted(score(query, row) for row in rows)
            args = (client, BITS, query, metric, False, lambda row: score(query, row), rows, "bits")
            for everything in ({"nprobe": 8}, {"recall": 1.0}):
                np.testing.assert_allclose(nearest(*args, **everything), best[:10], atol=1e-6)
            few = nearest(*args, nprobe=1)
            equal((len(few), few), (10, sorted(few)), "hits of one list")
            for wrong in (0, 9):
                refused_by(lambda: nearest(*args, nprobe=wrong), "nprobe", "1", "8")
            refused_by(lambda: nearest(*args, ef=64), "ef", "BIN_IVF_FLAT", "nprobe")
        client.drop_index(BITS, "bits")
    build("JACCARD", nlist=8)
    step("BIN_IVF_FLAT: nlist, nprobe and recall, HAMMING and JACCARD; wrong ones refused")


def dense(client):
    """The other types, each field with each metric by FLAT in memory, and by indexes of each kind when flushed."""
    client.drop_collection(DENSE)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    for name, data_type in KINDS.items():
        schema.add_field(name, data_type, dim=DIM)
    client.create_collection(DENSE, schema=schema)
    rng = np.random.default_rng(5)
    rows = {name: draw(rng, name, ROWS) for name in KINDS}
    client.insert(DENSE, [{"id": i, **{name: rows[name][i] for name in KINDS}} for i in range(ROWS)])
    told = client.query(DENSE, filter="id in [0, 499]", output_fields=["*"])
    for row in told:
        for name in KINDS:
            equal(bytes(row[name][0]), bytes(rows[name][row["id"]]), f"{name} comes back")
    step("float16, bfloat16, int8: schema, insert, query")

    in_memory = {metric: [("FLAT", {}, {})] for metric in INDEXES}
    for flushed in (False, True):
        if flushed:
            client.flush(DENSE)
        for name in KINDS:
            tried = INDEXES if flushed else in_memory
            for metric, (kind, build, look) in ((metric, how) for metric, hows in tried.items() for how in hows):
                client.release_collection(DENSE)
                client.drop_index(DENSE, name)
                index = client.prepare_index_params()
                index.add_index(name, index_type=kind, metric_type=metric, params=build)
                client.create_index(DENSE, index)
                equal(client.describe_index(DENSE, name)["state"], "Finished", "an index is built")
                client.load_collection(DENSE)
                query = draw(rng, name, 1)[0]

                def score(row, metric=metric, name=name, wide=widened(name, query)):
                    row = widened(name, row)
                    if metric == "L2":
                        return float(((row - wide) ** 2).sum())
                    dot = float(row @ wide)
                    return dot / math.sqrt(float(row @ row) * float(wide @ wide)) if metric == "COSINE" else dot

                best = sorted((score(row) for row in rows[name]), reverse=metric != "L2")
                found = nearest(client, DENSE, query, metric, metric != "L2", score, rows[name], name, **look)
                np.testing.assert_allclose(found, best[:10], rtol=2e-3, atol=1e-3)
    kinds = ", ".join(kind for hows in INDEXES.values() for kind, _, _ in hows)
    step(f"COSINE, L2 and IP of each: FLAT in memory; flushed: {kinds}")
    client.drop_collection(DENSE)


def draw(rng, name, count):
    """Random vectors of a type, as the client takes them; numpy has no brain floats, they are given as bytes."""
    if name == "byte":
        return list(rng.integers(-128, 128, size=(count, DIM), dtype=np.int8))
    floats = rng.standard_normal((count, DIM)).astype(np.float32)
    if name == "half":
        return list(floats.astype(np.float16))
    return [(row.view(np.uint32) >> 16).astype("<u2").tobytes() for row in floats]


def widened(name, row):
    """The numbers in a vector."""
    if name != "brain":
        return row.astype(np.float64)
    return (np.frombuffer(row, dtype="<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def refusals():
    """What Milvus refuses, with its code and the place, and nothing of it is written."""
    stub, channel = connect()
    name = "compat_refused_vectors"

    def refused(reply, *words):
        status = status_of(reply)
        if status.code not in (105, 1100):
            raise AssertionError(f"code {status.code} instead of 105 or 1100: {status.reason!r}")
        for word in words:
            if word.lower() not in status.reason.lower():
                raise AssertionError(f"{status.reason!r} does not mention {word!r}")

    def good(reply):
        equal(status_of(reply).code, 0, f"status {status_of(reply).reason!r}")
        return reply

    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=name)))
    key = field("id", TYPES.Int64, is_primary_key=True)
    for dim in (0, 4, 12, 262_152):
        refused(stub.CreateCollection(create(name, [key, field("v", TYPES.BinaryVector, dim=dim)])), "dim", str(dim))
    for data_type in (TYPES.Float16Vector, TYPES.BFloat16Vector, TYPES.Int8Vector):
        refused(stub.CreateCollection(create(name, [key, field("v", data_type, dim=1)])), "dim is 1", "32768")
    fields = [key, field("bits", TYPES.BinaryVector, dim=16), field("half", TYPES.Float16Vector, dim=2)]
    good(stub.CreateCollection(create(name, fields)))

    def column(of, data_type, dim, data, kind):
        made = schema_pb2.FieldData(field_name=of, type=data_type)
        made.vectors.dim = dim
        setattr(made.vectors, kind, data)
        return made

    def insert(bits_dim=16, bits_data=b"\1\2\3\4", half_data=b"\0\x3c" * 4):
        ids = scalars("id", TYPES.Int64, "long_data", [1, 2])
        bits_column = column("bits", TYPES.BinaryVector, bits_dim, bits_data, "binary_vector")
        half_column = column("half", TYPES.Float16Vector, 2, half_data, "float16_vector")
        return stub.Insert(
            milvus_pb2.InsertRequest(collection_name=name, fields_data=[ids, bits_column, half_column], num_rows=2)
        )

    refused(insert(bits_data=b"\1\2\3"), "bits", "3 bytes")
    refused(insert(bits_dim=24, bits_data=b"\1\2\3\4\5\6"), "bits", "24", "16")
    refused(insert(bits_dim=12, bits_data=b"\1\2"), "bits", "multiple of 8")
    refused(insert(half_data=b"\0\x3c" * 3 + b"\0\x7c"), "half", "row=1", "finite")
    refused(insert(half_data=b"\0\x3c" * 3 + b"\1\xfe"), "half", "row=1", "finite")
    index = milvus_pb2.CreateIndexRequest(collection_name=name, field_name="bits")
    for words in (
        {"index_type": "HNSW", "metric_type": "HAMMING"},
        {"index_type": "BIN_FLAT", "metric_type": "L2"},
        {"index_type": "FLAT", "metric_type": "HAMMING"},
        {"index_type": "BIN_IVF_FLAT", "metric_type": "L2", "nlist": 8},
        {"index_type": "BIN_IVF_FLAT", "metric_type": "HAMMING", "nlist": 0},
        {"index_type": "IVF_FLAT", "metric_type": "HAMMING", "nlist": 8},
    ):
        request = milvus_pb2.CreateIndexRequest()
        request.CopyFrom(index)
        request.extra_params.extend(pairs(**words))
        status = status_of(stub.CreateIndex(request))
        if status.code not in (701, 1100):
            raise AssertionError(f"{words}: code {status.code} {status.reason!r}")
    equal(stub.DescribeIndex(milvus_pb2.DescribeIndexRequest(collection_name=name)).status.code, 700, "no index")

    good(insert())
    by_floats = search(name, [[0.5] * 16], field="bits")
    refused(stub.Search(by_floats), "BinaryVector", "FloatVector")

    def by(kind, query, of="bits"):
        request = search(name, [[0.0]], field=of)
        holder = common_pb2.PlaceholderValue(tag="$0", type=kind, values=[query])
        request.placeholder_group = common_pb2.PlaceholderGroup(placeholders=[holder]).SerializeToString()
        return stub.Search(request)

    placeholders = common_pb2.PlaceholderType
    refused(by(placeholders.Int8Vector, b"\1\2"), "Int8Vector", "BinaryVector")
    refused(by(placeholders.BinaryVector, b"\1"), "8 dimensions", "16")
    refused(by(placeholders.Float16Vector, b"\0\x7e\0\0", "half"), "finite", "query vector 0")
    refused(by(placeholders.Float16Vector, b"\0", "half"), "1 bytes")
    equal(len(good(by(placeholders.BinaryVector, b"\1\2")).results.ids.int_id.data), 2, "hits")
    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=name)))
    channel.close()
    step("dimensions, byte lengths, NaN, kinds of query, indexes and metrics of another type: refused by name")


def main():
    client = MilvusClient(URI)
    bits(client)
    dense(client)
    refusals()
    client.close()


if __name__ == "__main__":
    try:
        main()
    except MilvusException as error:
        raise SystemExit(f"refused: {error}") from error
