"""Compactions on demand, segments and replicas, as clients and benchmark tools ask for them and wait for them."""

import time

import numpy as np
from checks import URI, equal, step
from pymilvus import DataType, MilvusClient, MilvusException
from pymilvus.client.types import CompactionTaskState, CompactionType, SegmentState, State
from pymilvus.grpc_gen import milvus_pb2
from wire import connect

NAME = "compat_compaction"
SHARDED = "compat_compaction_shards"
# Each flush makes a segment large enough for an index of its own; few enough that nothing is merged unasked.
PARTS, ROWS, DIM = 2, 5_000, 16
PATIENCE = 120


def fill(client, name, shards):
    """A collection in a few segments with an index each, of whose rows one in twenty is deleted."""
    client.drop_collection(name)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    client.create_collection(name, schema=schema, num_shards=shards, consistency_level="Strong")
    wanted = client.prepare_index_params()
    wanted.add_index("vector", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 40})
    client.create_index(name, wanted)
    vectors = np.random.default_rng(3).normal(size=(PARTS * ROWS, DIM)).astype(np.float32)
    for part in range(PARTS):
        ids = range(part * ROWS, part * ROWS + ROWS)
        client.insert(name, [{"id": i, "vector": vectors[i].tolist()} for i in ids])
        client.flush(name)
    client.load_collection(name)
    wait_for_index(client, name)
    client.delete(name, filter="id % 20 == 0")
    return vectors


def wait_until(what, holds, pause=0.1):
    """Asks again and again; ends the script when it takes too long."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        time.sleep(pause)


def wait_for_index(client, name):
    """As VectorDBBench does."""
    wait_until("pending rows", lambda: client.describe_index(name, "vector")["pending_index_rows"] == 0)


def wait_for_compaction(client, job):
    """As VectorDBBench does. Answers the states seen."""
    seen = []

    def is_done():
        seen.append(client.get_compaction_state(job))
        return seen[-1] == "Completed"

    wait_until("compaction", is_done)
    return set(seen)


def stored_rows(client, name):
    """Rows that take space."""
    return sum(segment.num_rows for segment in client.list_persistent_segments(name))


def on_demand(client):
    """Deleted rows go and segments are merged when somebody asks, however few they are."""
    vectors = fill(client, NAME, 1)
    collection = client.describe_collection(NAME)["collection_id"]
    equal(client.get_compaction_state(collection), "UndefiedState", "before anybody asked")
    before = client.list_persistent_segments(NAME)
    equal([segment.num_rows for segment in before], [ROWS] * PARTS, "rows of the segments before")

    job = client.compact(NAME)
    equal(job, collection, "a job is named by its collection")
    plans = client.get_compaction_plans(job)
    if plans.state == State.Executing and plans.plans:
        plan = plans.plans[0]
        equal(sorted(plan.sources), sorted(segment.segment_id for segment in before), "what becomes one")
        equal((plan.compaction_type, len(plan.targets)), (CompactionType.MixCompaction, 1), "kind of plan")
        running = (CompactionTaskState.Executing, CompactionTaskState.Indexing)
        equal(plan.state in running, True, f"state of the plan: {plan.state}")
    states = wait_for_compaction(client, job)
    equal(states <= {"Executing", "Completed"}, True, f"states seen: {states}")
    left = PARTS * ROWS * 19 // 20
    after = client.list_persistent_segments(NAME)
    equal([segment.num_rows for segment in after], [left], "rows of the segments after")
    only = after[0]
    equal((only.state_name, only.level_name, only.is_sorted), ("Flushed", "L1", True), "the segment")
    loaded = client.list_loaded_segments(NAME)
    equal([segment.segment_id for segment in loaded], [only.segment_id], "loaded segments")
    equal((loaded[0].index_name, loaded[0].num_rows), ("vector", left), "what is loaded of it")
    equal((len(loaded[0].node_ids), loaded[0].mem_size > 0), (1, True), "its node and its memory")
    equal(client.query(NAME, output_fields=["count(*)"])[0]["count(*)"], left, "rows that can be read")
    hits = client.search(NAME, vectors[[1, 777]].tolist(), limit=1, search_params={"params": {"ef": 64}})
    equal([hit[0]["id"] for hit in hits], [1, 777], "nearest rows")
    tasks = client.list_compaction_tasks(NAME)
    equal((tasks.state, tasks.plans), (State.Completed, []), "tasks left")
    step(f"{PARTS} segments became one of {left} rows; states seen: {sorted(states)}")

    # Once more there is nothing to do, and what grows is meant as well.
    equal(wait_for_compaction(client, client.compact(NAME)) <= {"Executing", "Completed"}, True, "once more")
    equal(client.list_persistent_segments(NAME)[0].segment_id, only.segment_id, "nothing was written again")
    client.insert(NAME, [{"id": 1_000_000 + i, "vector": [0.0] * DIM} for i in range(10)])
    growing = client.list_segments(NAME, states=[SegmentState.Growing])
    equal([segment.num_rows for segment in growing], [10], "rows that no flush has sealed")
    wait_for_compaction(client, client.compact(NAME, target_size=1, target_size_unit="gb"))
    equal([segment.num_rows for segment in client.list_persistent_segments(NAME)], [left + 10], "with what grew")
    equal(client.list_segments(NAME, states=[SegmentState.Growing]), [], "nothing grows")
    step("asked again, it rewrites nothing; asked after an insert, it takes the new rows along")


def benchmark_flow(client):
    """What VectorDBBench does between loading and searching."""
    fill(client, SHARDED, 2)
    client.flush(SHARDED)
    wait_until("sorted", lambda: all(segment.is_sorted for segment in client.list_persistent_segments(SHARDED)))
    wait_for_index(client, SHARDED)
    job = client.compact(SHARDED, target_size=2**63 - 1, target_size_unit="mb")
    equal(job > 0, True, "a job")
    wait_for_compaction(client, job)
    wait_for_index(client, SHARDED)
    client.refresh_load(SHARDED)
    persistent = client.list_persistent_segments(SHARDED)
    loaded = client.list_loaded_segments(SHARDED)
    ids = [{segment.segment_id for segment in segments} for segments in (persistent, loaded)]
    equal(ids[0], ids[1], "everything is loaded")
    equal(len({segment.insert_channel for segment in persistent}), 2, "one channel a shard")
    equal(stored_rows(client, SHARDED), PARTS * ROWS * 19 // 20, "rows that take space")
    step(f"the flow of VectorDBBench over 2 shards: {len(persistent)} segments, all loaded")

    client.delete(SHARDED, filter="id % 20 == 1")
    done = client.optimize(SHARDED, target_size="1GB", timeout=PATIENCE)
    equal((done.status, done.compaction_id), ("success", job), "optimize")
    equal(stored_rows(client, SHARDED), PARTS * ROWS * 18 // 20, "rows that take space after optimize")
    step("optimize")

    replicas = client.describe_replica(SHARDED)
    equal(len(replicas), 1, "replicas of one node")
    shards = replicas[0].shards
    equal(len({shard.channel_name for shard in shards}), 2, "shards of the replica")
    for shard in shards:
        equal(shard.shard_leader in shard.shard_nodes, True, "a shard's leader is one of its nodes")
    equal(set(replicas[0].group_nodes), set(loaded[0].node_ids), "the replica's nodes have the segments")
    step("describe_replica")


def refused(what, code, call, *words):
    """The call must be refused with this code, and the message must name these."""
    try:
        call()
    except MilvusException as error:
        equal(error.code, code, what)
        for word in words:
            equal(word in str(error), True, f"{what}: {error}")
        return
    raise AssertionError(f"{what}: was taken")


def refusals(client):
    """What cannot be asked for, and ids that mean nothing."""
    refused("clustering", 1100, lambda: client.compact(NAME, is_clustering=True), "is_clustering")
    refused("l0", 1100, lambda: client.compact(NAME, is_l0=True), "is_l0")
    nowhere = [
        client.compact, client.list_persistent_segments, client.list_loaded_segments, client.list_compaction_tasks,
        client.describe_replica,
    ]  # fmt: skip
    for call in nowhere:
        refused("a collection that is not there", 100, lambda call=call: call("compat_nowhere"), "compat_nowhere")
    for unknown in [0, 1 << 40, 2**63 - 1]:
        equal(client.get_compaction_state(unknown), "UndefiedState", f"job {unknown}")
        equal(client.get_compaction_plans(unknown).plans, [], f"plans of job {unknown}")
    job = client.compact(NAME)
    client.drop_collection(NAME)
    equal(client.get_compaction_state(job), "UndefiedState", "a job whose collection was dropped")
    stub, channel = connect()
    empty = stub.ManualCompaction(milvus_pb2.ManualCompactionRequest())
    equal(empty.status.code, 1101, "no collection")
    wrong = milvus_pb2.ManualCompactionRequest(collection_name=SHARDED, target_size=-5)
    equal(stub.ManualCompaction(wrong).status.code, 1100, "a negative size")
    channel.close()
    step("clustering, l0, missing collections and negative sizes are refused; unknown jobs are undefined")


def main():
    client = MilvusClient(URI)
    on_demand(client)
    benchmark_flow(client)
    refusals(client)
    client.drop_collection(SHARDED)
    client.close()


if __name__ == "__main__":
    main()
