"""Iterators: pages of one moment, whatever is written between them; nothing lost, nothing twice."""

import os
import tempfile

from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException

NAME = "compat_iterator"
ROWS = 1_000
# Without an index nothing else says so.
L2 = {"metric_type": "L2"}


def drain(pages):
    """The keys of each page until there are no more."""
    told = []
    while True:
        page = pages.next()
        if page is None or len(page) == 0:
            pages.close()
            return told
        told.append([hit["id"] for hit in page])


def flat(pages):
    return [key for page in pages for key in page]


def vector(key):
    # A hundred rows at each of ten distances from the origin.
    return [float(key % 10), 0.0]


def fill(client, shards):
    client.drop_collection(NAME)
    schema = client.create_schema(enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("n", DataType.INT64)
    client.create_collection(NAME, schema=schema, num_shards=shards)
    client.create_partition(NAME, "even")
    rows = [{"id": key, "vector": vector(key), "n": key % 7} for key in range(ROWS)]
    client.insert(NAME, rows[1::2])
    client.insert(NAME, rows[0::2], partition_name="even")


def disturb(client, round):
    """Deletes, replaces and adds rows; a flush seals what there is."""
    client.delete(NAME, filter=f"id % 10 == {round}")
    client.upsert(NAME, [{"id": 500 + round, "vector": [100.0, 0.0], "n": 100}])
    client.insert(NAME, [{"id": 5_000 + round, "vector": [0.0, 0.0], "n": 3}])
    client.flush(NAME)


def query_pages(client, shards):
    fill(client, shards)
    pages = client.query_iterator(NAME, filter="n < 5", batch_size=100, output_fields=["n"])
    expected = [key for key in range(ROWS) if key % 7 < 5]
    told = []
    for round in range(20):
        page = pages.next()
        if not page:
            break
        equal([row["n"] for row in page], [row["id"] % 7 for row in page], "values are those of the moment")
        told.append([row["id"] for row in page])
        if round < 3:
            disturb(client, round)
    equal(flat(told), expected, "rows of the moment, each once")
    equal([len(page) for page in told], [100] * 7 + [len(expected) - 700], "pages")
    now = [row["id"] for row in client.query(NAME, filter="id >= 0", output_fields=["id"])]
    equal(len(now) != ROWS and 5_000 in now and 10 not in now, True, "the present is another moment")

    fill(client, shards)
    equal(flat(drain(client.query_iterator(NAME, batch_size=333))), list(range(ROWS)), "no filter")
    equal(drain(client.query_iterator(NAME, batch_size=4, limit=10)), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], "limit")
    equal(flat(drain(client.query_iterator(NAME, batch_size=16_384, offset=990))), list(range(990, ROWS)), "offset")
    even = client.query_iterator(NAME, partition_names=["even"], batch_size=77)
    equal(flat(drain(even)), list(range(0, ROWS, 2)), "a partition")
    keys = client.query_iterator(NAME, filter="id in [3, 900, 42, 7]", batch_size=3)
    equal(drain(keys), [[3, 7, 42], [900]], "a filter of keys")
    step(f"query_iterator over {shards} shard(s): order, limit, offset, partition, filter, writes between pages")


def by_distance(keys):
    """The keys at each distance from the origin, the nearest first."""
    return [sorted(key for key in keys if key % 10 == near) for near in range(10)]


def search_pages(client, shards, **options):
    fill(client, shards)
    batch = options.pop("batch_size", 30)
    pages = client.search_iterator(
        NAME,
        data=[[0.0, 0.0]],
        filter="n < 5",
        batch_size=batch,
        output_fields=["n"],
        search_params=L2,
        **options,
    )
    expected = by_distance([key for key in range(ROWS) if key % 7 < 5])
    told, scores = [], []
    for round in range(100):
        page = pages.next()
        if page is None or len(page) == 0:
            break
        for hit in page:
            equal(hit["entity"]["n"], hit["id"] % 7, "values are those of the moment")
            equal(hit["distance"], float((hit["id"] % 10) ** 2), "distances are those of the moment")
        told.append([hit["id"] for hit in page])
        scores += [hit["distance"] for hit in page]
        if round < 3:
            disturb(client, round)
    equal(sorted(flat(told)), sorted(flat(expected)), "rows of the moment, each once")
    equal(scores, sorted(scores), "nearest first")
    at = 0
    for keys in expected:
        equal(sorted(flat(told)[at : at + len(keys)]), keys, "rows of one distance")
        at += len(keys)
    # A page ends with a whole distance.
    sizes, at = [], 0
    distances = [len(keys) for keys in expected]
    while distances:
        size = 0
        while distances and size < batch:
            size += distances.pop(0)
        sizes.append(size)
    equal([len(page) for page in told], sizes, "lengths of pages")


def search_options(client):
    fill(client, 2)
    origin = [[0.0, 0.0]]

    def keys(**options):
        return flat(drain(client.search_iterator(NAME, data=origin, **{"search_params": L2, **options})))

    equal(len(keys(batch_size=1)), ROWS, "one row a page, and those as near")
    equal(len(keys(batch_size=16_384)), ROWS, "one page")
    equal(len(keys(batch_size=70, limit=250)), 250, "limit")
    nearest = keys(batch_size=70, limit=250)
    equal({key % 10 for key in nearest}, {0, 1, 2}, "the nearest")
    even = keys(batch_size=100, partition_names=["even"])
    equal(sorted(even), list(range(0, ROWS, 2)), "a partition")
    ring = {**L2, "params": {"radius": 26.0, "range_filter": 9.0}}
    equal({key % 10 for key in keys(batch_size=150, search_params=ring)}, {3, 4, 5}, "a range")
    equal(keys(batch_size=10, filter="id < 0"), [], "nothing matches")
    odd = client.search_iterator(
        NAME,
        data=origin,
        batch_size=40,
        search_params=L2,
        external_filter_func=lambda hits: [hit for hit in hits if hit["id"] % 3 == 0],
    )
    told = drain(odd)
    equal(sorted(flat(told)), list(range(0, ROWS, 3)), "a filter of the client's own")
    equal({len(page) for page in told[:-1]}, {40}, "its pages are cut by the client")
    step("search_iterator: batch sizes 1 to 16,384, limit, partition, range, no matches, external filter")


def indexed_pages(client):
    """An index changes nothing: pages compare every row."""
    fill(client, 1)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 64})
    client.flush(NAME)
    client.create_index(NAME, index)
    pages = client.search_iterator(NAME, data=[[0.0, 0.0]], batch_size=50, search_params={**L2, "params": {"ef": 10}})
    equal(sorted(flat(drain(pages))), list(range(ROWS)), "with an index")
    step("search_iterator over HNSW with a small ef: every row once")


def old_iterators(client):
    """The first version, by ranges, as Collection and older clients have it."""
    from pymilvus import Collection, connections

    fill(client, 1)
    connections.connect(uri=URI)
    collection = Collection(NAME)
    pages = collection.search_iterator(
        [[0.0, 0.0]], "vector", {"metric_type": "L2", "params": {}}, batch_size=200, output_fields=["n"]
    )
    told = []
    for round in range(100):
        page = pages.next()
        if page is None or len(page) == 0:
            break
        told += [hit.id for hit in page]
        if round < 3:
            disturb(client, round)
    pages.close()
    equal(len(told), len(set(told)), "nothing twice")
    # It gives up after some tries when a ring is empty; what it tells is of the moment.
    equal(set(told) <= set(range(ROWS)) and len(told) >= 500, True, f"{len(told)} rows of the moment")
    rows = flat(drain(collection.query_iterator(batch_size=300)))
    now = [row["id"] for row in client.query(NAME, filter="id >= 0", output_fields=["id"])]
    equal(rows, now, "Collection.query_iterator")
    connections.disconnect("default")
    step("Collection.search_iterator (first version) and Collection.query_iterator")


def checkpoint_file(client):
    fill(client, 1)
    path = os.path.join(tempfile.mkdtemp(), "cursor")
    first = client.query_iterator(NAME, batch_size=300, iterator_cp_file=path)
    told = [row["id"] for row in first.next()]
    disturb(client, 5)
    again = client.query_iterator(NAME, batch_size=300, iterator_cp_file=path)
    told += flat(drain(again))
    equal(told, list(range(ROWS)), "another process goes on where the first one was")
    step("query_iterator goes on from its checkpoint file")


def refused(what, call, *words):
    try:
        call()
    except MilvusException as error:
        for word in words:
            equal(word in str(error), True, f"{what}: {word!r} in {error}")
        return
    raise AssertionError(f"{what} was not refused")


def refusals(client):
    fill(client, 1)

    def query_at(moment):
        pages = client.query_iterator(NAME, batch_size=10)
        pages._query_options["guarantee_timestamp"] = moment
        return pages.next()

    refused("a moment that nobody began", lambda: query_at(12_345_678), "12345678", "no iterator", "began there")
    refused("no rows a page", lambda: client.query_iterator(NAME, batch_size=0).next(), "limit")
    refused("too many rows a page", lambda: client.query_iterator(NAME, batch_size=16_385), "16384")

    def search_with(**words):
        pages = client.search_iterator(NAME, data=[[0.0, 0.0]], batch_size=10)
        pages._params.update(words)
        return pages.next()

    refused("a token of nobody's", lambda: search_with(search_iter_id="5a7e"), "search_iter_id", "5a7e")
    refused("another moment", lambda: search_with(search_iter_id="4711"), "4711", "one moment")
    refused("a moment that nobody began", lambda: search_with(guarantee_timestamp=4711), "4711", "began there")
    refused("a bound of letters", lambda: search_with(search_iter_last_bound="near"), "search_iter_last_bound")
    refused("no rows a page", lambda: search_with(search_iter_batch_size=0), "search_iter_batch_size", "16384")
    refused("too many a page", lambda: search_with(search_iter_batch_size=16_385), "16385", "16384")
    refused(
        "groups",
        lambda: client.search_iterator(NAME, data=[[0.0, 0.0]], batch_size=10, group_by_field="n"),
        "group",
    )

    pages = client.query_iterator(NAME, batch_size=10)
    client.drop_partition(NAME, "even")
    refused("a partition that went", pages.next, "partition", "dropped")

    fill(client, 1)
    pages = client.query_iterator(NAME, batch_size=10, partition_names=["even"])
    others = client.query_iterator(NAME, batch_size=400, partition_names=["_default"])
    client.drop_partition(NAME, "even")
    client.create_partition(NAME, "even")
    refused("a partition made anew", pages.next, "made since")
    equal(flat(drain(others)), list(range(1, ROWS, 2)), "another partition's rows are all there")

    pages = client.query_iterator(NAME, batch_size=10)
    fill(client, 1)
    refused("a collection made anew", pages.next, "made anew")
    step("moments never begun, dropped partitions, a collection made anew, wrong sizes: clear errors")


def main():
    client = MilvusClient(URI, token="root:Milvus")
    for shards in [1, 3]:
        query_pages(client, shards)
        search_pages(client, shards)
        search_pages(client, shards, batch_size=101)
        step(f"search_iterator over {shards} shard(s): equal distances at the ends of pages, writes between them")
    search_options(client)
    indexed_pages(client)
    old_iterators(client)
    checkpoint_file(client)
    refusals(client)
    client.drop_collection(NAME)


if __name__ == "__main__":
    main()
