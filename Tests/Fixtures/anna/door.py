"""What Anna's clients do at the door, one scenario a run: door.py SCENARIO PORT ANSWER_PORT [WORD...].
Ends with an assertion's text where the door did something else."""

import socket
import sys
import time

import zmq

from anna import (GET, KEY_DNE, LATTICE, LWW, MULTI_CAUSAL, NO_ERROR, ORDERED_SET, PRIORITY, PUT, SET,
                  SINGLE_CAUSAL, Client, message)


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def six_types(client):
    """All six payloads, merged as their types say, in local and in cluster mode."""
    equal(client.get_lww("nokey"), None)
    equal(client.get("nokey").lattice_type, 0)
    equal(client.put_lww("a", 17, b"hi"), NO_ERROR)
    equal(client.get_lww("a"), (17, b"hi"))
    equal(client.put_lww("empty", 1, b""), NO_ERROR)
    equal(client.get_lww("empty"), (1, b""))
    for element in (b"y", b"x", b"y"):
        equal(client.put("s", SET, message("SetValue", values=[element])).lattice_type, SET)
        equal(client.put("o", ORDERED_SET, message("SetValue", values=[element])).error, NO_ERROR)
    equal(sorted(client.get_as("s", "SetValue")[1].values), [b"x", b"y"])
    equal(client.get_as("o", "SetValue"), (ORDERED_SET, message("SetValue", values=[b"x", b"y"])))
    for priority, value in ((2.0, b"two"), (1.5, b"first"), (3.0, b"three")):
        client.put("p", PRIORITY, message("PriorityValue", priority=priority, value=value))
    equal(client.get_as("p", "PriorityValue"), (PRIORITY, message("PriorityValue", priority=1.5, value=b"first")))
    clock = [message("Clock", key="me", value=1)]
    client.put("c", SINGLE_CAUSAL, message("SingleKeyCausalValue", vector_clock=clock, values=[b"v1"]))
    later = message("SingleKeyCausalValue", vector_clock=[message("Clock", key="me", value=2)], values=[b"v2"])
    client.put("c", SINGLE_CAUSAL, later)
    equal(client.get_as("c", "SingleKeyCausalValue"), (SINGLE_CAUSAL, later))
    dependency = message("KeyVersion", key="c", vector_clock=clock)
    value = message("MultiKeyCausalValue", vector_clock=clock, dependencies=[dependency], values=[b"m"])
    equal(client.put("m", MULTI_CAUSAL, value).error, NO_ERROR)
    equal(client.get_as("m", "MultiKeyCausalValue"), (MULTI_CAUSAL, value))


def conflicts(client):
    """Another type than stored, and types that are none: an error, and nothing changed."""
    client.put("s", SET, message("SetValue", values=[b"x"]))
    refused = client.put("s", LWW, message("LWWValue", timestamp=1, value=b"no"))
    equal((refused.error, refused.lattice_type), (LATTICE, 0))
    equal(list(client.get_as("s", "SetValue")[1].values), [b"x"])
    for lattice_type in (0, 7, 100, 300):
        equal(client.put("u", lattice_type, message("LWWValue", value=b"x")).error, LATTICE)
    equal(client.get("u").error, KEY_DNE)


def addresses(client):
    """Every key server port answers batches whole, and keys are served wherever we are sent."""
    keys = [f"k{number}" for number in range(100)]
    for port in range(4):
        found = client.resolve(keys + [""], f"tcp://127.0.0.1:{client.port + port}")
        equal(sorted(found), sorted(keys + [""]))
        assert all(len(endpoints) == 1 for endpoints in found.values()), found
    client.known["a"] = client.resolve(["a"])["a"]
    client.put_lww("a", 1, b"x")
    equal(client.get("a").invalidate, False)
    stale = client.tuple("a")
    stale.address_cache_size = 4
    equal(client.ask(GET, [stale])[0].invalidate, True)


def stamps(client):
    """A lower stamp loses, whichever comes last."""
    client.put_lww("k", 9, b"nine")
    equal(client.put_lww("k", 5, b"five"), NO_ERROR)
    equal(client.get_lww("k"), (9, b"nine"))
    client.put_lww("k", 2**64 - 1, b"last")
    equal(client.get_lww("k"), (2**64 - 1, b"last"))


def exactly_one_answer(client):
    """Hundreds in flight, batches and silent ones among them: one answer each, ids as sent."""
    client.endpoint("k0")
    waiting, silent = {}, 0
    for number in range(600):
        key = f"k{number % 50}"
        value = message("LWWValue", timestamp=number, value=b"v%d" % number).SerializeToString()
        if number % 7 == 0:
            client.send(PUT, [client.tuple(key, LWW, value)], answer_to="")
            silent += 1
        elif number % 3 == 0:
            sent = client.send(GET, [client.tuple(f"k{other}") for other in range(10)])
            waiting[sent] = 10
        else:
            waiting[client.send(PUT, [client.tuple(key, LWW, value)])] = 1
    assert silent > 0
    while waiting:
        response = client.answer()
        equal(len(response.tuples), waiting.pop(response.response_id))
    equal(client.answers.poll(300), 0)


def dead_clients(client):
    """Clients that are gone, that never were, and that do not read cost the others nothing."""
    client.put_lww("big", 1, b"b" * (1 << 20))
    client.put_lww("small", 1, b"s")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4)
    deaf = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    lazy = client.context.socket(zmq.PULL)
    lazy.setsockopt(zmq.RCVHWM, 1)
    lazy.setsockopt(zmq.RCVBUF, 4096)
    lazy_port = lazy.bind_to_random_port("tcp://127.0.0.1")
    slowest = 0.0
    for number in range(1500):
        client.send(GET, [client.tuple("small")], answer_to=f"tcp://127.0.0.1:{20000 + number}")
        client.send(GET, [client.tuple("big")], answer_to=deaf)
        if number < 500:
            client.send(GET, [client.tuple("big")], answer_to=f"tcp://127.0.0.1:{lazy_port}")
        if number % 50 == 0:
            began = time.monotonic()
            equal(client.get_lww("small"), (1, b"s"))
            slowest = max(slowest, time.monotonic() - began)
    print(f"slowest {slowest * 1000:.1f} ms")
    assert slowest < 10, slowest


def bad_frames(client):
    """What is no message, and what names nowhere to answer to, is dropped; the rest gets its code."""
    client.put_lww("k", 1, b"v")
    generator = __import__("random").Random(7)
    key_endpoint = client.endpoint("k")
    for endpoint in [f"tcp://127.0.0.1:{client.port + port}" for port in range(4)] + [key_endpoint]:
        for _ in range(200):
            client.push(endpoint, generator.randbytes(generator.randrange(200)))
        client.push(endpoint, message("KeyRequest", type=GET, response_address="ipc:///tmp/x").SerializeToString())
    equal(client.ask(9, [client.tuple("k")])[0].error, 201)
    equal(client.ask(GET, [client.tuple("k" * 1025)])[0].error, 202)
    equal(client.ask(PUT, [client.tuple("k", LWW, b"\x0a\xff")])[0].error, 201)
    equal(client.ask(PUT, [client.tuple("k", SET, b"\x0a\xff")])[0].error, 201)
    equal(client.ask(PUT, [client.tuple("_cb/x", LWW, b"")])[0].error, 400)
    equal([found.error for found in client.ask(GET, [client.tuple("k"), client.tuple("")])], [NO_ERROR, 202])
    equal([found.error for found in client.ask(GET, [client.tuple("k")] * 1025)], [201] * 1025)
    for port in (client.port, int(key_endpoint.rsplit(":", 1)[1])):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(generator.randbytes(1000))
    client.pushes[key_endpoint].send_multipart([b"two", b"frames"])
    equal(client.get_lww("k"), (1, b"v"))


def put(client, key, stamp, value):
    equal(client.put_lww(key, int(stamp), value.encode()), NO_ERROR)


def get(client, key):
    found = client.get_lww(key)
    print("absent" if found is None else f"{found[0]} {found[1].decode()}")


def put_set(client, key, *elements):
    value = message("SetValue", values=[element.encode() for element in elements])
    equal(client.put(key, SET, value).error, NO_ERROR)


def get_set(client, key):
    print(" ".join(sorted(element.decode() for element in client.get_as(key, "SetValue")[1].values)))


if __name__ == "__main__":
    name, port, answer_port, *words = sys.argv[1:]
    local = "--cluster" not in words
    client = Client(int(port), int(answer_port), local)
    globals()[name](client, *[word for word in words if word != "--cluster"])
    client.context.destroy(linger=2000)
