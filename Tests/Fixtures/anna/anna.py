"""A small client of Anna's own protocol, written from its description: PUSH a request to an address,
take the answer at a PULL socket of one's own. No retries and no second chances, as in hers."""

import random

import zmq
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

GET, PUT = 1, 2
LWW, SET, SINGLE_CAUSAL, MULTI_CAUSAL, ORDERED_SET, PRIORITY = 1, 2, 3, 4, 5, 6
NO_ERROR, KEY_DNE, TIMEOUT, LATTICE = 0, 1, 3, 4

_STRING, _BYTES, _UINT32, _UINT64, _BOOL, _DOUBLE, _MESSAGE = 9, 12, 13, 4, 8, 1, 11
_MESSAGES = {
    "KeyAddressRequest": [("response_address", 1, _STRING), ("keys", 2, [_STRING]), ("request_id", 3, _STRING)],
    "KeyAddress": [("key", 1, _STRING), ("ips", 2, [_STRING])],
    "KeyAddressResponse": [("addresses", 1, ["KeyAddress"]), ("error", 2, _UINT32), ("response_id", 3, _STRING)],
    "KeyTuple": [
        ("key", 1, _STRING), ("lattice_type", 2, _UINT32), ("error", 3, _UINT32), ("payload", 4, _BYTES),
        ("address_cache_size", 5, _UINT32), ("invalidate", 6, _BOOL)],
    "KeyRequest": [
        ("type", 1, _UINT32), ("tuples", 2, ["KeyTuple"]), ("response_address", 3, _STRING),
        ("request_id", 4, _STRING)],
    "KeyResponse": [
        ("type", 1, _UINT32), ("tuples", 2, ["KeyTuple"]), ("response_id", 3, _STRING), ("error", 4, _UINT32)],
    "LWWValue": [("timestamp", 1, _UINT64), ("value", 2, _BYTES)],
    "SetValue": [("values", 1, [_BYTES])],
    "Clock": [("key", 1, _STRING), ("value", 2, _UINT32)],
    "KeyVersion": [("key", 1, _STRING), ("vector_clock", 2, ["Clock"])],
    "SingleKeyCausalValue": [("vector_clock", 1, ["Clock"]), ("values", 2, [_BYTES])],
    "MultiKeyCausalValue": [
        ("vector_clock", 1, ["Clock"]), ("dependencies", 2, ["KeyVersion"]), ("values", 3, [_BYTES])],
    "PriorityValue": [("priority", 1, _DOUBLE), ("value", 2, _BYTES)],
}


def _classes():
    file = descriptor_pb2.FileDescriptorProto(name="anna.proto", package="anna", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = 3 if isinstance(kind, list) else 1
            kind = kind[0] if isinstance(kind, list) else kind
            field.type = _MESSAGE if isinstance(kind, str) else kind
            if isinstance(kind, str):
                field.type_name = ".anna." + kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName("anna." + name)) for name in _MESSAGES}


_KINDS = _classes()


def message(kind, **fields):
    return _KINDS[kind](**fields)


class Client:
    """`answer_port` and the one above it are where answers come; `local` asks one key server port."""

    def __init__(self, port, answer_port, local=True, host="127.0.0.1"):
        self.context = zmq.Context.instance()
        self.host, self.port, self.local = host, port, local
        self.answer_address = f"tcp://{host}:{answer_port}"
        self.address_address = f"tcp://{host}:{answer_port + 1}"
        self.answers = self._pull(answer_port)
        self.addresses = self._pull(answer_port + 1)
        self.pushes, self.known, self.count = {}, {}, 0

    def _pull(self, port):
        socket = self.context.socket(zmq.PULL)
        socket.bind(f"tcp://{self.host}:{port}")
        return socket

    def push(self, endpoint, frame):
        if endpoint not in self.pushes:
            socket = self.context.socket(zmq.PUSH)
            socket.setsockopt(zmq.LINGER, 2000)
            socket.connect(endpoint)
            self.pushes[endpoint] = socket
        self.pushes[endpoint].send(frame)

    def next_id(self):
        self.count += 1
        return f"{self.host}:{self.count}"

    def key_server(self):
        return f"tcp://{self.host}:{self.port + (0 if self.local else random.randrange(4))}"

    def resolve(self, keys, server=None):
        """Asks for the endpoints of several keys at once."""
        request = message("KeyAddressRequest", response_address=self.address_address, keys=keys,
                          request_id=self.next_id())
        self.push(server or self.key_server(), request.SerializeToString())
        response = message("KeyAddressResponse")
        response.ParseFromString(receive(self.addresses))
        assert response.response_id == request.request_id, response
        return {entry.key: list(entry.ips) for entry in response.addresses}

    def endpoint(self, key):
        if key not in self.known:
            self.known[key] = self.resolve([key])[key]
        return random.choice(self.known[key])

    def tuple(self, key, lattice_type=0, payload=b""):
        endpoints = len(self.known.get(key, []))
        return message("KeyTuple", key=key, lattice_type=lattice_type, payload=payload, address_cache_size=endpoints)

    def send(self, kind, tuples, answer_to=None, request_id=None):
        """Sends a request; its id is returned."""
        request = message("KeyRequest", type=kind, tuples=tuples, request_id=request_id or self.next_id(),
                          response_address=self.answer_address if answer_to is None else answer_to)
        self.push(self.endpoint(tuples[0].key or "x"), request.SerializeToString())
        return request.request_id

    def answer(self, within=20):
        response = message("KeyResponse")
        response.ParseFromString(receive(self.answers, within))
        return response

    def ask(self, kind, tuples):
        sent = self.send(kind, tuples)
        response = self.answer()
        assert response.response_id == sent, (sent, response)
        assert response.type == kind, response
        return response.tuples

    def put(self, key, lattice_type, value):
        self.endpoint(key)
        return self.ask(PUT, [self.tuple(key, lattice_type, value.SerializeToString())])[0]

    def put_lww(self, key, stamp, value):
        return self.put(key, LWW, message("LWWValue", timestamp=stamp, value=value)).error

    def get(self, key):
        self.endpoint(key)
        return self.ask(GET, [self.tuple(key)])[0]

    def get_lww(self, key):
        """(stamp, value); None where the key is absent."""
        found = self.get(key)
        if found.error == KEY_DNE:
            return None
        assert (found.error, found.lattice_type) == (NO_ERROR, LWW), found
        value = message("LWWValue")
        value.ParseFromString(found.payload)
        return value.timestamp, value.value

    def get_as(self, key, kind):
        found = self.get(key)
        assert found.error == NO_ERROR, found
        value = message(kind)
        value.ParseFromString(found.payload)
        return found.lattice_type, value


def receive(socket, within=20):
    assert socket.poll(int(within * 1000)), "no answer"
    return socket.recv()
