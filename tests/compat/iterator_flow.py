"""Iterators: pages of one moment, whatever is written between them; nothing lost, nothing twice."""

import os
import tempfile

from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException

NAME = "compat_iterator"
ROWS = 1_000


def drain(pages):
    """The keys of each page until there are no more."""
    told = []
    while True:
        page = pages.next()
        if len(page) == 0:
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

    pages = client.query_iterator(NAME, batch_size=10)
    client.drop_partition(NAME, "even")
    refused("a partition that went", pages.next, "partition", "dropped")

    pages = client.query_iterator(NAME, batch_size=10)
    fill(client, 1)
    refused("a collection made anew", pages.next, "made anew")
    step("moments never begun, dropped partitions, a collection made anew, wrong sizes: clear errors")


def main():
    client = MilvusClient(URI, token="root:Milvus")
    for shards in [1, 3]:
        query_pages(client, shards)
    checkpoint_file(client)
    refusals(client)
    client.drop_collection(NAME)


if __name__ == "__main__":
    main()
