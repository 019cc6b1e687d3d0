"""Requests built by hand and sent past the client's own checks."""

import struct

import grpc
from checks import URI
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

TYPES = schema_pb2.DataType
TARGET = URI.split("//")[-1]


def connect():
    """A stub without retries, and its channel."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(TARGET, options=options)
    return milvus_pb2_grpc.MilvusServiceStub(channel), channel


def pairs(**values):
    """Key-value parameters."""
    return [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in values.items()]


def field(name, data_type, **extra):
    """A field of a schema; dim and max_length become type parameters."""
    params = {key: extra.pop(key) for key in ("dim", "max_length", "mmap_enabled") if key in extra}
    return schema_pb2.FieldSchema(name=name, data_type=data_type, type_params=pairs(**params), **extra)


def create(name, fields, properties=None, schema=None, **extra):
    """A request for a collection."""
    whole = schema_pb2.CollectionSchema(name=name, fields=fields, **(schema or {}))
    return milvus_pb2.CreateCollectionRequest(
        collection_name=name,
        schema=whole.SerializeToString(),
        properties=pairs(**(properties or {})),
        consistency_level=0,
        **extra,
    )


def scalars(name, data_type, kind, values, valid=()):
    """A scalar column; `kind` is the protocol's name of its array (long_data, ...)."""
    column = schema_pb2.FieldData(field_name=name, type=data_type, valid_data=valid)
    getattr(column.scalars, kind).data.extend(values)
    return column


def vectors(name, rows):
    """A column of float vectors."""
    column = schema_pb2.FieldData(field_name=name, type=TYPES.FloatVector)
    column.vectors.dim = len(rows[0])
    for row in rows:
        column.vectors.float_vector.data.extend(row)
    return column


def search(name, queries, field="vector", filter="", limit=3, output=(), params=None, extra=None):
    """A search with float vectors; `extra` are further search parameters."""
    packed = [struct.pack(f"<{len(query)}f", *query) for query in queries]
    holder = common_pb2.PlaceholderValue(tag="$0", type=common_pb2.PlaceholderType.FloatVector, values=packed)
    group = common_pb2.PlaceholderGroup(placeholders=[holder])
    values = {"anns_field": field, "topk": limit, "params": params or "{}", **(extra or {})}
    return milvus_pb2.SearchRequest(
        collection_name=name,
        dsl=filter,
        dsl_type=common_pb2.DslType.BoolExprV1,
        placeholder_group=group.SerializeToString(),
        nq=len(queries),
        search_params=pairs(**values),
        output_fields=output,
    )


def query(name, filter="", output=("*",), **params):
    """A Strong query."""
    return milvus_pb2.QueryRequest(
        collection_name=name, expr=filter, output_fields=output, query_params=pairs(**params)
    )


def status_of(reply):
    """The status of any reply."""
    return reply if isinstance(reply, common_pb2.Status) else reply.status
