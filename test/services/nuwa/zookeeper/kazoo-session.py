"""Runs kazoo, the ZooKeeper client of Python, against Nuwa: `kazoo-session.py host:port,host:port`."""
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoAuthError, NodeExistsError, NotEmptyError, NoNodeError, RolledBackError
from kazoo.security import make_digest_acl


def until(condition, seconds=10):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it did not come about"
        time.sleep(0.01)


def refused(error, call, *args, **options):
    try:
        call(*args, **options)
    except error:
        return
    raise AssertionError("not refused with %s" % error.__name__)


hosts = sys.argv[1]
zk = KazooClient(hosts=hosts, timeout=10)
zk.start()
other = KazooClient(hosts=hosts, timeout=10)
other.start()
assert zk.server_version()[:2] == (3, 8)

# nodes, versions, sequences
assert zk.create("/a", b"x") == "/a"
value, stat = other.get("/a")
assert (value, stat.version) == (b"x", 0)
assert zk.set("/a", b"y").version == 1
refused(BadVersionError, zk.set, "/a", b"z", version=0)
refused(NodeExistsError, zk.create, "/a")
refused(NoNodeError, zk.get, "/nothing")
path, stat = zk.create("/a/n-", b"", sequence=True, ephemeral=True, include_data=True)
assert path == "/a/n-0000000000" and stat.ephemeralOwner == zk.client_id[0]
refused(NotEmptyError, zk.delete, "/a")
assert other.get_children("/a") == ["n-0000000000"]

# transactions
transaction = zk.transaction()
transaction.create("/t", b"1")
transaction.check("/a", 1)
transaction.set_data("/a", b"z")
assert [isinstance(each, Exception) for each in transaction.commit()] == [False, False, False]
transaction = zk.transaction()
transaction.create("/t2", b"")
transaction.check("/a", 99)
results = transaction.commit()
assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError)
assert zk.exists("/t2") is None

# watches
seen = []
zk.get("/a", watch=seen.append)
zk.get_children("/a", watch=seen.append)
zk.exists("/later", watch=seen.append)
other.set("/a", b"q")
other.create("/a/c", b"")
other.create("/later", b"")
until(lambda: len(seen) == 3)
assert [(each.type, each.path) for each in seen] == [("CHANGED", "/a"), ("CHILD", "/a"), ("CREATED", "/later")]
values, names = [], []
zk.DataWatch("/data", lambda data, stat: values.append(data))
zk.ChildrenWatch("/a", lambda children: names.append(sorted(children)))
other.create("/data", b"1")
other.set("/data", b"2")
other.delete("/a/c")
until(lambda: values[-1] == b"2" and names[-1] == ["n-0000000000"])

# ACLs
zk.add_auth("digest", "bob:secret")
acl = make_digest_acl("bob", "secret", all=True)
zk.create("/secret", b"s", acl=[acl])
assert zk.get_acls("/secret")[0] == [acl]
refused(NoAuthError, other.get, "/secret")
other.add_auth("digest", "bob:secret")
assert other.get("/secret")[0] == b"s"

# recipes
order = []


def contend(client, name):
    with client.Lock("/lock", name):
        order.append(name)
        time.sleep(0.01)
        order.append(name)


threads = [threading.Thread(target=contend, args=(client, str(i))) for i, client in enumerate([zk, other] * 4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(order) == 16 and all(order[i] == order[i + 1] for i in range(0, 16, 2)), order
leaders = []
zk.Election("/election", "a").run(lambda: leaders.append("a"))
assert leaders == ["a"]
counter = zk.Counter("/counter")
counter += 2
again = other.Counter("/counter")
again += 3
assert counter.value == 5
barrier = zk.Barrier("/barrier")
barrier.create()
threading.Timer(0.1, other.Barrier("/barrier").remove).start()
assert barrier.wait(10)
both = [threading.Thread(target=lambda client=client: (client.DoubleBarrier("/double", 2).enter())) for client in (zk, other)]
[thread.start() for thread in both]
[thread.join(10) for thread in both]
assert not any(thread.is_alive() for thread in both)
party = zk.Party("/party", "me")
party.join()
assert list(other.Party("/party", "you")) == ["me"]
queue = zk.Queue("/queue")
queue.put(b"1")
assert other.Queue("/queue").get() == b"1"

# the end of a session takes its nodes
zk.stop()
until(lambda: other.exists(path) is None)
other.stop()
print("all held")
