"""Bad input: each gets Milvus's code and a message that says what, where and the limit, and nothing of it is applied."""

import re

from checks import equal, step
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from wire import TYPES, connect, create, field, pairs, query, scalars, search, status_of, vectors

NAME = "compat_bad_input"
stub, channel = connect()


def refused(reply, code, *words):
    """The status must have this code (a number, or a pattern where several fit) and mention all words."""
    status = status_of(reply)
    if not re.fullmatch(str(code), str(status.code)):
        raise AssertionError(f"code {status.code} instead of {code}: {status.reason!r}")
    if status.error_code == 0:
        raise AssertionError(f"{status.reason!r}: the old error_code says success")
    for word in words:
        if not re.search(str(word), status.reason, re.IGNORECASE | re.DOTALL):
            raise AssertionError(f"{status.reason!r} does not mention {word!r}")


def good(reply):
    """The call must succeed."""
    status = status_of(reply)
    equal((status.code, status.error_code), (0, 0), f"status {status.reason!r}")
    return reply


def fields():
    """int64 key, int8 number, varchar title (8 bytes, nullable), JSON, vector of dimension 4."""
    return [
        field("id", TYPES.Int64, is_primary_key=True),
        field("number", TYPES.Int8),
        field("title", TYPES.VarChar, max_length=8, nullable=True),
        field("extra", TYPES.JSON),
        field("vector", TYPES.FloatVector, dim=4),
    ]


def columns(ids=(1, 2)):
    """Good columns for these keys."""
    n = len(ids)
    return {
        "id": scalars("id", TYPES.Int64, "long_data", ids),
        "number": scalars("number", TYPES.Int8, "int_data", [1] * n),
        "title": scalars("title", TYPES.VarChar, "string_data", ["a"] * n, [True] * n),
        "extra": scalars("extra", TYPES.JSON, "json_data", [b"{}"] * n),
        "vector": vectors("vector", [[1.0, 2.0, 3.0, 4.0]] * n),
    }


def insert(parts, rows=2, **extra):
    """An insert of columns."""
    return milvus_pb2.InsertRequest(
        collection_name=extra.pop("collection_name", NAME), fields_data=list(parts.values()), num_rows=rows, **extra
    )


def count():
    """Exact number of rows."""
    reply = good(stub.Query(query(NAME, output=["count(*)"])))
    return reply.fields_data[0].scalars.long_data.data[0]


def bad_rows():
    """Inserts and upserts with one thing wrong each."""

    def wrong(change, code, *words, rows=2):
        parts = columns()
        parts.update(change)
        request = insert({key: part for key, part in parts.items() if part is not None}, rows)
        refused(stub.Insert(request), code, *words)
        upsert = milvus_pb2.UpsertRequest(
            collection_name=NAME, fields_data=request.fields_data, num_rows=request.num_rows
        )
        refused(stub.Upsert(upsert), code, *words)
        equal(count(), 0, f"rows after refusing {words}")

    nan, infinity = float("nan"), float("inf")
    wrong({"vector": vectors("vector", [[1.0] * 5, [1.0] * 5])}, 1100, "vector", "5", "4")
    wrong({"vector": vectors("vector", [[1.0] * 4, [1.0] * 3])}, 1100, "vector", "dimension")
    wrong({"vector": vectors("vector", [[1.0] * 4, [1.0, nan, 1.0, 1.0]])}, 1100, "vector", "row 1", "nan")
    wrong({"vector": vectors("vector", [[infinity] * 4, [1.0] * 4])}, 1100, "vector", "row 0", "inf")
    wrong({"number": None}, "(1100|1101|1700)", "number")
    wrong({"vector": None}, "(1100|1101|1700)", "vector")
    wrong({"other": scalars("other", TYPES.Int64, "long_data", [1, 2])}, "(1100|1700)", "other")
    wrong({"number": scalars("number", TYPES.Int64, "long_data", [1, 2])}, 1100, "number", "Int8", "Int64")
    wrong({"number": scalars("number", TYPES.Int8, "long_data", [1, 2])}, 1100, "number", "Int8", "Int64")
    wrong({"number": scalars("number", TYPES.Int8, "int_data", [1, 128])}, 1100, "number", "row 1", "128")
    wrong({"number": scalars("number", TYPES.Int8, "int_data", [1])}, 1100, "number", "1 values", "2 rows")
    wrong({"number": scalars("number", TYPES.Int8, "int_data", [1], [True, False])}, 1100, "number", "null")
    # Nine bytes in five characters: the limit counts bytes.
    nine_bytes = scalars("title", TYPES.VarChar, "string_data", ["a", "\u00e9\u00e9\u00e9\u00e9a"], [True, True])
    wrong({"title": nine_bytes}, "110[02]", "title", "9", "8")
    wrong({"extra": scalars("extra", TYPES.JSON, "json_data", [b"{}", b"{"])}, 1100, "extra", "row 1", "JSON")
    wrong({"extra": scalars("extra", TYPES.Array, "json_data", [b"{}", b"{}"])}, 1100, "extra", "Array")
    wrong({}, 1100, "rows", rows=0)
    wrong({}, 1100, "rows", rows=3)
    refused(stub.Insert(insert(columns(), collection_name="compat_nowhere")), 100, "compat_nowhere")
    refused(stub.Insert(insert(columns(), partition_name="nowhere")), 200, "nowhere")
    refused(stub.Insert(insert(columns(), db_name="nowhere")), 800, "nowhere")
    refused(stub.Insert(insert(columns(), namespace="n")), 1100, "namespace")
    stale = stub.Insert(insert(columns(), schema_timestamp=1))
    equal(status_of(stale).error_code, common_pb2.SchemaMismatch, "old code of a stale schema")
    partial = milvus_pb2.UpsertRequest(collection_name=NAME, partial_update=True)
    refused(stub.Upsert(partial), 1100, "partial_update")
    equal(count(), 0, "rows after all refusals")
    step("rows: dimension, NaN, infinity, missing, unknown, type, range, nulls, bytes, JSON, names; nothing applied")


def too_large():
    """A message over 64 MiB."""
    rows = 300_000
    column = schema_pb2.FieldData(field_name="vector", type=TYPES.FloatVector)
    column.vectors.dim = 64
    column.vectors.float_vector.data.extend([0.5] * (rows * 64))
    request = milvus_pb2.InsertRequest(collection_name=NAME, fields_data=[column], num_rows=rows)
    refused(stub.Insert(request), 1102, request.ByteSize(), 64 << 20)
    equal(count(), 0, "rows after too large a message")
    step("a message over 64 MiB")


def bad_reads():
    """Searches, queries and deletes."""
    query_vector = [[1.0, 2.0, 3.0, 4.0]]

    def wrong(code, *words, **change):
        refused(stub.Search(search(NAME, change.pop("queries", query_vector), **change)), code, *words)

    wrong(1100, "16385", "16384", limit=16_385)
    wrong(1100, "0", "16384", limit=0)
    wrong(1100, "offset", "16384", limit=16_000, extra={"offset": 385})
    wrong(1100, "16385", "16384", queries=query_vector * 16_385)
    wrong(1100, "3", "4", queries=[[1.0, 2.0, 3.0]])
    wrong(1100, "nan", queries=[[1.0, 2.0, 3.0, float("nan")]])
    wrong(1100, "metric", "IP", "L2", extra={"metric_type": "IP"})
    wrong(1100, "HAMMING", extra={"metric_type": "HAMMING"})
    wrong("(1100|1700)", "nowhere", field="nowhere")
    wrong(1100, "number", field="number")
    wrong("(1100|1700)", "nowhere", output=["nowhere"])
    wrong(1100, "character 9", filter="number >")
    wrong("(1100|1700)", "nowhere", filter="nowhere > 1")
    wrong(1100, "number", filter='number > "a"')
    for name in ["ignore_growing", "page_retain_order", "order_by_fields", "hints", "x"]:
        wrong(1100, name, extra={name: "True"})
    wrong(1100, "iterator", extra={"search_iter_v2": "True", "search_iter_batch_size": "3"})
    wrong(1100, "search_iter_batch_size", extra={"search_iter_v2": "True", "iterator": "True"})
    wrong(1100, "group_by_field", extra={"group_size": "2"})
    wrong(1100, "group_size", extra={"group_by_field": "id", "group_size": "-2"})
    wrong("(1100|1700)", "nowhere", extra={"group_by_field": "nowhere"})
    wrong(1100, "no_such_parameter", params='{"no_such_parameter": 1}')
    wrong(1100, "radius", "wide", params='{"radius": "wide"}')
    # L2: the nearer bound is the smaller one.
    wrong(1100, "radius", "range_filter", params='{"radius": 0.5, "range_filter": 0.8}')
    refused(stub.Search(search("compat_nowhere", query_vector)), 100, "compat_nowhere")
    refused(stub.Query(query("compat_nowhere", "id > 0")), 100, "compat_nowhere")
    refused(stub.Query(query(NAME, "id > 0", ["nowhere"])), "(1100|1700)", "nowhere")
    refused(stub.Query(query(NAME, "id >> ")), 1100, "character")
    refused(stub.Query(query(NAME, "")), 1100, "limit")
    refused(stub.Query(query(NAME, "id > 0", limit=16_385)), 1100, "16385", "16384")
    refused(stub.Query(query(NAME, "id > 0", iterator="perhaps")), 1100, "iterator", "perhaps")
    refused(stub.Query(query(NAME, "id > 0", limit=9, iterator="True", collection_id="1")), 1100, "collection_id")
    for expr, *words in [("", "filter"), ("id in [1", "character"), ("nowhere == 1", "nowhere")]:
        request = milvus_pb2.DeleteRequest(collection_name=NAME, expr=expr)
        refused(stub.Delete(request), "(1100|1700)", *words)
    request = milvus_pb2.DeleteRequest(collection_name=NAME, expr="id == 1", partition_name="nowhere")
    refused(stub.Delete(request), 200, "nowhere")
    step("reads and deletes: limits, dimension, metric, filter positions, unknown names, what is not built")


def bad_ddl():
    """Collections, partitions and indexes."""
    before = good(stub.ShowCollections(milvus_pb2.ShowCollectionsRequest())).collection_names

    def wrong(code, *words, name="compat_bad", change=None, **extra):
        whole = fields()
        if change:
            change(whole)
        refused(stub.CreateCollection(create(name, whole, **extra)), code, *words)

    def replace(at, new):
        return lambda whole: whole.__setitem__(at, new)

    for name, word in [("", "name"), ("1a", "letter"), ("a-b", "-"), ("\u00e9", "letter"), ("a" * 256, "255")]:
        wrong("110[012]", word, name=name)
    wrong("(105|1100)", "dim", "1", "32768", change=replace(4, field("vector", TYPES.FloatVector, dim=1)))
    wrong("(105|1100)", "dim", "32769", "32768", change=replace(4, field("vector", TYPES.FloatVector, dim=32_769)))
    wrong(1100, "dim", change=replace(4, field("vector", TYPES.FloatVector)))
    wrong("(105|1100)", "65535", change=replace(2, field("title", TYPES.VarChar, max_length=65_536)))
    wrong(1100, "max_length", change=replace(2, field("title", TYPES.VarChar)))
    wrong(105, "primary key", change=replace(0, field("id", TYPES.Int64)))
    wrong(105, "primary key", change=replace(1, field("number", TYPES.Int64, is_primary_key=True)))
    wrong(105, "vector", change=lambda whole: whole.pop())
    wrong(105, "twice", "number", change=lambda whole: whole.append(field("number", TYPES.Int8)))
    wrong(1100, "a b", change=replace(1, field("a b", TYPES.Int8)))
    for unbuilt in ["Array", "SparseFloatVector", "ArrayOfVector", "Geometry"]:
        wrong(1100, unbuilt, "other", change=lambda whole: whole.append(field("other", getattr(TYPES, unbuilt))))
    wrong(1100, "nullable vector", change=replace(4, field("vector", TYPES.FloatVector, dim=4, nullable=True)))
    wrong(1100, "partition_key", change=replace(1, field("number", TYPES.Int8, is_partition_key=True)))
    wrong(1100, "functions", schema={"functions": [schema_pb2.FunctionSchema(name="f")]})
    wrong(1100, "collection.ttl.seconds", properties={"collection.ttl.seconds": 10})
    wrong(1100, "no.such.property", properties={"no.such.property": 1})
    wrong("(1100|1102)", "17", "16", shards_num=17)
    wrong(800, "nowhere", db_name="nowhere")
    refused(stub.CreateCollection(create(NAME, fields()[:1] + fields()[4:])), 1100, NAME)
    equal(good(stub.ShowCollections(milvus_pb2.ShowCollectionsRequest())).collection_names, before, "collections")
    good(stub.CreateCollection(create(NAME, fields())))
    step("collections: names, limits, keys, types and features that are not built; the same one again is fine")

    missing = milvus_pb2.DescribeCollectionRequest(collection_name="compat_nowhere")
    refused(stub.DescribeCollection(missing), 100, "compat_nowhere")
    equal(status_of(stub.DescribeCollection(missing)).error_code, common_pb2.CollectionNotExists, "old code of a miss")
    partition = {"collection_name": NAME, "partition_name": "a-b"}
    refused(stub.CreatePartition(milvus_pb2.CreatePartitionRequest(**partition)), 1100, "partition", "-")
    partition["partition_name"] = "_default"
    refused(stub.DropPartition(milvus_pb2.DropPartitionRequest(**partition)), 1100, "_default")
    index = {"collection_name": NAME, "field_name": "vector", "index_name": "other"}
    for extra, *words in [
        ({"index_type": "NO_SUCH"}, "NO_SUCH"),
        ({"index_type": "DISKANN"}, "DISKANN"),
        ({"index_type": "FLAT", "metric_type": "JACCARD"}, "JACCARD"),
        ({"index_type": "FLAT", "no_such_parameter": 1}, "no_such_parameter"),
        ({"index_type": "IVF_FLAT", "params": '{"nlist": 0}'}, "nlist"),
    ]:
        request = milvus_pb2.CreateIndexRequest(**index, extra_params=pairs(**extra))
        refused(stub.CreateIndex(request), "(1100|701)", *words)
    index["field_name"] = "nowhere"
    refused(stub.CreateIndex(milvus_pb2.CreateIndexRequest(**index)), "(1100|1700)", "nowhere")
    described = milvus_pb2.DescribeIndexRequest(collection_name=NAME, index_name="nowhere")
    refused(stub.DescribeIndex(described), 700, "nowhere")
    equal(status_of(stub.DescribeIndex(described)).error_code, common_pb2.IndexNotExist, "old code of no index")
    step("partitions and indexes: names, types, parameters")


def strict_and_unique():
    """The collection properties that have a meaning."""
    name = NAME + "_strict"
    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=name)))
    properties = {"milvus.strict_load": "true", "mmap.enabled": "true", "pk.on_conflict": "reject"}
    good(stub.CreateCollection(create(name, fields(), properties)))
    refused(stub.Query(query(name, "id > 0")), 101, name)
    good(stub.LoadCollection(milvus_pb2.LoadCollectionRequest(collection_name=name)))
    good(stub.Insert(insert(columns(), collection_name=name)))
    refused(stub.Insert(insert(columns((2, 3)), collection_name=name)), 1100, "2")
    rows = good(stub.Query(query(name, "id > 0", ["id"]))).fields_data[0].scalars.long_data.data
    equal(list(rows), [1, 2], "rows after a refused insert")
    good(stub.ReleaseCollection(milvus_pb2.ReleaseCollectionRequest(collection_name=name)))
    refused(stub.Search(search(name, [[1.0] * 4])), 101, name)
    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=name)))
    step("milvus.strict_load, mmap.enabled and pk.on_conflict = reject")


def main():
    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=NAME)))
    good(stub.CreateCollection(create(NAME, fields())))
    index = {"collection_name": NAME, "field_name": "vector"}
    extra = pairs(index_type="FLAT", metric_type="L2")
    good(stub.CreateIndex(milvus_pb2.CreateIndexRequest(**index, extra_params=extra)))
    bad_rows()
    too_large()
    bad_reads()
    bad_ddl()
    strict_and_unique()
    # What was refused left nothing behind that could stand in the way of good rows.
    good(stub.Insert(insert(columns())))
    equal(count(), 2, "rows after a good insert")
    good(stub.DropCollection(milvus_pb2.DropCollectionRequest(collection_name=NAME)))
    channel.close()


if __name__ == "__main__":
    main()
