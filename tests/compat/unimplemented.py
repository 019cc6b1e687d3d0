"""What is not served says so at once: other calls UNIMPLEMENTED, plain HTTP a code, the client's other features a clear error."""

import http.client
import json
import time

import grpc
from checks import URI, equal, step
from pymilvus import AnnSearchRequest, MilvusClient, MilvusException, RRFRanker
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc
from wire import TARGET, connect

NAME = "compat_unimplemented"

SERVED = {
    "Connect", "GetVersion", "CheckHealth", "GetComponentStates", "AllocTimestamp",
    "CreateCollection", "DropCollection", "HasCollection", "DescribeCollection", "ShowCollections",
    "GetCollectionStatistics", "LoadCollection", "ReleaseCollection", "LoadPartitions", "ReleasePartitions",
    "GetLoadingProgress", "GetLoadState", "CreatePartition", "DropPartition", "HasPartition", "ShowPartitions",
    "GetPartitionStatistics", "CreateIndex", "DescribeIndex", "DropIndex", "Insert", "Upsert", "Delete", "Search",
    "Query", "Flush", "GetFlushState", "ManualCompaction", "GetCompactionState", "GetCompactionStateWithPlans",
    "GetPersistentSegmentInfo", "GetQuerySegmentInfo", "GetReplicas",
}  # fmt: skip


def other_calls():
    """Every unary call of the public service that is not in the list."""
    _, channel = connect()
    methods = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods
    others = [method.name for method in methods if method.name not in SERVED]
    equal(SERVED - {method.name for method in methods}, set(), "served calls that the protocol does not know")
    streaming = {"CreateReplicateStream", "DumpMessages"}
    for name in others:
        kind = channel.stream_stream if name in streaming else channel.unary_unary
        call = kind(f"/milvus.proto.milvus.MilvusService/{name}")
        try:
            reply = call(iter([b""]), timeout=5) if name in streaming else call(b"", timeout=5)
            if name in streaming:
                list(reply)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNIMPLEMENTED, name)
        else:
            raise AssertionError(f"{name} was answered")
    for path in ["/milvus.proto.milvus.ClientTelemetryService/ClientHeartbeat", "/no.such.Service/Call"]:
        try:
            channel.unary_unary(path)(b"", timeout=5)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNIMPLEMENTED, path)
        else:
            raise AssertionError(f"{path} was answered")
    channel.close()
    step(f"{len(others)} other calls and 2 other services are UNIMPLEMENTED")


def server_calls():
    """Version, health, clock."""
    stub, channel = connect()
    version = stub.GetVersion(milvus_pb2.GetVersionRequest())
    equal((version.status.code, bool(version.version)), (0, True), "GetVersion")
    health = stub.CheckHealth(milvus_pb2.CheckHealthRequest())
    equal((health.status.code, health.isHealthy), (0, True), "CheckHealth")
    states = stub.GetComponentStates(milvus_pb2.GetComponentStatesRequest())
    equal((states.status.code, states.state.state_code), (0, 1), "GetComponentStates")
    first = stub.AllocTimestamp(milvus_pb2.AllocTimestampRequest()).timestamp
    second = stub.AllocTimestamp(milvus_pb2.AllocTimestampRequest()).timestamp
    equal(second >= first, True, "timestamps do not go back")
    equal(abs((first >> 18) / 1000 - time.time()) < 60, True, "timestamps are milliseconds << 18")
    has = stub.HasCollection(milvus_pb2.HasCollectionRequest(collection_name="compat_nowhere"))
    equal((has.status.code, has.value), (0, False), "HasCollection")
    channel.close()
    step("version, health, component states, timestamps, HasCollection")


def plain_http():
    """HTTP/1.1 on the same port."""
    for method, path in [("POST", "/v2/vectordb/collections/list"), ("GET", "/"), ("GET", "/v1/vector/collections")]:
        connection = http.client.HTTPConnection(TARGET, timeout=5)
        connection.request(method, path, body="{}" if method == "POST" else None)
        reply = connection.getresponse()
        body = json.loads(reply.read())
        equal(reply.getheader("content-type"), "application/json", "content type")
        equal(body["code"] != 0 and "REST comes later" in body["message"], True, f"{method} {path}: {body}")
        connection.close()
    step("HTTP/1.1 is told that REST comes later")


def fails(what, call, *words):
    """The client must fail clearly and soon."""
    started = time.monotonic()
    try:
        call()
    except MilvusException as error:
        for word in words:
            equal(word in str(error), True, f"{what}: {error}")
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.UNIMPLEMENTED, what)
    else:
        raise AssertionError(f"{what} did something")
    equal(time.monotonic() - started < 5, True, f"{what} fails at once")


def client_features():
    """Features of the client that need what is not built."""
    client = MilvusClient(URI)
    client.drop_collection(NAME)
    client.create_collection(NAME, dimension=4)
    client.insert(NAME, [{"id": i, "vector": [i, 1.0, 2.0, 3.0]} for i in range(10)])
    query = [[1.0, 1.0, 2.0, 3.0]]
    fails("group by several", lambda: client.search(NAME, data=query, group_by_fields=["id", "x"]), "group_by_fields")
    parts = [AnnSearchRequest(query, "vector", {}, limit=2)] * 2
    fails("hybrid_search", lambda: client.hybrid_search(NAME, parts, RRFRanker(), limit=2))
    fails("templates", lambda: client.query(NAME, filter="id > {n}", filter_params={"n": 1}), "templates")
    fails("partial update", lambda: client.upsert(NAME, [{"id": 1, "a": 2}], partial_update=True), "partial_update")
    fails("create_alias", lambda: client.create_alias(NAME, "other"))
    fails("list_databases", client.list_databases)
    fails("clustering", lambda: client.compact(NAME, is_clustering=True), "is_clustering")
    fails("another database", lambda: MilvusClient(URI, db_name="nowhere").list_collections(), "nowhere")
    client.drop_collection(NAME)
    client.close()
    step("grouping by several fields, hybrid, templates, partial update, aliases, databases fail clearly")


def deadline():
    """A call with a deadline that has passed is ended by both sides; the connection goes on."""
    stub, channel = connect()
    # The client counts in coarse steps, so a quick answer may still come in time; not every time.
    for _ in range(500):
        try:
            stub.ShowCollections(milvus_pb2.ShowCollectionsRequest(), timeout=0.000_01)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, "deadline")
            break
    else:
        raise AssertionError("500 calls whose deadline had passed were answered")
    equal(stub.ShowCollections(milvus_pb2.ShowCollectionsRequest(), timeout=5).status.code, 0, "the next call")
    channel.close()
    step("deadlines")


def idle_pings():
    """pymilvus pings every 10 s without calls; here ten times as often as gRPC allows by default."""
    options = [
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_timeout_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ]
    channel = grpc.insecure_channel(TARGET, options=options)
    stub = milvus_pb2_grpc.MilvusServiceStub(channel)
    stub.GetVersion(milvus_pb2.GetVersionRequest())
    lost = []
    channel.subscribe(lambda state: lost.append(state))
    time.sleep(6)
    equal([state for state in lost if state != grpc.ChannelConnectivity.READY], [], "the connection stayed")
    stub.GetVersion(milvus_pb2.GetVersionRequest())
    channel.close()
    step("pings on an idle connection")


def main():
    server_calls()
    other_calls()
    plain_http()
    client_features()
    deadline()
    idle_pings()


if __name__ == "__main__":
    main()
